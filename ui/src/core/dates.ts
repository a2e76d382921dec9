// Buckets on the local calendar. A start is "2026-11-01" or "2026-11-01T13:00:00-05:00"; what is
// drawn is its wall time, so the reader's own zone never enters.
import { utcFormat } from 'd3-time-format';
import type { Grain } from './data';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

const START = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/;

export interface Start {
  /** Wall time, held in the UTC fields of a Date. */
  readonly wall: Date;
  /** Milliseconds in order of passing: both hours named 01:00 in autumn are told apart. */
  readonly instant: number;
}

const read = new Map<string, Start>(); // a page asks for the same few thousand starts in every frame

/** Reads a bucket's start; throws on anything else. */
export function parseStart(start: string): Start {
  let found = read.get(start);
  if (!found) {
    found = parse(start);
    if (read.size > 50_000) read.clear();
    read.set(start, found);
  }
  return found;
}

function parse(start: string): Start {
  const match = START.exec(start);
  if (!match) throw new Error(`not the start of a bucket: ${start}`);
  const [, year, month, day, hour = '0', minute = '0', second = '0', zone] = match;
  const wall = Date.UTC(+year!, +month! - 1, +day!, +hour, +minute, +second);
  return { wall: new Date(wall), instant: wall - offset(zone) };
}

function offset(zone: string | undefined): number {
  if (!zone || zone === 'Z') return 0;
  const minutes = +zone.slice(1, 3) * 60 + +zone.slice(-2);
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}

/** The local day of a start: "2026-11-01". */
export const dayOf = (start: string): string => start.slice(0, 10);

const iso = utcFormat('%Y-%m-%d');

/** First day after the bucket that opens on `start`: the exclusive end of a question's range. */
export function dayAfter(start: string, grain: Grain): string {
  const { wall } = parseStart(dayOf(start));
  const [y, m, d] = [wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate()];
  switch (grain) {
    case 'hour':
    case 'day':
      return iso(new Date(Date.UTC(y, m, d + 1)));
    case 'week':
      return iso(new Date(Date.UTC(y, m, d + 7)));
    case 'month':
      return iso(new Date(Date.UTC(y, m + 1, 1)));
    case 'quarter':
      return iso(new Date(Date.UTC(y, m - (m % 3) + 3, 1)));
    case 'year':
      return iso(new Date(Date.UTC(y + 1, 0, 1)));
  }
}

const quarter = (date: Date): string => `Q${Math.floor(date.getUTCMonth() / 3) + 1}`;

const FULL: Record<Grain, (date: Date) => string> = {
  hour: utcFormat('%a %-d %b %Y, %H:%M'),
  day: utcFormat('%a %-d %b %Y'),
  week: (date) => `Week of ${utcFormat('%-d %b %Y')(date)}`,
  month: utcFormat('%B %Y'),
  quarter: (date) => `${quarter(date)} ${date.getUTCFullYear()}`,
  year: utcFormat('%Y'),
};

/** A bucket in words: "Sun 1 Nov 2026", "Week of 2 Nov 2026", "Q4 2026". */
export const bucketName = (start: string, grain: Grain): string => FULL[grain](parseStart(start).wall);

export const GRAIN_WORDS: Record<Grain, { readonly by: string; readonly one: string }> = {
  hour: { by: 'by hour', one: 'hour' },
  day: { by: 'by day', one: 'day' },
  week: { by: 'by week', one: 'week' },
  month: { by: 'by month', one: 'month' },
  quarter: { by: 'by quarter', one: 'quarter' },
  year: { by: 'by year', one: 'year' },
};
