/** Questions about use as they stand in the address, and as the server is asked. Pure. */
import type { HeatmapCohort } from '../core/heatmap';
import { addDays, firstOfMonth } from '../shell/dates';
import { eventWords } from '../shell/words';
import type { EventName, FunnelAsked, StepAsked, UseCohort } from '../wire';
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
  if (!uses.length) return [...names];
  const any: EventName = { name: USE, type: USE, events: uses.reduce((sum, { events }) => sum + events, 0), last_seen: null };
  return [...names, any].sort((a, b) => b.events - a.events);
}

export type CohortGrain = 'day' | 'week' | 'month';

/** How far back cohorts go, by how long each is. */
export const COHORTS: Record<CohortGrain, number> = { day: 14, week: 12, month: 12 };

/** The first day of the cohorts shown. */
export function cohortsFrom(grain: CohortGrain, today: string): string {
  if (grain === 'month') return firstOfMonth(today, 1 - COHORTS.month);
  return addDays(today, (1 - COHORTS[grain]) * (grain === 'week' ? 7 : 1));
}

/** What begins and what brings back, by what has come. */
export function startingReturn(names: readonly EventName[]): { start: string; back: string } {
  const types = new Set(names.map(({ type }) => type));
  const visit = [USE, ...VISITS].find((type) => types.has(type)) ?? names[0]?.name ?? '';
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
