/** Calendar days as ISO texts: presets, stepping, and which bucket sizes a span allows. No clock. */
import type { Grain } from '../wire';

export interface Span {
  from: string; // inclusive
  to: string; // exclusive
}

export interface Calendar {
  today: string;
  weekStart: number; // 0 is Monday
  firstDay: string | null; // of the data
}

export const PRESETS = [
  { id: 'today', label: 'Today' },
  { id: 'yesterday', label: 'Yesterday' },
  { id: '7d', label: 'Last 7 days' },
  { id: '28d', label: 'Last 28 days' },
  { id: '30d', label: 'Last 30 days' },
  { id: '90d', label: 'Last 90 days' },
  { id: 'wtd', label: 'Week to date' },
  { id: 'mtd', label: 'Month to date' },
  { id: 'qtd', label: 'Quarter to date' },
  { id: 'ytd', label: 'Year to date' },
  { id: 'last-week', label: 'Last full week' },
  { id: 'last-month', label: 'Last full month' },
  { id: 'last-quarter', label: 'Last full quarter' },
  { id: '12m', label: 'Last 12 months' },
  { id: 'all', label: 'All time' },
] as const;

export type Preset = (typeof PRESETS)[number]['id'];
export type Range = Preset | Span;

export const GRAINS: { id: Grain; label: string; short: string }[] = [
  { id: 'hour', label: 'By hour', short: 'Hour' },
  { id: 'day', label: 'By day', short: 'Day' },
  { id: 'week', label: 'By week', short: 'Week' },
  { id: 'month', label: 'By month', short: 'Month' },
  { id: 'quarter', label: 'By quarter', short: 'Quarter' },
  { id: 'year', label: 'By year', short: 'Year' },
];

const DAY = 86_400_000;
const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
export const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

export function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) && iso(at(text)) === text;
}

export function isPreset(text: string): text is Preset {
  return PRESETS.some((preset) => preset.id === text);
}

export function weekStartOf(name: string): number {
  return Math.max(0, WEEKDAYS.indexOf(name.toLowerCase()));
}

function at(day: string): Date {
  return new Date(`${day.slice(0, 10)}T00:00:00Z`);
}

function iso(date: Date): string {
  return date.toISOString().slice(0, 10);
}

export function addDays(day: string, count: number): string {
  return iso(new Date(at(day).getTime() + count * DAY));
}

/** The first day of the month `after` months after the one that holds `day`. */
export function firstOfMonth(day: string, after = 0): string {
  const date = at(day);
  return iso(new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + after, 1)));
}

export function days(span: Span): number {
  return Math.round((at(span.to).getTime() - at(span.from).getTime()) / DAY);
}

export function firstOfWeek(day: string, weekStart: number): string {
  const weekday = (at(day).getUTCDay() + 6) % 7;
  return addDays(day, -((weekday - weekStart + 7) % 7));
}

function firstOfQuarter(day: string, quarters = 0): string {
  const month = at(day).getUTCMonth();
  return firstOfMonth(day, -(month % 3) + quarters * 3);
}

export function resolve(range: Range, calendar: Calendar): Span {
  if (typeof range !== 'string') return range;
  const { today, weekStart, firstDay } = calendar;
  const to = addDays(today, 1);
  const week = firstOfWeek(today, weekStart);
  switch (range) {
    case 'today':
      return { from: today, to };
    case 'yesterday':
      return { from: addDays(today, -1), to: today };
    case '7d':
    case '28d':
    case '30d':
    case '90d':
      return { from: addDays(to, -Number.parseInt(range, 10)), to };
    case 'wtd':
      return { from: week, to };
    case 'mtd':
      return { from: firstOfMonth(today), to };
    case 'qtd':
      return { from: firstOfQuarter(today), to };
    case 'ytd':
      return { from: `${today.slice(0, 4)}-01-01`, to };
    case 'last-week':
      return { from: addDays(week, -7), to: week };
    case 'last-month':
      return { from: firstOfMonth(today, -1), to: firstOfMonth(today) };
    case 'last-quarter':
      return { from: firstOfQuarter(today, -1), to: firstOfQuarter(today) };
    case '12m':
      return { from: firstOfMonth(today, -11), to };
    case 'all':
      return { from: firstDay && firstDay < today ? firstDay : today, to };
  }
}

