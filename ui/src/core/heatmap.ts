// Cohorts as a heatmap: a row a cohort, a column a period of its age, one hue.
import type { Palette } from '../tokens/tokens';
import { amount, type Grain, type Unit, type Value } from './data';
import { bucketName, dayAfter, GRAIN_WORDS, parseStart } from './dates';
import { compact, exact, NONE } from './format';
import type { Column, Row } from './table';

export interface HeatmapCohort {
  readonly start: string;
  /** What it began with: customers, or money. */
  readonly size: Value;
  /** Shares of the size, by age; null where there is nothing yet. */
  readonly values: readonly (number | null)[];
}

export interface HeatmapData {
  readonly cohorts: readonly HeatmapCohort[];
  /** Pooled over the cohorts that are old enough. */
  readonly mean: readonly (number | null)[];
  readonly grain: Exclude<Grain, 'hour'>;
  /** What sizes count; as it stands, customers or MRR. */
  readonly of?: string;
  /** The hue tells of the ages after the first, from nothing to the most; the first is plain. */
  readonly fit?: boolean;
  /** Of the sizes: customers or money. */
  readonly unit: Extract<Unit, 'count' | 'money'>;
  readonly currency?: string;
  /** Shares, or sizes times shares. */
  readonly show: 'percent' | 'absolute';
  /** The local day: what has not ended by it is still running. */
  readonly today: string;
  /** The local day until which all is here, where a source behind it is not as far as today. */
  readonly through?: string;
}

export interface HeatCell {
  readonly key: string;
  readonly row: number;
  readonly column: number;
  readonly text: string;
  readonly fill: string;
  readonly ink: string;
  /** The period it tells of still runs. */
  readonly running: boolean;
  /** First day of that period, and the first after it. */
  readonly from: string;
  readonly to: string;
  readonly spoken: string;
}

export interface HeatRow {
  readonly key: string;
  readonly name: string;
  readonly size: string;
  readonly cells: readonly (HeatCell | null)[];
}

export interface HeatmapScene {
  readonly columns: readonly string[];
  readonly rows: readonly HeatRow[];
  readonly mean: readonly { readonly key: string; readonly text: string; readonly fill: string; readonly ink: string }[];
  readonly legend: readonly { readonly fill: string; readonly text: string }[];
  readonly summary: string;
  readonly empty: boolean;
}

const LEAST = 0.3; // of a share, from the lightest to the deepest: little differences stay little

