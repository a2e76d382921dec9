/** Questions about use as they stand in the address, and as the server is asked. Pure. */
import { bucketName, GRAIN_WORDS } from '../core/dates';
import type { DivergingData } from '../core/diverging';
import type { FlowData } from '../core/flow';
import { exact } from '../core/format';
import type { HeatmapCohort } from '../core/heatmap';
import { addDays, dayLabel, firstOfMonth, firstOfWeek, type Calendar } from '../shell/dates';
import { eventWords } from '../shell/words';
import type { Behind, EventName, FunnelAsked, Grain, LifecyclePoint, PathsAnswer, StepAsked, UseCohort } from '../wire';
import { parseFilters, type Filters } from './filters';

/** A step: events of which one must be done; an optional one may be passed over. */
export interface Step {
  readonly events: readonly string[];
  readonly optional: boolean;
}

export interface FunnelChoice {
  readonly steps: readonly Step[];
  readonly window: string;
  readonly order: 'ordered' | 'strict' | 'any';
  readonly exclude: readonly string[];
  readonly drops: boolean; // who did what is excluded is left out of every step
  readonly by: string;
  readonly where: Filters;
}

export const WINDOWS = [
  { id: '1h', label: '1 hour' },
  { id: '1d', label: '1 day' },
  { id: '7d', label: '7 days' },
  { id: '14d', label: '14 days' },
  { id: '30d', label: '30 days' },
  { id: '90d', label: '90 days' },
] as const;
export const ORDERS = [
  { id: 'ordered', label: 'In this order', hint: 'Anything may happen between two steps' },
  { id: 'strict', label: 'Directly after each other', hint: 'Nothing else may happen between two steps' },
  { id: 'any', label: 'In any order', hint: 'The steps may be done in any order' },
] as const;
export const MOST_STEPS = 20;
const WINDOW = '14d';
const VISITS = ['session', 'page_view'];
const USE = 'engagement';

/** "session~signup~activation|invited~paid?": alternatives with "|", an optional step ends in "?". */
export function parseSteps(text: string): Step[] {
  return text
    .split('~')
    .map((part): Step => {
      const optional = part.endsWith('?');
      const events = (optional ? part.slice(0, -1) : part).split('|').map(unescaped).filter(Boolean);
      return { events: [...new Set(events)], optional };
    })
    .filter(({ events }) => events.length > 0)
    .slice(0, MOST_STEPS);
}

export const formatSteps = (steps: readonly Step[]): string =>
  steps.map(({ events, optional }) => events.map(escaped).join('|') + (optional ? '?' : '')).join('~');

export function parseFunnel(own: Readonly<Record<string, string>>, start: readonly Step[]): FunnelChoice {
  const steps = parseSteps(own.steps ?? '');
  return {
    steps: steps.length ? steps : start,
    window: /^[1-9]\d{0,3}[smhdw]$/.test(own.window ?? '') ? own.window! : WINDOW,
    order: ORDERS.find(({ id }) => id === own.order)?.id ?? 'ordered',
    exclude: (own.not ?? '').split('|').map(unescaped).filter(Boolean),
    drops: own.drops === '1',
    by: own.by ?? '',
    where: parseFilters(own.where ?? ''),
  };
}

/** What of the address says this; "" takes a part away. */
export function formatExcluded(events: readonly string[]): string {
  return events.map(escaped).join('|');
}

/** What visitors do first, sign up, and then do: true of any company whose events have come. */
export function startingSteps(names: readonly EventName[]): Step[] {
  const types = new Set(names.map(({ type }) => type));
  const visit = VISITS.find((type) => types.has(type));
  const used = types.has(USE);
  const steps = [
    ...(visit ? [[visit]] : []),
    ...(types.has('signup') ? [['signup']] : []),
    ...(types.has('activation') ? [used ? ['activation', USE] : ['activation']] : used ? [[USE]] : []),
    ...(used && types.has('activation') ? [[USE]] : []),
  ];
  const found = steps.length > 1 ? steps : names.slice(0, 3).map(({ name }) => [name]);
  return found.map((events) => ({ events, optional: false }));
}

