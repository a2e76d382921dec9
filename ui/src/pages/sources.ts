/** How a source is doing, in words. Pure. */
import { exact } from '../core/format';
import type { DriftKind, Reading, ReadSource, Replayed, Source } from '../wire';

export const KINDS: Record<string, string> = {
  http: 'Events API',
  events: 'Events API',
  stripe: 'Stripe',
  mixpanel: 'Mixpanel',
  ga4: 'Google Analytics',
  sql: 'Database',
  file: 'File',
  sdk: 'Client library',
  'sdk.mixpanel': 'Mixpanel library',
  'sdk.segment': 'Segment library',
  'sdk.ga4': 'Google Analytics library',
  website: 'Website',
};

const FAILURES: Record<string, string> = {
  'sign-in': 'Sign-in fails',
  permissions: 'Not allowed to read',
  query: 'Its query fails',
  quota: 'Quota used up',
  truncated: 'Answers end too early',
  'too-large': 'Answers are too large',
  moved: 'Sends elsewhere',
  refused: 'Refused',
  unreachable: 'Cannot be reached',
  inside: 'A mistake in Upwell',
};

const STATES: Record<Source['state'], string> = { live: 'Live', quiet: 'Quiet', backfilling: 'Reading history', failed: 'Failing', paused: 'Paused' };

/** "Sign-in fails", "Late", "Live". */
export function stateWords({ state, failed, late, read }: Pick<Source, 'state' | 'failed' | 'late' | 'read'>): string {
  if (state === 'failed') return FAILURES[failed ?? ''] ?? STATES.failed;
  if (state !== 'paused' && late === 'late') return 'Late';
  if (state === 'quiet' && read) return 'Nothing new for a day';
  return STATES[state];
}

/** Good, waiting for a person, or neither. */
export function moodOf({ state, late }: Pick<Source, 'state' | 'late'>): 'good' | 'busy' | 'bad' | 'none' {
  if (state === 'failed' || (late === 'late' && state !== 'paused')) return 'bad';
  if (state === 'backfilling') return 'busy';
  return state === 'live' ? 'good' : 'none';
}

/** Since when its numbers stand still: up to there everything is here, or else when it failed. */
export const stillSince = (source: Source): string | null => (source.late ? (source.complete_to ?? source.since ?? null) : null);

const LATE: Record<Exclude<ReadSource['late'], ''>, string> = { late: 'is late', failed: 'cannot be read', paused: 'is paused' };

/** "mixpanel is late: read up to 22 Nov, 14:05" of each source that a number waits for. */
export const waitsFor = (behind: readonly ReadSource[], moment: (at: string) => string): string[] =>
  behind.flatMap((one) => (one.late ? [`${one.source} ${LATE[one.late]}: ${one.through ? `read up to ${moment(one.through)}` : 'nothing was read yet'}`] : []));

/** "invoices, 3 of 8; 1,200 rows, 45 a second". */
export function paceOf({ rows, rate }: Reading): string {
  if (!rows) return '';
  const speed = rate >= 1 ? `, ${exact(Math.round(rate), 'count')} a second` : '';
  return `${exact(rows, 'count')} rows${speed}`;
}

export const DRIFTS: Record<DriftKind, string> = {
  new_field: 'New field',
  vanished_field: 'Field gone',
  changed_type: 'Another type',
  volume: 'Unusual volume',
  silent: 'Fell silent',
};

/** What came of trying again. */
export function triedWords({ tried, still_unusable: left, added }: Replayed): string {
  if (!tried) return 'There is nothing to try again.';
  const records = `${exact(tried, 'count')} ${tried === 1 ? 'record' : 'records'} tried`;
  if (left === tried) return `${records}: still not usable. Mend the cause first.`;
  const brought = `${exact(added, 'count')} ${added === 1 ? 'event' : 'events'} counted`;
  return left ? `${records}: ${brought}, ${exact(left, 'count')} still not usable.` : `${records}: ${brought}, nothing is left.`;
}