/** Lays out cohorts in the colours of `palette`. */
export function layoutHeatmap(data: HeatmapData, palette: Palette): HeatmapScene {
  const { cohorts, grain, unit, currency = '', show } = data;
  const width = widthOf(data);
  const counted = countedOf(data);
  const later = cohorts.flatMap(({ values }) => values.slice(1).filter((value) => value !== null));
  const low = data.fit ? 0 : Math.min(1, ...later);
  const high = data.fit ? Math.max(0.06, ...later) : Math.max(1, ...later);
  const bottom = Math.max(0, data.fit ? 0 : Math.min(Math.floor(low * 10) / 10, high - LEAST));
  const colour = (share: number, column: number): { fill: string; ink: string } => {
    if (data.fit && column === 0) return { fill: palette.page, ink: palette.muted };
    const step = Math.max(0, Math.min(5, Math.floor(((share - bottom) / (high - bottom || 1)) * 6)));
    return { fill: palette.heat[step]!, ink: palette.heatInk[step]! };
  };
  const one = GRAIN_WORDS[grain].one;
  const { today, through = today } = data;
  const runs = (end: string): string => (end > today ? `this ${one} is still running` : `not all of this ${one} is here yet`);

  /** What still runs may have no value before it is over. */
  const pending = (start: string, row: number, column: number, begin: string, end: string): HeatCell => ({
    key: `${start}/${column}`,
    row,
    column,
    text: '',
    fill: 'transparent',
    ink: palette.muted,
    running: true,
    from: begin,
    to: end,
    spoken: `Began in ${bucketName(start, grain)}, ${column === 0 ? `first ${one}` : `${column} ${one}${column === 1 ? '' : 's'} on`}: ${runs(end)}`,
  });
  const rows = cohorts.map((cohort, row): HeatRow => {
    let from = cohort.start;
    const cells = cohort.values.slice(0, width).map((share, column): HeatCell | null => {
      const to = dayAfter(from, grain);
      const [begin, running] = [from, to > through];
      from = to;
      // Time that runs from the moment of each is over later than the calendar says.
      const expected = running || (cohort.values[0] ?? null) !== null;
      if (share === null) return expected && begin <= today ? pending(cohort.start, row, column, begin, to) : null;
      const value = of(cohort.size, share, unit);
      const text = show === 'percent' ? percent(share) : compact(value, unit, currency);
      const what = unit === 'count' ? `${exact(value, 'count')} of ${exact(cohort.size, 'count')} ${counted}` : `${exact(value, 'money', currency)} of ${exact(cohort.size, 'money', currency)}`;
      return {
        key: `${cohort.start}/${column}`,
        row,
        column,
        text,
        ...colour(share, column),
        running,
        from: begin,
        to,
        spoken: `Began in ${bucketName(cohort.start, grain)}, ${column === 0 ? `first ${one}` : `${column} ${one}${column === 1 ? '' : 's'} on`}: ${compact(share, 'ratio')}, ${what}${running ? `; ${runs(to)}` : ''}`,
      };
    });
    return { key: cohort.start, name: cohortName(cohort.start, grain), size: compact(cohort.size, unit, currency), cells };
  });

  return {
    columns: Array.from({ length: width }, (_, i) => String(i)),
    rows,
    mean: data.mean.slice(0, width).map((share, i) => ({
      key: String(i),
      text: share === null ? NONE : percent(share),
      ...(share === null ? { fill: 'none', ink: palette.faint } : colour(share, i)),
    })),
    legend: palette.heat.map((fill, i) => ({ fill, text: percent(bottom + ((high - bottom) * i) / 6) })),
    summary: summaryOf(data, width),
    empty: width === 0,
  };
}

/** Columns that say something, and the one that runs. */
function widthOf({ cohorts, grain, today }: HeatmapData): number {
  return Math.max(
    0,
    ...cohorts.map(({ start, values }) => {
      const known = values.findLastIndex((value) => value !== null) + 1;
      if (!known) return 0;
      let end = start;
      for (let i = 0; i < known; i += 1) end = dayAfter(end, grain);
      return end <= today ? Math.min(values.length, known + 1) : known;
    }),
  );
}

/** What a share of the size is: people are whole. */
function of(size: Value, share: number, unit: 'count' | 'money'): Value {
  const whole = amount(size);
  if (whole === null) return null;
  return unit === 'count' ? Math.round(whole * share) : (whole * share).toFixed(2);
}

const percent = (share: number): string => `${Math.round(share * 100)}%`;

/** "Nov 2026", "Week of 2 Nov 2026" shortened to "2 Nov 2026". */
export function cohortName(start: string, grain: Grain): string {
  const name = bucketName(start, grain);
  return grain === 'month' ? `${name.slice(0, 3)} ${parseStart(start).wall.getUTCFullYear()}` : name.replace('Week of ', '');
}

/** What sizes count, in words. */
export const countedOf = ({ of: counted, unit }: Pick<HeatmapData, 'of' | 'unit'>): string => counted ?? (unit === 'count' ? 'customers' : 'MRR');

export const titled = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);

function summaryOf(data: HeatmapData, width: number): string {
  const { cohorts, mean, grain } = data;
  if (!width) return 'Retention: no cohorts.';
  const one = GRAIN_WORDS[grain].one;
  const at = [1, 3, 6, 12].filter((k) => (mean[k] ?? null) !== null).map((k) => `${percent(mean[k]!)} after ${k} ${one}${k === 1 ? '' : 's'}`);
  return `Retention of ${countedOf(data)} for ${cohorts.length} cohorts by ${one}: on the whole ${at.length ? `${at.join(', ')} remain` : 'none is old enough yet'}.`;
}

