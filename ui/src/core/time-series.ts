// A time series as numbers and strings: everything a component needs to draw it and to answer
// the pointer.
import { bisector } from 'd3-array';
import { scaleLinear, scaleUtc } from 'd3-scale';
import type { Theme } from '../tokens/tokens';
import { seriesColour } from '../tokens/tokens';
import { amount, type Expected, type Grain, type Line, type Mark, type Target, type Unit } from './data';
import { DAY, HOUR, parseStart, type Start } from './dates';
import { areaPath, bandPath, hatchPath, linePath, lonePoints, round, type XY } from './path';
import { valueAxis, type ValueTick } from './scale';
import { spread } from './spread';
import { stack, type Edges } from './stacked';
import { fitText, textWidth } from './text';
import { timeTicks, type TimeTick } from './ticks';

export interface TimeSeriesData {
  readonly series: readonly Line[];
  readonly unit: Unit;
  readonly currency?: string;
  readonly grain: Grain;
  readonly marks?: readonly Mark[];
  readonly expected?: readonly Expected[];
  readonly target?: Target | null;
  /** Keys not drawn; the others keep their colours. */
  readonly hidden?: ReadonlySet<string>;
  /** The one line to look at: the others are set back. */
  readonly highlight?: string | null;
  /** Fills the surface under a single line. */
  readonly area?: boolean;
  /** Whether the value axis starts at zero; default yes, as the eye compares heights. */
  readonly zero?: boolean;
  /** Each line stands on those before it, filled. */
  readonly stacked?: boolean;
}

export interface DrawnLine {
  readonly key: string;
  readonly label: string;
  readonly colour: string;
  readonly width: number;
  readonly opacity: number;
  readonly path: string;
  /** The way into buckets that are still running. */
  readonly running: string;
  readonly compare: string;
  readonly area: string;
  /** How strongly the area is filled. */
  readonly fill: number;
  readonly dots: readonly { readonly x: number; readonly y: number }[];
  /** Place in px of each bucket, for the crosshair. */
  readonly at: readonly XY[];
  readonly compareAt: readonly (number | null)[];
  /** Where its name belongs: on the line, or in the middle of its band. */
  readonly nameAt: readonly XY[];
}

export interface DirectLabel {
  readonly key: string;
  readonly text: string;
  readonly colour: string;
  readonly x: number;
  readonly y: number;
  readonly weight: 400 | 600;
  /** Switched off: the name stays, at the foot, so that it can be brought back. */
  readonly off: boolean;
}

export interface DrawnMark extends Mark {
  readonly x: number;
  /** Height of the line the mark is about; null when it stands on the axis. */
  readonly y: number | null;
  readonly index: number;
}

export interface TimeSeriesScene {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly starts: readonly string[];
  /** Wall time of each start, in ms. */
  readonly walls: readonly number[];
  readonly x: readonly number[];
  readonly yTicks: readonly ValueTick[];
  readonly xTicks: readonly TimeTick[];
  readonly baseline: number | null;
  readonly lines: readonly DrawnLine[];
  readonly labels: readonly DirectLabel[];
  /** More than one line and no room for labels beside them: the caller shows a legend. */
  readonly needsLegend: boolean;
  readonly hatch: { readonly x: number; readonly width: number; readonly path: string } | null;
  readonly expected: string;
  /** The way to the goal, and where its name stands: above its end. */
  readonly target: { readonly path: string; readonly label: string; readonly x: number; readonly y: number } | null;
  readonly marks: readonly DrawnMark[];
  readonly empty: boolean;
}

const TOP = 12;
const LABEL_GAP = 8;
const PRESSED = 24; // px from name to name, so that a finger finds each
const UNSEEN = 0.01; // of the height above nothing: so little below it gets no axis of its own
const NARROWEST = 10; // px of a range that only one bucket has
const TYPICAL: Record<Grain, number> = {
  hour: HOUR,
  day: DAY,
  week: 7 * DAY,
  month: 30 * DAY,
  quarter: 91 * DAY,
  year: 365 * DAY,
};

interface Bucket extends Start {
  readonly start: string;
}

