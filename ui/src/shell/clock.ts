/** Instants as people in the workspace's zone read them. */
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

/** "14:02:31" */
export function clockIn(zone: string, given: string | number): string {
  return format(zone, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(instant(given));
}

/** "2026-11-22" */
export function dayIn(zone: string, given: string | number): string {
  const parts = format(zone, { year: 'numeric', month: '2-digit', day: '2-digit' }).formatToParts(instant(given));
  const part = (type: string): string => parts.find((one) => one.type === type)?.value ?? '';
  return `${part('year')}-${part('month')}-${part('day')}`;
}

/** "22 Nov, 14:02" */
export function momentIn(zone: string, given: string | number): string {
  return format(zone, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(instant(given));
}

/** "22 Nov 2026, 14:02:31" */
export function fullIn(zone: string, given: string | number): string {
  const options = { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
  return format(zone, options).format(instant(given));
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
