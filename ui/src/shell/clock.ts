/** Instants as people in the workspace's zone read them. */
import { MONTHS } from './dates';

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat('en-GB', { timeZone: zone, ...options });
    formats.set(key, found);
  }
  return found;
}

const instant = (given: string | number): number => (typeof given === 'number' ? given : Date.parse(given));

const ALL = {
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
} as const;

type Part = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second';

function parts(zone: string, given: string | number): Record<Part, string> {
  const found = { year: '', month: '', day: '', hour: '', minute: '', second: '' };
  for (const { type, value } of format(zone, ALL).formatToParts(instant(given))) {
    if (type in found) found[type as Part] = value;
  }
  return found;
}

/** "14:02:31" */
export function clockIn(zone: string, given: string | number): string {
  const { hour, minute, second } = parts(zone, given);
  return `${hour}:${minute}:${second}`;
}

/** Which quarter of an hour an instant lies in. */
export const quarterOf = (at: number): number => Math.floor(at / 900_000);

/** Makes the browser read its calendars while the page waits anyway: the first time takes it 50 ms. */
export function readyClock(): void {
  const read = (): void => void dayIn('UTC', 0);
  if ('requestIdleCallback' in globalThis) requestIdleCallback(read);
  else setTimeout(read);
}

/** "2026-11-22" */
export function dayIn(zone: string, given: string | number): string {
  const { year, month, day } = parts(zone, given);
  return `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
}

/** The instant at which that local day begins, as RFC 3339. */
export function beginsAt(zone: string, day: string): string {
  const wall = Date.parse(`${day}T00:00:00Z`);
  let found = wall;
  // The offset is that of the instant itself, which is only known once it is found.
  for (let i = 0; i < 3; i += 1) {
    const shown = parts(zone, found);
    const seen = Date.UTC(Number(shown.year), Number(shown.month) - 1, Number(shown.day), Number(shown.hour), Number(shown.minute), Number(shown.second));
    found += wall - seen;
  }
  return new Date(found).toISOString();
}

/** "22 Nov, 14:02" */
export function momentIn(zone: string, given: string | number): string {
  const { month, day, hour, minute } = parts(zone, given);
  return `${Number(day)} ${MONTHS[Number(month) - 1]}, ${hour}:${minute}`;
}

/** "22 Nov 2026, 14:02:31" */
export function fullIn(zone: string, given: string | number): string {
  const { year, month, day, hour, minute, second } = parts(zone, given);
  return `${Number(day)} ${MONTHS[Number(month) - 1]} ${year}, ${hour}:${minute}:${second}`;
}

/** "now", "12 s", "4 min", "3 h", "6 days": how long before `now` that was. */
export function ago(given: string | number, now: number): string {
  const seconds = Math.max(0, Math.round((now - instant(given)) / 1000));
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400 * 2) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}

/** The end of the minute that runs, in UTC: what is known by then is known now, and the question stays the same for a while. */
export const minuteEnd = (now: number): string => `${new Date((Math.floor(now / 60_000) + 1) * 60_000).toISOString().slice(0, 16)}:00Z`;