/** The question for the server; null while a step is missing. */
export function funnelAsked(choice: FunnelChoice, scope: Pick<FunnelAsked, 'from' | 'to' | 'product' | 'trend' | 'segment'>): FunnelAsked | null {
  if (choice.steps.length < 2) return null;
  return {
    ...scope,
    steps: choice.steps.map(
      ({ events, optional }): StepAsked => ({
        ...(events.length === 1 ? { event: events[0]! } : { any: events.map((event) => ({ event })) }),
        ...(optional ? { optional } : {}),
      }),
    ),
    window: choice.window,
    order: choice.order,
    ...(choice.exclude.length ? { exclude: choice.exclude.map((event) => ({ event, ...(choice.drops ? { mode: 'drop_actor' as const } : {}) })) } : {}),
    ...(choice.by ? { by: choice.by } : {}),
    ...whereOf(choice.where),
  };
}

/** Filters as a question has them. */
export const whereOf = (filters: Filters): { where?: NonNullable<FunnelAsked['where']> } =>
  Object.keys(filters).length ? { where: Object.fromEntries(Object.entries(filters).map(([by, keys]) => [by, keys.length === 1 ? keys[0]! : keys])) } : {};

/** "14d" as people say it. */
export function windowWords(window: string): string {
  const known = WINDOWS.find(({ id }) => id === window);
  if (known) return known.label;
  const unit = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week' }[window.slice(-1)] ?? '';
  return `${window.slice(0, -1)} ${unit}${window.startsWith('1') && window.length === 2 ? '' : 's'}`;
}