/** Lays out lines over time in `width` by `height` px. */
export function layoutTimeSeries(data: TimeSeriesData, width: number, height: number, theme: Theme): TimeSeriesScene {
  const { size } = theme;
  const shown = data.series
    .map((line, index) => ({ line, index }))
    .filter(({ line }) => !data.hidden?.has(line.key));
  const off = data.series.filter((line) => data.hidden?.has(line.key));
  const highlight = shown.some(({ line }) => line.key === data.highlight) ? data.highlight! : null;
  const buckets = bucketsOf(data.series);
  const marks = data.marks ?? [];
  const bottom = height - (size + 12);
  const top = marks.length > 0 ? TOP + 12 : TOP;

  const indexOf = new Map(buckets.map((bucket, index) => [bucket.start, index]));
  const stacks = data.stacked ? stack(shown.map(({ line }) => line), indexOf, buckets.length) : null;
  const [low, high] = stacks ? tops(stacks) : extent(shown.map(({ line }) => line), data.expected ?? [], data.zero ?? true, data.target);
  const axis = valueAxis(low, high, height < 140 ? 2 : height < 320 ? 3 : 4, data.unit, data.currency ?? '');
  const y = scaleLinear().domain(axis.domain).range([bottom, top]);

  const left = Math.ceil(Math.max(0, ...axis.ticks.map((tick) => textWidth(tick.label, size)))) + 12;
  const labelRoom = directRoom(data.series, width - left, size);
  const right = width - (labelRoom > 0 ? labelRoom + LABEL_GAP + 4 : 4);
  const instants = buckets.map((bucket) => bucket.instant);
  const step = stepOf(instants, data.grain);
  const time = scaleUtc()
    .domain([(instants[0] ?? 0) - step / 2, (instants.at(-1) ?? 0) + step / 2])
    .range([left, right]);
  const x = instants.map((instant) => round(time(instant)));
  const starts = buckets.map((bucket) => bucket.start);
  const walls = buckets.map((bucket) => bucket.wall.getTime());

  const lines = shown.map(({ line, index }): DrawnLine => {
    const at: XY[] = buckets.map((_, i) => ({ x: x[i]!, y: null }));
    const edges = stacks?.get(line.key);
    const place = (values: readonly (number | null)[]): XY[] => values.map((value, i) => ({ x: x[i]!, y: value === null ? null : round(y(value)) }));
    const [lower, upper] = [place(edges?.low ?? []), place(edges?.high ?? [])];
    const compareAt: (number | null)[] = buckets.map(() => null);
    let firstRunning = buckets.length;
    line.points.forEach((point, n) => {
      const i = indexOf.get(point.start)!;
      const value = amount(point.value);
      at[i] = edges ? upper[i]! : { x: x[i]!, y: value === null ? null : round(y(value)) };
      const before = amount(line.compare?.[n]?.value);
      compareAt[i] = before === null ? null : round(y(before));
      if (!point.complete) firstRunning = Math.min(firstRunning, i);
    });
    const done = at.slice(0, firstRunning);
    const running = firstRunning < at.length ? at.slice(Math.max(0, firstRunning - 1)) : [];
    const setBack = highlight !== null && highlight !== line.key;
    const fill = (data.area ?? false) && shown.length === 1;
    return {
      key: line.key,
      label: line.label,
      colour: seriesColour(theme.colours, index),
      width: highlight === line.key ? 2.5 : edges ? 1 : index < 4 ? 2 : 1.5,
      opacity: setBack ? 0.25 : 1,
      path: linePath(edges ? at : done),
      running: edges ? '' : linePath(running),
      compare: linePath(compareAt.map((value, i) => ({ x: x[i]!, y: value }))),
      nameAt: edges ? upper.map((p, i) => ({ x: p.x, y: p.y === null ? null : round((p.y + lower[i]!.y!) / 2) })) : at,
      fill: edges ? 0.7 : 0.08,
      area: edges ? bandPath(lower, upper) : fill ? areaPath(at, y(Math.max(axis.domain[0], Math.min(0, axis.domain[1])))) : '',
      dots: lonePoints(at).map((p) => ({ x: p.x, y: p.y! })),
      at,
      compareAt,
    };
  });

  const runningFrom = firstIncomplete(shown.map(({ line }) => line), indexOf, buckets.length);
  const half = buckets.length > 1 ? (right - left) / buckets.length / 2 : (right - left) / 2;
  const hatchX = runningFrom < x.length ? Math.max(left, x[runningFrom]! - half) : right;
  return {
    width,
    height,
    left,
    right,
    top,
    bottom,
    starts,
    walls,
    x,
    yTicks: axis.ticks.map((tick) => ({ ...tick, y: round(y(tick.value)) })),
    xTicks: timeTicks(buckets, x, data.grain, left, right, size),
    baseline: axis.domain[0] <= 0 && axis.domain[1] >= 0 ? round(y(0)) : null,
    lines,
    labels: labelRoom > 0 ? directLabels(lines, off, theme.colours.line, runningFrom, labelRoom, right + LABEL_GAP, top, bottom, size, highlight) : [],
    needsLegend: data.series.length > 1 && labelRoom === 0,
    hatch:
      runningFrom < x.length && right - hatchX > 0.5
        ? { x: round(hatchX), width: round(right - hatchX), path: hatchPath(hatchX, top, right - hatchX, bottom - top) }
        : null,
    expected: expectedPath(data.expected ?? [], indexOf, x, half, y),
    target: drawnTarget(data.target, indexOf, x, y, right, size),
    marks: marks.flatMap((mark) => drawnMark(mark, bucketOf({ starts, walls }, mark.start), x, lines)),
    empty: lines.every((line) => line.at.every((p) => p.y === null)),
  };
}

