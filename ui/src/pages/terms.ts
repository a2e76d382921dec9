/** Under which counting rules and as known when a revenue page asks; both stand in the address. Pure. */
import { beginsAt } from '../shell/clock';
import { addDays, isDay, MONTHS } from '../shell/dates';

export interface Terms {
  policy?: string;
  known_at?: string;
  /** Of which currency, where nothing is converted. */
  currency?: string;
  /** Of the customers of its users. */
  segment?: string;
}

export const RULES: readonly { readonly name: string; readonly title: string; readonly short: string }[] = [
  { name: 'upwell', title: 'Upwell', short: 'Upwell' },
  { name: 'stripe', title: 'As Stripe counts', short: 'Stripe' },
  { name: 'chartmogul', title: 'As ChartMogul counts', short: 'ChartMogul' },
];

export const rulesTitle = (name: string): string => RULES.find((one) => one.name === name)?.title ?? name;

/** The day of the address where it is one in the past. */
export function knownDay(own: Record<string, string>, today: string): string {
  const day = own.known ?? '';
  return isDay(day) && day < today ? day : '';
}

/** Known on a day is what was known when it ended. */
export function termsOf(own: Record<string, string>, zone: string, today: string): Terms {
  const day = knownDay(own, today);
  return {
    ...(own.rules ? { policy: own.rules } : {}),
    ...(own.in ? { currency: own.in } : {}),
    ...(day ? { known_at: beginsAt(zone, addDays(day, 1)) } : {}),
  };
}

/** "3 Feb", with the year where it is another one. */
export function shortDay(day: string, today: string): string {
  const words = `${Number(day.slice(8, 10))} ${MONTHS[Number(day.slice(5, 7)) - 1]}`;
  return day.slice(0, 4) === today.slice(0, 4) ? words : `${words} ${day.slice(0, 4)}`;
}
