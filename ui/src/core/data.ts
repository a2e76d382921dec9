// What charts are given: the server's points, in the server's words.

/** Money is a decimal string in major units, counts and ratios are numbers, null is "not known". */
export type Value = string | number | null;
export type Unit = 'money' | 'count' | 'ratio' | 'number' | 'seconds';
export type Grain = 'hour' | 'day' | 'week' | 'month' | 'quarter' | 'year';
export type Direction = 'up' | 'down' | 'none';

export interface Point {
  readonly start: string;
  readonly value: Value;
  readonly complete: boolean;
  readonly provisional?: boolean;
}

export interface Line {
  readonly key: string;
  readonly label: string;
  readonly points: readonly Point[];
  /** The span compared with: its n-th point stands beside the n-th of `points`. */
  readonly compare?: readonly Point[];
}

/** Something that happened: an alert, or a note such as a release or a restatement. */
export interface Mark {
  readonly id: string;
  readonly start: string;
  readonly kind: 'alert' | 'note';
  readonly title: string;
  readonly text?: string;
  /** The line the alert is about; without it the mark stands on the axis. */
  readonly series?: string;
}

/** Where a metric is to be, bucket by bucket: drawn as a line of its own. */
export interface Target {
  readonly label: string;
  readonly values: readonly { readonly start: string; readonly value: number }[];
}

/** What was expected of one bucket. */
export interface Expected {
  readonly start: string;
  readonly low: number;
  readonly high: number;
}

/** The value as a number for drawing; null stays null. */
export function amount(value: Value | undefined): number | null {
  if (value === null || value === undefined || value === '') return null;
  const number = typeof value === 'number' ? value : Number(value);
  return Number.isFinite(number) ? number : null;
}