/** One period back (-1) or on (1): whole months stay whole months; nothing lies after today. */
export function step(range: Range, direction: -1 | 1, calendar: Calendar): Range {
  const span = resolve(range, calendar);
  const end = addDays(calendar.today, 1);
  if (direction === 1 && span.to >= end) return range;
  const next = months(span, end)
    ? shiftMonths(span, direction * months(span, end), end)
    : shiftDays(span, direction * days(span), end);
  return named(next, calendar);
}

function months(span: Span, end: string): number {
  if (!span.from.endsWith('-01')) return 0;
  if (!span.to.endsWith('-01') && (span.to !== end || days(span) < 2)) return 0;
  const from = at(span.from);
  const to = at(addDays(span.to, -1));
  return (to.getUTCFullYear() - from.getUTCFullYear()) * 12 + to.getUTCMonth() - from.getUTCMonth() + 1;
}

function shiftMonths(span: Span, by: number, end: string): Span {
  const from = firstOfMonth(span.from, by);
  const to = firstOfMonth(span.from, by + Math.abs(by));
  return { from, to: to < end ? to : end };
}

function shiftDays(span: Span, by: number, end: string): Span {
  const to = addDays(span.to, by);
  return { from: addDays(span.from, by), to: to < end ? to : end };
}

function named(span: Span, calendar: Calendar): Range {
  const found = PRESETS.find(({ id }) => {
    const resolved = resolve(id, calendar);
    return resolved.from === span.from && resolved.to === span.to;
  });
  return found?.id ?? span;
}

export function rangeLabel(range: Range): string {
  if (typeof range !== 'string') return 'Custom';
  return PRESETS.find((preset) => preset.id === range)?.label ?? range;
}

/** "1 – 22 Nov 2026", with no more of the first date than is needed. */
export function spanLabel(span: Span): string {
  const last = addDays(span.to, -1);
  const [a, b] = [at(span.from), at(last)];
  const sameYear = a.getUTCFullYear() === b.getUTCFullYear();
  const sameMonth = sameYear && a.getUTCMonth() === b.getUTCMonth();
  if (span.from === last) return dayLabel(last);
  const first = sameMonth
    ? String(a.getUTCDate())
    : `${a.getUTCDate()} ${MONTHS[a.getUTCMonth()]}${sameYear ? '' : ` ${a.getUTCFullYear()}`}`;
  return `${first} – ${dayLabel(last)}`;
}

export function dayLabel(day: string): string {
  const date = at(day);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

export function monthLabel(month: string): string {
  return `${MONTHS[Number(month.slice(5, 7)) - 1]} ${month.slice(0, 4)}`;
}

export function autoGrain(span: Span): Grain {
  const length = days(span);
  if (length <= 2) return 'hour';
  if (length <= 100) return 'day';
  if (length <= 220) return 'week';
  return length <= 366 * 6 ? 'month' : 'year';
}

/** Every bucket size with the reason why it cannot be had, "" where it can. */
export function grainChoices(
  span: Span,
  kept: readonly Grain[] | null,
): { id: Grain; label: string; reason: string }[] {
  const length = days(span);
  const shortest: Record<Grain, number> = { hour: 0, day: 1, week: 8, month: 32, quarter: 93, year: 367 };
  return GRAINS.map(({ id, label, short }) => {
    const name = short.toLowerCase();
    let reason = '';
    if (kept && !kept.includes(id)) reason = `This metric has no value by ${name}`;
    else if (id === 'hour' && length > 14) reason = 'By hour needs 14 days or less';
    else if (id === 'day' && length > 1100) reason = 'By day needs three years or less';
    else if (length < shortest[id]) reason = `These dates are one ${name} or less`;
    return { id, label, reason };
  });
}

/** The wanted bucket size where it can be had, else the automatic one. */
export function effectiveGrain(
  wanted: Grain | 'auto',
  span: Span,
  kept: readonly Grain[] | null,
): Grain {
  const choices = grainChoices(span, kept).filter((choice) => !choice.reason);
  const has = (id: Grain): boolean => choices.some((choice) => choice.id === id);
  if (wanted !== 'auto' && has(wanted)) return wanted;
  const auto = autoGrain(span);
  return has(auto) || !choices.length ? auto : choices[0]!.id;
}
