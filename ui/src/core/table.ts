// A chart's table, and tables of anything: order, copies and files.
import { amount, type Grain, type Line, type Unit, type Value } from './data';
import { bucketName } from './dates';

export interface Column {
  readonly key: string;
  readonly label: string;
  /** Numbers of this unit, set to the right; without it the cell is text. */
  readonly unit?: Unit;
  readonly currency?: string;
  readonly compact?: boolean;
  /** What is read on screen in place of the value; copies and files keep the value. */
  readonly text?: (value: Value) => string;
  readonly sortable?: boolean;
}

export type Row = Readonly<Record<string, Value>>;

export interface Order {
  readonly key: string;
  readonly down: boolean;
}

/** Rows in order; what is not known stands last either way, equals keep their places. */
export function ordered(rows: readonly Row[], columns: readonly Column[], order: Order | null): readonly Row[] {
  const column = columns.find(({ key }) => key === order?.key);
  if (!order || !column) return rows;
  const sign = order.down ? -1 : 1;
  const compare = column.unit ? byAmount : byText;
  const known = (row: Row): boolean => (column.unit ? amount(row[column.key]) : (row[column.key] ?? null)) !== null;
  return [...rows].sort((a, b) => {
    const [hasA, hasB] = [known(a), known(b)];
    if (!hasA || !hasB) return Number(hasB) - Number(hasA);
    return sign * compare(a[column.key]!, b[column.key]!);
  });
}

const byAmount = (a: Value, b: Value): number => amount(a)! - amount(b)!;

function byText(a: Value, b: Value): number {
  const [x, y] = [String(a).toLowerCase(), String(b).toLowerCase()];
  return x < y ? -1 : x > y ? 1 : 0;
}

const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/;

/** A cell that a spreadsheet reads as what it says: never as a formula. */
export function plainCell(value: Value | undefined): string {
  if (value === null || value === undefined) return '';
  const text = String(value);
  return /^[=+\-@\t\r\n]/.test(text) && !NUMBER.test(text) ? `'${text}` : text;
}

const quoted = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** RFC 4180, values as the server sent them. */
export function toCsv(columns: readonly Column[], rows: readonly Row[]): string {
  const lines = [columns.map((c) => quoted(plainCell(c.label)))];
  for (const row of rows) lines.push(columns.map((c) => quoted(plainCell(row[c.key]))));
  return `${lines.map((cells) => cells.join(',')).join('\r\n')}\r\n`;
}

const clean = (text: string): string => text.replaceAll(/[\t\r\n]+/g, ' ');

/** Tab-separated, as spreadsheets paste it. */
export function toTsv(columns: readonly Column[], rows: readonly Row[]): string {
  const lines = [columns.map((c) => clean(plainCell(c.label)))];
  for (const row of rows) lines.push(columns.map((c) => clean(plainCell(row[c.key]))));
  return lines.map((cells) => cells.join('\t')).join('\n');
}

const START_LABELS: Record<Grain, string> = {
  hour: 'Hour',
  day: 'Day',
  week: 'Week',
  month: 'Month',
  quarter: 'Quarter',
  year: 'Year',
};

/** The table behind a time series, newest first: a row a bucket, a column a line. */
export function tableOf(
  series: readonly Line[],
  unit: Unit,
  grain: Grain,
  currency = '',
  compareLabel = 'Compared with',
): { columns: Column[]; rows: Row[] } {
  const columns: Column[] = [
    { key: 'start', label: START_LABELS[grain], text: (value) => bucketName(String(value), grain) },
  ];
  const rows = new Map<string, Record<string, Value>>();
  series.forEach((line, i) => {
    columns.push({ key: `v${i}`, label: line.label || 'Value', unit, currency });
    if (line.compare) columns.push({ key: `c${i}`, label: series.length > 1 ? `${line.label}, ${compareLabel.toLowerCase()}` : compareLabel, unit, currency });
    line.points.forEach((point, n) => {
      const row = rows.get(point.start) ?? { start: point.start };
      row[`v${i}`] = point.value;
      row[`c${i}`] = line.compare?.[n]?.value ?? null;
      row.complete = row.complete === 'no' || !point.complete ? 'no' : 'yes';
      rows.set(point.start, row);
    });
  });
  columns.push({ key: 'complete', label: 'Complete', text: (value) => (value === 'no' ? 'Still running' : 'Yes') });
  return { columns, rows: [...rows.values()].sort((a, b) => byText(b.start!, a.start!)) };
}
