/** A funnel as it stands in the address, and as the server is asked for it. Pure. */
import type { Behind, EventName, FunnelAsked, PartAsked, StepAsked } from '../wire';
import { doingAsked, doingLabel, formatDoing, just, parseDoing, type Doing } from './doing';
import { parseFilters, whereOf, type Filters } from './filters';

/** A step: events of which one must be done; an optional one may be passed over. */
export interface Step {
  readonly events: readonly Doing[];
  readonly optional: boolean;
}

/** What must not happen on the way, or between two steps counted from 1. */
export interface Without {
  readonly doing: Doing;
  readonly between: readonly [number, number] | null;
  readonly drops: boolean; // who did it is left out of every step
}

export interface FunnelChoice {
  readonly steps: readonly Step[];
  readonly window: string;
  readonly scope: 'first' | 'step';
  readonly order: 'ordered' | 'strict' | 'any';
  readonly entry: 'latest' | 'first';
  readonly exclude: readonly Without[];
  readonly by: string;
  readonly attribution: string;
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
export const UNITS = [
  { id: 'm', label: 'minutes', one: 'minute' },
  { id: 'h', label: 'hours', one: 'hour' },
  { id: 'd', label: 'days', one: 'day' },
  { id: 'w', label: 'weeks', one: 'week' },
] as const;
export const ORDERS = [
  { id: 'ordered', label: 'In this order', hint: 'Anything may happen between two steps' },
  { id: 'strict', label: 'Directly after each other', hint: 'Nothing else may happen between two steps' },
  { id: 'any', label: 'In any order', hint: 'The steps may be done in any order' },
] as const;
export const SCOPES = [
  { id: 'first', label: 'the first step', hint: 'All steps within this time' },
  { id: 'step', label: 'the step before', hint: 'Each step within this time of the one before' },
] as const;
export const ENTRIES = [
  { id: 'latest', label: 'their latest try', hint: 'Doing the first step again begins anew' },
  { id: 'first', label: 'their first try', hint: 'Doing the first step again is passed over while a try is on' },
] as const;
export const MOST_STEPS = 20;
const WINDOW = '14d';
const VISITS = ['session', 'page_view'];
const USE = 'engagement';

/** "session~signup@mail{plan:team}~activation|invited~paid?": alternatives with "|", an optional step ends in "?". */
export function parseSteps(text: string): Step[] {
  return text
    .split('~')
    .map((part): Step => {
      const optional = part.endsWith('?');
      const found = (optional ? part.slice(0, -1) : part).split('|').flatMap((one) => parseDoing(one) ?? []);
      const events = [...new Map(found.map((doing) => [formatDoing(doing), doing])).values()];
      return { events, optional };
    })
    .filter(({ events }) => events.length > 0)
    .slice(0, MOST_STEPS);
}

export const formatSteps = (steps: readonly Step[]): string =>
  steps.map(({ events, optional }) => events.map(formatDoing).join('|') + (optional ? '?' : '')).join('~');

/** "refund*2-3!|churn": between the second and the third step, its users left out; at any time. */
export function parseWithout(text: string): Without[] {
  return text.split('|').flatMap((part) => {
    const [, rest = '', from, until, drops] = /^(.*?)(?:\*(\d+)-(\d+))?(!)?$/.exec(part) ?? [];
    const doing = parseDoing(rest);
    return doing ? { doing, between: from && until ? ([Number(from), Number(until)] as const) : null, drops: Boolean(drops) } : [];
  });
}

export const formatWithout = (exclude: readonly Without[]): string =>
  exclude.map(({ doing, between, drops }) => formatDoing(doing) + (between ? `*${between.join('-')}` : '') + (drops ? '!' : '')).join('|');

export function parseFunnel(own: Readonly<Record<string, string>>, start: readonly Step[]): FunnelChoice {
  const steps = parseSteps(own.steps ?? '');
  return {
    steps: steps.length ? steps : start,
    window: /^[1-9]\d{0,3}[smhdw]$/.test(own.window ?? '') ? own.window! : WINDOW,
    scope: own.since === 'step' ? 'step' : 'first',
    order: ORDERS.find(({ id }) => id === own.order)?.id ?? 'ordered',
    entry: own.entry === 'first' ? 'first' : 'latest',
    exclude: parseWithout(own.not ?? ''),
    by: own.by ?? '',
    attribution: /^(last_touch|all_steps|step:\d+)$/.test(own.whose ?? '') ? own.whose! : 'first_touch',
    where: parseFilters(own.where ?? ''),
  };
}

/** How many of the folded choices are not as they start. */
export const chosenOptions = ({ scope, order, entry, exclude, by, attribution }: FunnelChoice): number =>
  [scope !== 'first', order !== 'ordered', entry !== 'latest', exclude.length > 0, by !== '' && attribution !== 'first_touch'].filter(Boolean).length;

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
  return found.map((events) => ({ events: events.map(just), optional: false }));
}

