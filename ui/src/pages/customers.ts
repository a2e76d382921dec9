/** What the customer list is narrowed to, as it stands in the address. Pure. */
import type { CustomerStatus } from '../wire';

export const STATUSES: Record<CustomerStatus, string> = { active: 'Paying', trialing: 'On trial', past_due: 'Payment late', paused: 'Paused', canceled: 'Left' };
export const statusWords = (status: string): string => STATUSES[status as CustomerStatus] ?? status.charAt(0).toUpperCase() + status.slice(1).replaceAll('_', ' ');

export const FILTERS = ['status', 'product', 'plan', 'country'] as const;
export type Filter = (typeof FILTERS)[number];

export const SORTS = ['-mrr', 'mrr', 'name', 'created'] as const;

/** With one value chosen, or given up where it was chosen. */
export const withValue = (own: Record<string, string>, filter: Filter, value: string): Record<string, string> => ({ [filter]: own[filter] === value ? '' : value });

/** Which order a click on a heading gives; a heading without one gives none. */
export function nextSort(sort: string, column: 'mrr' | 'name' | 'created'): string {
  if (column === 'mrr') return sort === '-mrr' ? 'mrr' : '';
  return sort === column ? '' : column;
}