const escaped = (text: string): string => text.replaceAll(/[%~|?]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An event as a step is called: "reply_sent" is "Reply sent". */
export function eventLabel(event: string): string {
  const words = eventWords(event);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** All that can be picked: the names there are, and use of any name. */
export function pickable(names: readonly EventName[]): EventName[] {
  const uses = names.filter(({ type }) => type === USE);
  if (!uses[0]) return [...names];
  const any: EventName = { ...uses[0], name: USE, events: uses.reduce((sum, { events }) => sum + events, 0) };
  return [...names, any].sort((a, b) => b.events - a.events);
}

export type CohortGrain = 'day' | 'week' | 'month';

/** How far back cohorts go, by how long each is. */
export const COHORTS: Record<CohortGrain, number> = { day: 14, week: 12, month: 12 };

/** The first day of the cohorts shown. */
export function cohortsFrom(grain: CohortGrain, { today, weekStart }: Pick<Calendar, 'today' | 'weekStart'>): string {
  const back = 1 - COHORTS[grain];
  if (grain === 'month') return firstOfMonth(today, back);
  return grain === 'week' ? addDays(firstOfWeek(today, weekStart), 7 * back) : addDays(today, back);
}

/** What begins and what brings back, by what has come. */
export function startingReturn(names: readonly EventName[]): { start: string; back: string } {
  const types = new Set(names.map(({ type }) => type));
  const visit = [...VISITS, USE].find((type) => types.has(type)) ?? names[0]?.name ?? '';
  return { start: types.has('signup') ? 'signup' : visit, back: visit };
}

/** Counts of a table of retention as shares of what each cohort began with. */
export function shares(cohorts: readonly UseCohort[]): HeatmapCohort[] {
  return cohorts.map(({ start, values }) => {
    const size = values[0] ?? 0;
    const whole = Number(size);
    return { start, size, values: values.map((value) => (value === null ? null : whole ? Number(value) / whole : null)) };
  });
}

/** Where a funnel's picture was clicked, as the server is asked for its users. */
export function behindFlow(id: string, funnel: FunnelAsked): Behind {
  const [node = '', target] = id.split('>');
  const end = /^(left|open)\/(\d+)$/.exec(target ?? node);
  const state = end ? (end[1] === 'left' ? 'dropped' : 'open') : 'reached';
  if (target === undefined) return end ? { funnel, step: Number(end[2]), state } : { funnel, node };
  return end ? { funnel, node, state } : { funnel, node, target };
}

/** Paths as a flow: every visit at a node goes on or ends there. */
export function pathFlow({ nodes, edges }: PathsAnswer): FlowData {
  const depth = Math.max(0, ...nodes.map(({ step }) => step));
  const count = Array.from({ length: depth }, (_, i) => nodes.filter(({ step }) => step === i + 1).reduce((sum, { visits }) => sum + visits, 0));
  const share = (part: number, whole: number | undefined): number | null => (whole ? part / whole : null);
  return {
    steps: count.map((visits, i) => ({
      label: ORDINALS[i] ?? `${i + 1}th`,
      count: visits,
      conversion: share(visits, count[0]),
      step_conversion: share(visits, count[Math.max(0, i - 1)]),
      matured_conversion: null,
      mean_seconds: null,
      median_seconds: null,
      open: 0,
      dropped: 0,
    })),
    nodes: nodes.map(({ id, step, label, visits, ends, other, between }) => ({
      id,
      step,
      label: other ? 'Other' : between ? 'Steps between' : eventLabel(label),
      count: visits,
      dropped: ends,
      open: 0,
    })),
    links: edges.map(({ source, target, transitions, mean_seconds }) => ({ source, target, count: transitions, median_seconds: mean_seconds })),
  };
}

const ORDINALS = ['First', 'Second', 'Third', 'Fourth', 'Fifth', 'Sixth', 'Seventh', 'Eighth'];

/** The bars of a lifecycle: those who are active above, those who stopped below, and the change. */
export function lifecycleBars(points: readonly LifecyclePoint[], grain: Grain): DivergingData {
  return {
    kinds: LIFECYCLE.map(({ id, label, tone, strength }) => ({ key: id, label, tone, strength })),
    columns: points.map((point) => ({
      start: point.start,
      complete: point.complete,
      values: LIFECYCLE.map(({ id }) => String(id === 'dormant' ? -point.dormant : point[id])),
      net: String(point.new + point.resurrecting - point.dormant),
    })),
    unit: 'count',
    grain,
    netLabel: 'Change',
  };
}

export const LIFECYCLE = [
  { id: 'returning', label: 'Returning', tone: 'none', strength: 0.7, meaning: 'active now and the time before' },
  { id: 'resurrecting', label: 'Back again', tone: 'up', strength: 0.5, meaning: 'active now after a pause' },
  { id: 'new', label: 'New', tone: 'up', strength: 1, meaning: 'active for the first time ever' },
  { id: 'dormant', label: 'Gone quiet', tone: 'down', strength: 1, meaning: 'active the time before, not now; counted once' },
] as const;
export type LifecycleKind = (typeof LIFECYCLE)[number]['id'];

/** The latest whole bucket in a sentence. */
export function lifecycleSentence(points: readonly LifecyclePoint[], grain: Grain): string {
  const last = points.findLast(({ complete }) => complete);
  if (!last) return 'Who is new, stays, comes back and goes quiet';
  const change = last.new + last.resurrecting - last.dormant;
  const moved = change === 0 ? 'as many as before' : `${exact(Math.abs(change), 'count')} ${change > 0 ? 'more' : 'fewer'} than the ${GRAIN_WORDS[grain].one} before`;
  return `${bucketName(last.start, grain)}: ${exact(last.active, 'count')} active users, ${moved}; ${exact(last.new + last.resurrecting, 'count')} came, ${exact(last.dormant, 'count')} went quiet`;
}

/** Who is behind a number, in words, for a list of segments. */
export function behindWords(of: Behind): string {
  if (of.did) return `Did ${of.did.event ? eventLabel(of.did.event) : 'anything'}${(of.did.at_least ?? 1) > 1 ? ` ${of.did.at_least} times or more` : ''}${of.did.from ? `, from ${dayLabel(of.did.from)}` : ''}`;
  if (of.funnel) {
    const steps = of.funnel.steps.map((step) => [step.event ?? '', ...(step.any ?? []).map(({ event }) => event)].filter(Boolean).map(eventLabel).join(' or '));
    const did = { reached: 'Reached', converted: 'Did every step of', dropped: 'Went no further in', open: 'May still go on in' }[of.state ?? 'reached'];
    return `${did} the funnel ${steps.join(' → ')}`;
  }
  if (of.retention) return of.k ? 'Came back after they began' : 'Began together';
  if (of.lifecycle) return `${LIFECYCLE.find(({ id }) => id === of.kind)?.label ?? ''} users of ${bucketName(of.start ?? '', of.lifecycle.grain ?? 'day')}`;
  if (of.stickiness) return `Active ${of.times} ${of.times === 1 ? 'time' : 'times'}${of.or_more ? ' or more' : ''}`;
  return 'Took one path';
}
