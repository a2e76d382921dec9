/** One event and what narrows it, as it stands in the address: "signup@mail+docs{plan:team~plan:pro}". Pure. */
import { eventWords } from '../shell/words';
import type { Doing as DoingAsked } from '../wire';
import { filterWords, formatFilters, parseFilters, whereOf, type Filters } from './filters';

export interface Doing {
  readonly event: string;
  readonly products: readonly string[]; // in which it happened; none: any
  readonly where: Filters;
}

export const just = (event: string): Doing => ({ event, products: [], where: {} });

/** What the marks of an address would break. */
export const escaped = (text: string): string => text.replaceAll(/[%~|?@+{}!*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

export function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** null: it names no event. */
export function parseDoing(text: string): Doing | null {
  const [, event = '', products = '', where = ''] = /^([^@{]*)(?:@([^{]*))?(?:\{([^}]*)\}?)?/.exec(text) ?? [];
  if (!event) return null;
  return { event: unescaped(event), products: products.split('+').filter(Boolean).map(unescaped), where: parseFilters(unescaped(where)) };
}

export const formatDoing = ({ event, products, where }: Doing): string =>
  escaped(event) + (products.length ? `@${products.map(escaped).join('+')}` : '') + (Object.keys(where).length ? `{${escaped(formatFilters(where))}}` : '');

/** The event as the server is asked for it. */
export const doingAsked = ({ event, products, where }: Doing): DoingAsked => ({ event, ...(products.length ? { product: [...products] } : {}), ...whereOf(where) });

/** An event as a step is called: "reply_sent" is "Reply sent". */
export function eventLabel(event: string): string {
  const words = eventWords(event);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What narrows it: "plan: team or pro; in Mail"; "" where nothing does. */
export function narrowWords({ products, where }: Doing, nameOf: (product: string) => string = String): string {
  const filters = Object.entries(where).map(([by, keys]) => lowered(filterWords(by, keys)));
  return [...filters, ...(products.length ? [`in ${products.map(nameOf).join(' or ')}`] : [])].join('; ');
}

const lowered = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

export function doingLabel(doing: Doing, nameOf?: (product: string) => string): string {
  const narrow = narrowWords(doing, nameOf);
  return eventLabel(doing.event) + (narrow ? ` (${narrow})` : '');
}
