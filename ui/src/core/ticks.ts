// Which buckets are named under a chart: the finest regular choice whose names do not touch.
import { utcFormat } from 'd3-time-format';
import type { Grain } from './data';
import { DAY, type Start } from './dates';
import { textWidth } from './text';

export interface TimeTick {
  readonly index: number;
  readonly x: number;
  readonly label: string;
  /** A new year or, among hours, a new day. */
  readonly strong: boolean;
}

type Chosen = (date: Date) => boolean;

const month = (n: number): Chosen => (d) => d.getUTCDate() === 1 && d.getUTCMonth() % n === 0;
const year = (n: number): Chosen => (d) => d.getUTCDate() === 1 && d.getUTCMonth() === 0 && d.getUTCFullYear() % n === 0;
const mondays = (n: number): Chosen => (d) => d.getUTCDay() === 1 && Math.floor((d.getTime() / DAY + 3) / 7) % n === 0;
const hour = (n: number): Chosen => (d) => d.getUTCHours() % n === 0 && d.getUTCMinutes() === 0;
const midnight = (chosen: Chosen): Chosen => (d) => d.getUTCHours() === 0 && chosen(d);
const firstWeekOf = (chosen: Chosen): Chosen => (d) => d.getUTCDate() <= 7 && chosen(new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), 1)));
const every: Chosen = () => true;

const DAYS: readonly Chosen[] = [every, mondays(1), mondays(2), month(1), month(2), month(3), month(6), year(1), year(2), year(5)];
const MONTHS: readonly Chosen[] = [every, month(2), month(3), month(6), year(1), year(2), year(5), year(10)];
const LEVELS: Record<Grain, readonly Chosen[]> = {
  hour: [every, hour(2), hour(3), hour(6), hour(12), ...DAYS.map(midnight)],
  day: DAYS,
  week: [every, ...[1, 2, 3, 6, 12].map((n) => firstWeekOf(month(n))), firstWeekOf(year(2))],
  month: MONTHS,
  quarter: [every, year(1), year(2), year(5), year(10)],
  year: [every, year(2), year(5), year(10), year(20)],
};

const time = utcFormat('%H:%M');
const dayMonth = utcFormat('%-d %b');
const monthName = utcFormat('%b');
const yearName = utcFormat('%Y');

/** How a chosen bucket is named; `rough` when only months or years are chosen. */
function name(date: Date, grain: Grain, rough: boolean): { label: string; strong: boolean } {
  const newYear = date.getUTCMonth() === 0 && date.getUTCDate() <= (grain === 'week' ? 7 : 1);
  if (grain === 'hour' && date.getUTCHours() !== 0) return { label: time(date), strong: false };
  if (grain === 'quarter' && !newYear) return { label: `Q${Math.floor(date.getUTCMonth() / 3) + 1}`, strong: false };
  if (grain === 'year') return { label: yearName(date), strong: false };
  if (newYear && (rough || grain === 'month' || grain === 'quarter')) return { label: yearName(date), strong: true };
  if (rough || grain === 'month') return { label: monthName(date), strong: false };
  return { label: dayMonth(date), strong: grain === 'hour' };
}

const GAP = 16;

/** Ticks for buckets at `x`, between `left` and `right` px. */
export function timeTicks(
  starts: readonly Start[],
  x: readonly number[],
  grain: Grain,
  left: number,
  right: number,
  size: number,
): TimeTick[] {
  const pitch = starts.length > 1 ? (x[x.length - 1]! - x[0]!) / (starts.length - 1) : Infinity;
  for (const chosen of LEVELS[grain]) {
    const picked: number[] = [];
    for (let i = 0; i < starts.length; i += 1) {
      const { wall } = starts[i]!;
      const again = starts[picked.at(-1) ?? -1]?.wall.getTime() === wall.getTime(); // the hour that comes twice in autumn
      if (chosen(wall) && !again) picked.push(i);
    }
    if (picked.length === 0) continue;
    if (picked.length > 1 && ((picked.at(-1)! - picked[0]!) / (picked.length - 1)) * pitch < 20 + GAP / 2) continue;
    const ticks = named(picked, starts, x, grain, isRough(picked, starts, grain));
    const clear = ticks.every((tick, i) => {
      const before = ticks[i - 1];
      return !before || tick.x - before.x >= (width(tick, size) + width(before, size)) / 2 + GAP;
    });
    if (clear && (ticks.length > 1 || starts.length < 3)) return inside(ticks, left, right, size);
  }
  return inside(spaced(starts, x, grain, right - left, size), left, right, size);
}

const width = (tick: TimeTick, size: number): number => textWidth(tick.label, size, tick.strong ? 600 : 400);

function isRough(picked: readonly number[], starts: readonly Start[], grain: Grain): boolean {
  if (grain === 'month' || grain === 'quarter' || grain === 'year') return true;
  if (grain === 'week') return picked.length > 1 && picked.length < starts.length && gapDays(picked, starts) >= 28;
  return picked.every((i) => starts[i]!.wall.getUTCDate() === 1) && (picked.length > 1 || starts.length > 31);
}

const gapDays = (picked: readonly number[], starts: readonly Start[]): number =>
  (starts[picked[1]!]!.instant - starts[picked[0]!]!.instant) / DAY;

function named(picked: readonly number[], starts: readonly Start[], x: readonly number[], grain: Grain, rough: boolean): TimeTick[] {
  return picked.map((index) => ({ index, x: x[index]!, ...name(starts[index]!.wall, grain, rough) }));
}

/** No calendar choice fits: every k-th bucket, counted so that the first is named. */
function spaced(starts: readonly Start[], x: readonly number[], grain: Grain, room: number, size: number): TimeTick[] {
  const widest = textWidth('28 Sep', size, 600) + GAP;
  const step = Math.max(1, Math.ceil((starts.length * widest) / Math.max(room, widest)));
  const picked = starts.map((_, i) => i).filter((i) => i % step === 0);
  return named(picked, starts, x, grain, false);
}

function inside(ticks: readonly TimeTick[], left: number, right: number, size: number): TimeTick[] {
  return ticks.filter((tick) => {
    const half = width(tick, size) / 2;
    return tick.x - half >= left - 8 && tick.x + half <= right + 8;
  });
}
