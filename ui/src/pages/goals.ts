/** Goals in words, and as a line in a chart. Pure. */
import { amount, type Grain } from '../core/data';
import { dayAfter, dayOf } from '../core/dates';
import { compact } from '../core/format';
import { dayLabel } from '../shell/dates';
import type { Goal } from '../wire';
import { shortDay } from './terms';

/** The goal that a figure of these products (none: all) is about: the next one, or the last that was. */
export function goalOf(goals: readonly Goal[], metric: string, products: readonly string[], today: string): Goal | null {
  const about = products.length === 1 ? products[0]! : '';
  if (products.length > 1) return null;
  const own = goals.filter((one) => one.metric === metric && one.product === about);
  return own.find((one) => one.by >= today) ?? own.at(-1) ?? null;
}

/** "74% of $120k by 31 Dec". */
export function aimOf(goal: Goal, today: string): string {
  const value = compact(goal.value, goal.unit, goal.currency ?? '');
  const by = shortDay(goal.by, today);
  return goal.share === null ? `${value} by ${by}` : `${Math.floor(goal.share * 100)}% of ${value} by ${by}`;
}

/** "behind by $3.1k". */
export function paceOf(goal: Goal): string {
  const number = amount(goal.gap) ?? 0;
  const gap = goal.unit === 'ratio' ? `${(number * 100).toFixed(1)} pp` : compact(goal.unit === 'count' ? Math.ceil(number) : goal.gap, goal.unit, goal.currency ?? '');
  switch (goal.state) {
    case 'reached':
      return 'reached';
    case 'on_pace':
      return 'on pace';
    case 'behind':
      return `behind by ${gap}`;
    case 'missed':
      return `missed by ${gap}`;
    case 'unknown':
      return 'nothing known yet';
  }
}

export const lags = (goal: Goal): boolean => goal.state === 'behind' || goal.state === 'missed';

/** What the pace is, for those who wonder. */
export function meaningOf(goal: Goal): string {
  const begins = goal.sums ? 'from nothing' : 'from its value then';
  return `The pace is a straight line ${begins} on ${dayLabel(goal.since)} to the goal on ${dayLabel(goal.by)}.`;
}

const number = (day: string): number => Date.parse(day) / 86_400_000;

/** The pace in each bucket: where a level should be at its end, or what it should add. */
export function paceLine(goal: Goal, starts: readonly string[], grain: Grain): { start: string; value: number }[] {
  const target = amount(goal.value);
  const from = goal.sums ? 0 : amount(goal.start);
  if (grain === 'hour' || target === null || from === null) return [];
  const [since, until] = [number(goal.since), number(goal.by) + 1];
  return starts.flatMap((start) => {
    const begins = Math.max(since, number(dayOf(start)));
    const ends = Math.min(until, number(dayAfter(start, grain)));
    if (ends <= begins) return [];
    const share = (goal.sums ? ends - begins : ends - since) / (until - since);
    return [{ start, value: from + (target - from) * share }];
  });
}