/** Index of the bucket nearest to `px`; -1 when there is none. */
export function bucketAt(scene: TimeSeriesScene, px: number): number {
  return scene.x.length === 0 ? -1 : byNumber.center(scene.x, px);
}

const byNumber = bisector((value: number) => value);

/** Index of the bucket that `start` names or falls into; -1 when it lies outside. */
export function bucketOf({ starts, walls }: Pick<TimeSeriesScene, 'starts' | 'walls'>, start: string): number {
  const exact = starts.indexOf(start);
  if (exact >= 0 || starts.length === 0) return exact;
  // Buckets of hours and of days meet on the wall clock: a day has no offset to compare instants by.
  const wall = parseStart(start).wall.getTime();
  const index = byNumber.right(walls, wall) - 1;
  const last = walls.length - 1;
  const step = last > 0 ? (walls[last]! - walls[0]!) / last : DAY;
  return index === last && wall - walls[last]! >= step ? -1 : index;
}

function bucketsOf(series: readonly Line[]): Bucket[] {
  const found = new Map<string, Bucket>();
  for (const line of series) {
    for (const { start } of line.points) if (!found.has(start)) found.set(start, { start, ...parseStart(start) });
  }
  return [...found.values()].sort((a, b) => a.instant - b.instant);
}

function stepOf(instants: readonly number[], grain: Grain): number {
  if (instants.length < 2) return TYPICAL[grain];
  return (instants.at(-1)! - instants[0]!) / (instants.length - 1);
}

function drawnTarget(
  target: Target | null | undefined,
  indexOf: ReadonlyMap<string, number>,
  x: readonly number[],
  y: (value: number) => number,
  right: number,
  size: number,
): TimeSeriesScene['target'] {
  const at = (target?.values ?? []).flatMap(({ start, value }) => {
    const index = indexOf.get(start);
    return index === undefined ? [] : [{ x: x[index]!, y: round(y(value)) }];
  });
  const last = at.at(-1);
  if (!target || !last) return null;
  const whole = at.length > 1 ? linePath(at) : `M${last.x - NARROWEST},${last.y}H${last.x + NARROWEST}`;
  const label = fitText(target.label, Math.max(0, last.x - x[0]!), size);
  return { path: whole, label, x: Math.min(last.x, right), y: Math.max(size, last.y - 6) };
}

