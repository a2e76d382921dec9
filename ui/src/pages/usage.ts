/** Questions about use as they stand in the address, and as the server is asked. Pure. */
import { bucketName, GRAIN_WORDS } from '../core/dates';
import type { DivergingData } from '../core/diverging';
import type { FlowData } from '../core/flow';
import { exact } from '../core/format';
import type { HeatmapCohort } from '../core/heatmap';
import { addDays, dayLabel, firstOfMonth, firstOfWeek, type Calendar } from '../shell/dates';
import type { Behind, EventName, Grain, LifecyclePoint, OneAsked, PathsAnswer, ReadSource, StepAsked, UseCohort } from '../wire';
import { eventLabel } from './doing';

const VISITS = ['session', 'page_view'];
const USE = 'engagement';

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

/** How people call a question, by its name. */
export const KINDS: Record<keyof OneAsked, string> = { funnel: 'Funnel', retention: 'Retention', lifecycle: 'Lifecycle', stickiness: 'Engagement', paths: 'Paths' };

/** What begins and what brings back, by what has come. */
export function startingReturn(names: readonly EventName[]): { start: string; back: string } {
  const types = new Set(names.map(({ type }) => type));
  const visit = [...VISITS, USE].find((type) => types.has(type)) ?? names[0]?.name ?? '';
  return { start: types.has('signup') ? 'signup' : visit, back: visit };
}

/** A table of retention by its shares; the size is what each cohort began with, people or money. */
export const shares = (cohorts: readonly UseCohort[]): HeatmapCohort[] => cohorts.map((cohort) => ({ start: cohort.start, size: cohort.values[0] ?? 0, values: cohort.shares }));

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
      values: LIFECYCLE.map(({ id }) => (point[id] === null ? null : String(id === 'dormant' ? -point[id] : point[id]))),
      net: point.active === null ? null : String(changeOf(point)),
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

const changeOf = (point: LifecyclePoint): number => (point.new ?? 0) + (point.resurrecting ?? 0) - (point.dormant ?? 0);

/** The local day before which all is here of the sources behind an answer: today, or an earlier one; '' while nothing is. */
export function throughDay(behind: readonly ReadSource[], today: string, dayAt: (at: string) => string): string {
  return [today, ...behind.map(({ through }) => (through === null ? '' : dayAt(through)))].sort()[0]!;
}

/** The latest whole bucket in a sentence. */
export function lifecycleSentence(points: readonly LifecyclePoint[], grain: Grain): string {
  const last = points.findLast(({ complete }) => complete);
  if (!last) return 'Who is new, stays, comes back and goes quiet';
  const change = changeOf(last);
  const moved = change === 0 ? 'as many as before' : `${exact(Math.abs(change), 'count')} ${change > 0 ? 'more' : 'fewer'} than the ${GRAIN_WORDS[grain].one} before`;
  return `${bucketName(last.start, grain)}: ${exact(last.active, 'count')} active users, ${moved}; ${exact((last.new ?? 0) + (last.resurrecting ?? 0), 'count')} came, ${exact(last.dormant, 'count')} went quiet`;
}

/** A question in words, for a list of those that were saved. */
export function askedWords({ funnel, retention, lifecycle, stickiness, paths }: OneAsked): string {
  if (funnel) return funnel.steps.map(stepWords).join(' → ');
  if (retention) return `${stepWords(retention.start)}, then ${stepWords(retention.return)}, by ${retention.grain ?? 'day'}`;
  if (paths) return [paths.start ? `from ${eventLabel(paths.start)}` : '', paths.end ? `to ${eventLabel(paths.end)}` : ''].filter(Boolean).join(' ') || 'From anywhere';
  const event = lifecycle?.event ?? stickiness?.event;
  return event ? `Active by ${eventLabel(event)}` : 'Any activity';
}

const stepWords = (step: StepAsked): string => step.label || [step.event ?? '', ...(step.any ?? []).map(({ event }) => event)].filter(Boolean).map(eventLabel).join(' or ');

/** Who is behind a number, in words, for a list of segments. */
export function behindWords(of: Behind): string {
  if (of.did) return `Did ${of.did.event ? eventLabel(of.did.event) : 'anything'}${(of.did.at_least ?? 1) > 1 ? ` ${of.did.at_least} times or more` : ''}${of.did.from ? `, from ${dayLabel(of.did.from)}` : ''}`;
  if (of.funnel) {
    const did = { reached: 'Reached', converted: 'Did every step of', dropped: 'Went no further in', open: 'May still go on in' }[of.state ?? 'reached'];
    return `${did} the funnel ${askedWords({ funnel: of.funnel })}`;
  }
  if (of.retention) return of.k ? 'Came back after they began' : 'Began together';
  if (of.lifecycle) return `${LIFECYCLE.find(({ id }) => id === of.kind)?.label ?? ''} users of ${bucketName(of.start ?? '', of.lifecycle.grain ?? 'day')}`;
  if (of.stickiness) return `Active ${of.times} ${of.times === 1 ? 'time' : 'times'}${of.or_more ? ' or more' : ''}`;
  return 'Took one path';
}
