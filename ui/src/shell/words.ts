/** Words that more than one part of the page uses. */
import { daysOf, type Compare } from '../router';
import { spanLabel } from './dates';

export const COMPARES: { id: Compare | 'off'; label: string; long: string; against: string }[] = [
  { id: 'off', label: 'No comparison', long: 'Off', against: '' },
  { id: 'previous', label: 'vs previous', long: 'Previous period', against: 'the period before' },
  { id: 'week', label: 'vs last week', long: 'Same period last week', against: 'the same period last week' },
  { id: 'year', label: 'vs last year', long: 'Same period last year', against: 'the same period last year' },
];

/** A comparison in words: in a button, as a line's name, and after a change. */
export function comparing(compare: Compare | 'off'): { label: string; long: string; against: string } {
  const days = daysOf(compare);
  if (!days) return COMPARES.find((one) => one.id === compare) ?? COMPARES[0]!;
  const said = spanLabel(days);
  return { label: `vs ${said}`, long: said, against: said };
}

export const against = (compare: Compare | 'off'): string => comparing(compare).against;

/** What an event is called on the page. */
export const EVENT_WORDS: Record<string, string> = {
  revenue: 'Payment',
  refund: 'Refund',
  fee: 'Fee',
  subscription: 'Subscription',
  trial: 'Trial',
  payment_failed: 'Failed payment',
  payment_recovered: 'Recovered payment',
  churn: 'Cancellation',
  signup: 'Signup',
  activation: 'Activation',
  session: 'Session',
  page_view: 'Page view',
  engagement: 'Use',
  kpi: 'Reading',
  report: 'Reported figure',
  spend: 'Spend',
  identify: 'Details of a user',
  merge: 'Users joined',
  unmerge: 'Users parted',
};

export function eventWords(type: string, name?: string | number | boolean | null): string {
  if (type === 'engagement' && name) return String(name).replaceAll('_', ' ');
  return EVENT_WORDS[type] ?? type.replaceAll('_', ' ');
}

/** A dimension as a column title: "plan" is "Plan". */
export function dimensionWords(by: string): string {
  const words = by.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
