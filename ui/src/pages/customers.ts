/** What the customer list is narrowed to, as it stands in the address. Pure. */
import type { Status } from '../revenue-types';

export const STATUSES: Record<Status, string> = { active: 'Paying', trialing: 'On trial', past_due: 'Payment late', canceled: 'Left' };
export const statusWords = (status: string): string => STATUSES[status as Status] ?? status.charAt(0).toUpperCase() + status.slice(1).replaceAll('_', ' ');

export const FILTERS = ['status', 'product', 'plan', 'country'] as const;
export type Filter = (typeof FILTERS)[number];

export const SORTS = ['-mrr', 'mrr', 'name', 'created'] as const;

/** The values chosen for one filter. */
export const chosenOf = (own: Record<string, string>, filter: Filter): string[] => (own[filter] ?? '').split(',').filter(Boolean);

/** With one value taken in, or out again where it was in. */
export function withValue(own: Record<string, string>, filter: Filter, value: string): Record<string, string> {
  const had = chosenOf(own, filter);
  return { [filter]: (had.includes(value) ? had.filter((one) => one !== value) : [...had, value]).join(',') };
}

/** Which order a click on a heading gives; a heading without one gives none. */
export function nextSort(sort: string, column: 'mrr' | 'name' | 'created'): string {
  if (column === 'mrr') return sort === '-mrr' ? 'mrr' : '';
  return sort === column ? '' : column;
}