/** The question for the server; null while a step is missing. What does not fit the order is not asked for. */
export function funnelAsked(choice: FunnelChoice, scope: Pick<FunnelAsked, 'from' | 'to' | 'product' | 'trend' | 'segment'>, nameOf?: (product: string) => string): FunnelAsked | null {
  const { steps, order } = choice;
  if (steps.length < 2) return null;
  const any = order === 'any';
  const last = steps.length - 1;
  return {
    ...scope,
    steps: steps.map(({ events, optional }, at): StepAsked => {
      const narrow = events.some(({ products, where }) => products.length || Object.keys(where).length);
      return {
        ...(events.length === 1 ? doingAsked(events[0]!) : { any: events.map(doingAsked) }),
        ...(optional && !any && at > 0 && at < last ? { optional } : {}),
        ...(narrow ? { label: events.map((doing) => doingLabel(doing, nameOf)).join(' or ') } : {}),
      };
    }),
    window: choice.window,
    order,
    ...(choice.entry === 'latest' ? {} : { entry: choice.entry }),
    ...(choice.scope === 'first' || any ? {} : { window_scope: choice.scope }),
    ...(choice.exclude.length ? { exclude: choice.exclude.map((one) => withoutAsked(one, any ? 0 : steps.length)) } : {}),
    ...(choice.by ? { by: choice.by, ...attributionOf(choice) } : {}),
    ...whereOf(choice.where),
  };
}

function withoutAsked({ doing, between, drops }: Without, steps: number): NonNullable<FunnelAsked['exclude']>[number] {
  const fits = between && between[0] >= 1 && between[0] < between[1] && between[1] <= steps;
  return { event: doing.event, ...whereOf(doing.where), ...(fits ? { between: [between[0], between[1]] } : {}), ...(drops ? { mode: 'drop_actor' as const } : {}) };
}

function attributionOf({ attribution, steps }: FunnelChoice): { attribution?: string } {
  const step = /^step:(\d+)$/.exec(attribution);
  const fits = step ? Number(step[1]) >= 1 && Number(step[1]) <= steps.length : attribution !== 'first_touch';
  return fits ? { attribution } : {};
}

/** "14d" as people say it. */
export function windowWords(window: string): string {
  const [count, unit] = [Number(window.slice(0, -1)), window.slice(-1)];
  const words = UNITS.find(({ id }) => id === unit) ?? { label: 'seconds', one: 'second' };
  return `${count} ${count === 1 ? words.one : words.label}`;
}

export const BETWEEN = 8; // events on the way that are named

/** The same funnel with what is done between its steps; nothing else is needed of it. */
export function betweenAsked({ by: _by, attribution: _attribution, trend: _trend, ...funnel }: FunnelAsked): FunnelAsked {
  return { ...funnel, between: BETWEEN };
}

/** One of several: "is=DE", "other", "none" (without any). */
const valueOf = (id: string): PartAsked => (id === 'other' ? { other: true } : id.startsWith('is=') ? { key: id.slice(3) } : {});
/** A value of a breakdown as it stands in the address. */
export const valueId = ({ key, other }: { key: string | null; other: boolean }): string => (other ? 'other' : key === null ? 'none' : `is=${key}`);

/** Where a funnel's picture was clicked, as the server is asked for its users; `of`: only those of one value, or event. */
export function behindFlow(id: string, funnel: FunnelAsked, of = ''): Behind {
  const place = /^(step|entered|done)\/(.+)$/.exec(id);
  if (place?.[1] === 'step') return { funnel, step: Number(place[2]) };
  if (place) return { funnel, bucket: place[2]!, ...(place[1] === 'done' ? { state: 'converted' as const } : {}), ...(of ? { part: valueOf(of) } : {}) };
  const part = /^part\/(\d+)\/(.*)$/.exec(id);
  if (part) return { funnel, step: Number(part[1]), part: valueOf(part[2]!) };
  const [node = '', target] = id.split('>');
  const end = /^(left|open)\/(\d+)$/.exec(target ?? node);
  const state = end ? (end[1] === 'left' ? 'dropped' : 'open') : 'reached';
  if (target === undefined) return end ? { funnel, step: Number(end[2]), state } : { funnel, node };
  if (end) return { funnel, node, state };
  return of ? { funnel: betweenAsked(funnel), node, target, between: valueOf(of) } : { funnel, node, target };
}
