/** Which months are closed, by whom. Pure. */
import { firstOfMonth } from '../shell/dates';
import type { Close, Closes } from '../wire';

/** The close that holds for a month ("2026-01"): the first of that month or a later one. */
export const closeOf = (closes: readonly Close[], month: string): Close | undefined => closes.find((one) => one.month >= month);

/** The months that can be closed, the last one first; each closes all before it. */
export function closable({ closes, next }: Closes, most = 24): string[] {
  const last = closes.at(-1)?.month ?? '';
  const found: string[] = [];
  if (!next) return found;
  for (let n = 0; n < most; n += 1) {
    const month = firstOfMonth(`${next}-01`, -n).slice(0, 7);
    if (month <= last) break;
    found.push(month);
  }
  return found;
}

/** "by Ada", "by itself"; nothing where a command did. */
export const closedBy = (close: Close): string => (close.itself ? 'by itself' : close.by ? `by ${close.by}` : 'by a command');