function extent(lines: readonly Line[], expected: readonly Expected[], zero: boolean, target?: Target | null): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  const take = (value: number | null): void => {
    if (value === null) return;
    if (value < low) low = value;
    if (value > high) high = value;
  };
  for (const line of lines) {
    for (const point of line.points) take(amount(point.value));
    line.compare?.slice(0, line.points.length).forEach((point) => take(amount(point.value)));
  }
  for (const { value } of target?.values ?? []) take(value);
  for (const range of expected) {
    take(range.low);
    take(range.high);
  }
  if (low > high) return [0, 0];
  return zero ? [Math.min(0, low), Math.max(0, high)] : [low, high];
}

function tops(stacks: ReadonlyMap<string, Edges>): [number, number] {
  const values = [...stacks.values()].flatMap(({ high }) => high.filter((value) => value !== null));
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  return [-low < high * UNSEEN ? 0 : low, high];
}

/** px kept on the right for names; 0 when one line needs none or there is no room for them. */
function directRoom(lines: readonly Line[], width: number, size: number): number {
  if (lines.length < 2 || lines.length > 16) return 0;
  const widest = Math.ceil(Math.max(...lines.map((line) => textWidth(line.label, size, 600))));
  const most = Math.floor(width * 0.24);
  return most < 72 ? 0 : Math.min(widest, most, 160);
}

function directLabels(
  lines: readonly DrawnLine[],
  hidden: readonly Line[],
  offColour: string,
  runningFrom: number,
  room: number,
  x: number,
  top: number,
  bottom: number,
  size: number,
  highlight: string | null,
): DirectLabel[] {
  // A name stands where its line's last whole bucket ended: what still runs drops for a while.
  const on = lines.flatMap((line) => {
    const y = (line.nameAt.findLast((p, i) => p.y !== null && i < runningFrom) ?? line.nameAt.findLast((p) => p.y !== null))?.y ?? null;
    return y === null ? [] : [{ ...line, y, off: false }];
  });
  const ends = [...on, ...hidden.map(({ key, label }) => ({ key, label, colour: offColour, y: bottom, off: true }))];
  const gap = Math.min(PRESSED, (bottom - top) / Math.max(1, ends.length - 1));
  const ys = spread(ends.map((end) => end.y), gap, top, bottom);
  return ends.map(({ key, label, colour, off }, i) => {
    const weight = key === highlight ? 600 : 400;
    return { key, text: fitText(label, room, size, 600), colour, x, y: round(ys[i]!), weight, off };
  });
}

function firstIncomplete(lines: readonly Line[], indexOf: ReadonlyMap<string, number>, none: number): number {
  let first = none;
  for (const line of lines) {
    for (const point of line.points) if (!point.complete) first = Math.min(first, indexOf.get(point.start)!);
  }
  return first;
}

function expectedPath(
  expected: readonly Expected[],
  indexOf: ReadonlyMap<string, number>,
  x: readonly number[],
  half: number,
  y: (value: number) => number,
): string {
  const known = expected.filter((range) => indexOf.has(range.start));
  const [only] = known;
  if (!only) return '';
  if (known.length === 1) {
    const middle = x[indexOf.get(only.start)!]!;
    const reach = Math.max(half, NARROWEST / 2);
    return `M${round(middle - reach)},${round(y(only.high))}H${round(middle + reach)}V${round(y(only.low))}H${round(middle - reach)}Z`;
  }
  const at = (start: string): number => x[indexOf.get(start)!]!;
  const upper = known.map((range) => `${at(range.start)},${round(y(range.high))}`);
  const lower = known.toReversed().map((range) => `${at(range.start)},${round(y(range.low))}`);
  return `M${[...upper, ...lower].join('L')}Z`;
}

function drawnMark(mark: Mark, index: number, x: readonly number[], lines: readonly DrawnLine[]): DrawnMark[] {
  if (index < 0) return [];
  const line = lines.find((candidate) => candidate.key === mark.series) ?? (lines.length === 1 ? lines[0] : undefined);
  const y = mark.kind === 'alert' ? (line?.at[index]?.y ?? null) : null;
  return [{ ...mark, index, x: x[index]!, y }];
}
