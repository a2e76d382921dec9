/**
 * What the pages show, as one value: `apply(state, frame, now)` gives the next one.
 * What a frame does not touch keeps its identity, so that only what changed is drawn again.
 */
import type {
  Alert,
  Answer,
  FeedEvent,
  Frame,
  Moved,
  Point,
  Problem,
  Question,
  Series,
  Status,
  Value,
} from './wire';

export interface Tile {
  answer: Answer | null;
  error: Problem | null;
  at: number; // when it last changed, ms
}

export interface Feed {
  events: readonly FeedEvent[]; // newest first
  perSecond: number | null; // null: for those who may not see all products
  history: readonly { at: number; perSecond: number | null }[]; // oldest first
}

export interface State {
  tiles: ReadonlyMap<string, Tile>;
  position: string | null;
  feed: Feed;
  status: Status | null;
  alerts: { open: number; latest: Alert | null } | null;
}

export const FEED_KEPT = 300;
export const HISTORY_KEPT = 240; // four a second: the last minute

export const EMPTY: State = {
  tiles: new Map(),
  position: null,
  feed: { events: [], perSecond: 0, history: [] },
  status: null,
  alerts: null,
};

/** The same question gives the same id, so tiles that ask alike share one answer. */
export function idOf(question: Question): string {
  const where = Object.entries(question.where ?? {})
    .map(([key, values]) => [key, [...values].sort()] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([
    question.metric,
    [...(question.product ?? [])].sort(),
    question.from ?? '',
    question.to ?? '',
    question.grain ?? 'day',
    question.by ?? '',
    where,
    question.compare ?? '',
    question.known_at ?? '',
    question.policy ?? '',
    question.currency ?? '',
  ]);
}

export function apply(state: State, frame: Frame, now: number): State {
  if ('answer' in frame) {
    return { ...withAnswer(state, frame.id, frame.answer, now), position: frame.position };
  }
  if ('points' in frame) {
    const tile = state.tiles.get(frame.id);
    if (!tile?.answer) return { ...state, position: frame.position };
    const answer: Answer = {
      ...tile.answer,
      series: moved(tile.answer.series, frame.points, frame.totals ?? {}),
      as_of: frame.as_of ? { ...tile.answer.as_of, ...frame.as_of } : tile.answer.as_of,
      position: frame.position,
    };
    return { ...withAnswer(state, frame.id, answer, now), position: frame.position };
  }
  if ('feed' in frame) {
    return { ...state, feed: fed(state.feed, frame.feed, now) };
  }
  if ('status' in frame) return { ...state, status: frame.status };
  if ('alerts' in frame) return { ...state, alerts: frame.alerts };
  return frame.error.id ? withError(state, frame.error.id, frame.error, now) : state;
}

export function withAnswer(state: State, id: string, answer: Answer, now: number): State {
  return withTile(state, id, { answer, error: null, at: now });
}

/** An error stays with its tile; what was shown before stays under it. */
export function withError(state: State, id: string, error: Problem, now: number): State {
  return withTile(state, id, { answer: state.tiles.get(id)?.answer ?? null, error, at: now });
}

/** Keeps the watched tiles and the `spare` newest others, so that going back shows at once. */
export function pruned(state: State, watched: ReadonlySet<string>, spare: number): State {
  const others = [...state.tiles].filter(([id]) => !watched.has(id));
  if (others.length <= spare) return state;
  const drop = others
    .sort(([, a], [, b]) => a.at - b.at)
    .slice(0, others.length - spare)
    .map(([id]) => id);
  const tiles = new Map(state.tiles);
  for (const id of drop) tiles.delete(id);
  return { ...state, tiles };
}

function withTile(state: State, id: string, tile: Tile): State {
  return { ...state, tiles: new Map(state.tiles).set(id, tile) };
}

function moved(series: Series[], points: Moved[], totals: Record<string, Value>): Series[] {
  const byKey = new Map<string, Moved[]>();
  for (const point of points) {
    const found = byKey.get(point.key);
    if (found) found.push(point);
    else byKey.set(point.key, [point]);
  }
  const keys = new Set([...byKey.keys(), ...Object.keys(totals)]);
  const known = series.map((one) => {
    if (!keys.delete(one.key)) return one;
    const changed = byKey.get(one.key);
    const total = totals[one.key];
    return {
      ...one,
      points: changed ? merged(one.points, changed) : one.points,
      total: total === undefined ? one.total : total,
    };
  });
  const fresh = [...keys].map((key) => ({
    key,
    points: merged([], byKey.get(key) ?? []),
    total: totals[key] ?? null,
  }));
  return fresh.length ? [...known, ...fresh] : known;
}

function merged(points: Point[], changed: Moved[]): Point[] {
  const next = [...points];
  for (const { key: _, ...point } of changed) {
    const at = indexOf(next, point.start);
    if (next[at]?.start === point.start) next[at] = point;
    else next.splice(at, 0, point);
  }
  return next;
}

/** Where a start stands or belongs; the newest points move most, so it looks from the end. */
function indexOf(points: Point[], start: string): number {
  const when = Date.parse(start);
  let at = points.length;
  while (at > 0 && Date.parse(points[at - 1]!.start) >= when) at -= 1;
  return at;
}

function fed(feed: Feed, news: { events: FeedEvent[]; per_second: number | null }, now: number): Feed {
  const newest = [...news.events].sort((a, b) => (a.at < b.at ? 1 : -1));
  return {
    events: newest.length ? [...newest, ...feed.events].slice(0, FEED_KEPT) : feed.events,
    perSecond: news.per_second,
    history: [...feed.history, { at: now, perSecond: news.per_second }].slice(-HISTORY_KEPT),
  };
}
