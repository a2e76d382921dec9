/** What the two parts of the traffic page are made of. Nothing of one is ever added to the other. Pure. */

/** Two numbers that are counted by different people differ, and neither is the other's. */
export interface Part {
  readonly id: 'here' | 'ga';
  readonly title: string;
  readonly means: string;
  /** The figures above; the first is drawn until another is chosen. */
  readonly metrics: readonly string[];
  /** How the chosen figure is split, where it is kept so. */
  readonly splits: readonly string[];
  readonly pages: { readonly title: string; readonly metric: string; readonly by: readonly string[] };
  readonly won: { readonly title: string; readonly metric: string; readonly by: readonly string[] };
}

export const PARTS: readonly Part[] = [
  {
    id: 'here',
    title: 'Received here',
    means: 'Page views and sessions that your pages and servers sent: every one of them, while it happens.',
    metrics: ['sessions', 'visitors', 'page_views', 'signups'],
    splits: ['channel', 'country'],
    pages: { title: 'Pages', metric: 'page_views', by: ['path', 'landing'] },
    won: { title: 'Signups', metric: 'signups', by: ['channel', 'country'] },
  },
  {
    id: 'ga',
    title: 'Reported by Google Analytics',
    means: 'What Google counted, by its own rules and days. It is not added to what was received here.',
    metrics: ['ga4_sessions', 'ga4_users', 'ga4_new_users', 'ga4_page_views', 'ga4_conversions', 'ga4_revenue'],
    splits: ['channel', 'source_medium', 'country', 'device'],
    pages: { title: 'Landing pages', metric: 'ga4_sessions', by: ['landing_page'] },
    won: { title: 'Conversions', metric: 'ga4_conversions', by: ['channel', 'country'] },
  },
];

/** What is known about a part: nothing was asked yet, there is nothing, or there is something. */
export type Held = 'asked' | 'nothing' | 'something';

/** By the totals of its figures; null where one is not answered yet. */
export function heldOf(answers: readonly ({ series: readonly { total: unknown; points: readonly { value: unknown }[] }[] } | null)[]): Held {
  const counts = (value: unknown): boolean => value !== null && Number(value) !== 0;
  const some = answers.some((answer) => answer?.series.some((one) => counts(one.total) || one.points.some((point) => counts(point.value))));
  if (some) return 'something';
  return answers.some((answer) => answer === null) ? 'asked' : 'nothing';
}
