/** What a cause of a difference is called: a rule by its title, anything else in its own words. Pure. */
import type { CountingRules } from '../wire';

export function causeTitle(cause: string, sets: readonly CountingRules[]): string {
  for (const set of sets) {
    const rule = set.fields.find((one) => one.name === cause);
    if (rule) return rule.title;
  }
  const words = cause.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
