/** How lively each product is: what was seen of it in the last minute. */
import type { FeedEvent } from '../wire';

export interface Pulse {
  ticks: number[]; // by the root of its share of the liveliest tick, so that a quiet product is seen; oldest first
  last: string | null;
  now: boolean; // something in the last second and a half
}

const TICKS = 20;
const TICK = 3000; // ms
const FRESH = 1500;

export function pulses(events: readonly FeedEvent[], products: readonly string[], now: number): Map<string, Pulse> {
  const counts = new Map(products.map((id) => [id, Array.from({ length: TICKS }, () => 0)]));
  const last = new Map<string, string>();
  for (const event of events) {
    const age = now - Date.parse(event.at);
    const seen = last.get(event.product);
    if (!seen || seen < event.at) last.set(event.product, event.at);
    const line = counts.get(event.product);
    const at = TICKS - 1 - Math.floor(Math.max(0, age) / TICK);
    if (line && at >= 0) line[at]! += 1;
  }
  const most = Math.max(1, ...[...counts.values()].flat());
  return new Map(
    products.map((id) => {
      const at = last.get(id) ?? null;
      return [
        id,
        {
          ticks: counts.get(id)!.map((count) => Math.sqrt(count / most)),
          last: at,
          now: at !== null && now - Date.parse(at) < FRESH,
        },
      ];
    }),
  );
}