/** A row a cohort, a column an age; values as they are shown. */
export function cohortTable(data: HeatmapData): { columns: Column[]; rows: Row[] } {
  const { cohorts, mean, grain, unit, currency = '', show } = data;
  const width = Math.max(0, ...cohorts.map(({ values }) => values.length));
  const cell: Pick<Column, 'unit'> & { currency: string } = show === 'percent' ? { unit: 'ratio', currency } : { unit, currency };
  const shown = (size: Value, share: number | null | undefined): Value => (share === null || share === undefined ? null : show === 'percent' ? share : of(size, share, unit));
  return {
    columns: [
      { key: 'name', label: 'Began in', text: (value) => (value === ALL ? ALL : bucketName(String(value), grain)) },
      { key: 'size', label: titled(countedOf(data)), unit, currency },
      ...Array.from({ length: width }, (_, i): Column => ({ key: `k${i}`, label: String(i), ...cell })),
    ],
    rows: [
      ...(show === 'percent' ? [{ key: ALL, name: ALL, size: null, ...Object.fromEntries(mean.map((share, i) => [`k${i}`, share])) }] : []),
      ...cohorts.map(({ start, size, values }) => ({ key: start, name: start, size, ...Object.fromEntries(values.map((share, i) => [`k${i}`, shown(size, share)])) })),
    ],
  };
}

const ALL = 'All, pooled';

/** One cohort set beside another: what it comes to in a sentence, and how much it is ahead at each age. */
export interface Beside {
  readonly other: string;
  readonly name: string;
  readonly sentence: string;
  /** In shares, by age; null where one of them has not got there. */
  readonly ahead: readonly (number | null)[];
}

/** The cohort that began at `start` beside the one of `other`, or the one before it; null without two. */
export function setBeside({ cohorts, grain }: Pick<HeatmapData, 'cohorts' | 'grain'>, start: string, other = ''): Beside | null {
  const at = cohorts.findIndex((cohort) => cohort.start === start);
  const own = cohorts[at];
  const before = cohorts.find((cohort) => cohort.start === other && cohort !== own) ?? cohorts[at - 1];
  if (!own || !before) return null;
  const [one, second] = [cohortName(own.start, grain), cohortName(before.start, grain)];
  const ahead = own.values.map((value, k) => (k === 0 || value === null || (before.values[k] ?? null) === null ? null : value - before.values[k]!));
  const ages = ahead.flatMap((by, k) => (by === null ? [] : [k]));
  const found = { other: before.start, name: `${one} against ${second}`, ahead };
  if (!ages.length) return { ...found, sentence: `${one} is too young to be set beside ${second}.` };
  const [better, worse] = [ages.filter((k) => ahead[k]! > 0).length, ages.filter((k) => ahead[k]! < 0).length];
  const verdict = better > worse ? 'keeps better than' : worse > better ? 'keeps worse than' : 'keeps as well as';
  const often = ages.length === 1 || better === worse ? '' : ` at ${Math.max(better, worse)} of ${ages.length} ages`;
  const told = [...new Set([ages[0]!, ages.at(-1)!])].map((k) => `${compact(own.values[k]!, 'ratio')} against ${compact(before.values[k]!, 'ratio')} after ${k} ${GRAIN_WORDS[grain].one}${k === 1 ? '' : 's'}`);
  return { ...found, sentence: `${one} ${verdict} ${second}${often}: ${told.join(', ')}.` };
}

/** The newest cohort that has got to an age at which another can be set beside it. */
export const comparable = (cohorts: readonly HeatmapCohort[]): string => cohorts.findLast((cohort, at) => at > 0 && (cohort.values[1] ?? null) !== null)?.start ?? '';

/** "+3 pp", and which way: what rounds to nothing goes neither. */
export function aheadText(by: number | null): { text: string; way: 'up' | 'down' | '' } {
  if (by === null) return { text: '', way: '' };
  const points = Math.round(by * 100);
  return points > 0 ? { text: `+${points} pp`, way: 'up' } : points < 0 ? { text: `\u2212${-points} pp`, way: 'down' } : { text: '0 pp', way: '' };
}
