// What is said about one bucket.
import { amount, type Direction, type Grain, type Line, type Mark, type Unit } from './data';
import { bucketName, GRAIN_WORDS } from './dates';
import { sum } from './decimal';
import { change, exact, type Change } from './format';

export interface TipRow {
  readonly key: string;
  readonly label: string;
  readonly index: number;
  readonly value: string;
  readonly before: string | null;
  /** Null while the bucket runs: part of a day is not compared with a whole one. */
  readonly change: Change | null;
}

export interface Tip {
  readonly title: string;
  readonly state: 'complete' | 'running';
  readonly rows: readonly TipRow[];
  /** The bucket compared with, in words; empty without a comparison. */
  readonly against: string;
  readonly marks: readonly Mark[];
  readonly notes: readonly string[];
  /** All of it in one sentence. */
  readonly spoken: string;
}

export interface Told {
  readonly series: readonly Line[];
  readonly unit: Unit;
  readonly grain: Grain;
  readonly currency?: string;
  readonly direction?: Direction;
  readonly hidden?: ReadonlySet<string>;
  /** The lines add up: their sum is told too. */
  readonly total?: boolean;
}

/** The tooltip of the bucket that starts at `start`. */
export function tipOf(told: Told, start: string, marks: readonly Mark[]): Tip {
  const { unit, grain, currency = '', direction = 'none' } = told;
  let running = false;
  let provisional = false;
  let against = '';
  const rows = told.series.flatMap((line, index): TipRow[] => {
    if (told.hidden?.has(line.key)) return [];
    const n = line.points.findIndex((point) => point.start === start);
    const point = line.points[n];
    const before = line.compare?.[n];
    if (point && !point.complete) running = true;
    if (point?.provisional) provisional = true;
    if (before) against = bucketName(before.start, grain);
    const fair = point?.complete === before?.complete;
    return [
      {
        key: line.key,
        label: line.label,
        index,
        value: exact(point?.value, unit, currency),
        before: line.compare ? exact(before?.value, unit, currency) : null,
        change: before && fair && amount(point?.value) !== null ? change(point?.value, before.value, unit, direction, currency) : null,
      },
    ];
  });
  if (told.total && rows.length > 1) {
    const values = told.series
      .filter((line) => !told.hidden?.has(line.key))
      .map((line) => line.points.find((point) => point.start === start)?.value ?? null)
      .filter((value) => amount(value) !== null);
    if (values.length) rows.push({ key: '=', label: 'Together', index: -1, value: exact(sum(values.map(String)), unit, currency), before: null, change: null });
  }
  const title = bucketName(start, grain);
  const notes = provisional ? ['Converted at the last known rate'] : [];
  const said = rows.map((row) => [row.label, row.value, row.change?.spoken].filter(Boolean).join(' '));
  return {
    title,
    state: running ? 'running' : 'complete',
    rows,
    against,
    marks,
    notes,
    spoken: [title, running ? `this ${GRAIN_WORDS[grain].one} is still running` : '', ...said, ...marks.map((mark) => mark.title)].filter(Boolean).join(', '),
  };
}
