/** What is asked of a database before it is read, and words for what it answers. Pure. */
import { exact } from '../core/format';
import { EVENT_WORDS, eventWords } from '../shell/words';
import type { GrowthEvent, PreviewEvent, Problem, SqlPreview } from '../wire';
import { slugOf } from './connect';

/** A query as it is being written; the columns that it does not name are ''. */
export interface Draft {
  name: string;
  sql: string;
  event_type: string;
  timestamp: string;
  key: string;
  actor_id: string;
  value: string;
  currency: string;
  product: string;
  metadata: string[];
  snapshot: boolean;
}

export const BLANK: Draft = {
  name: '', sql: '', event_type: '', timestamp: '', key: '', actor_id: '', value: '', currency: '', product: '', metadata: [], snapshot: false,
};

const since = (time: string): string => `(${time}, id) > (:cursor_time, :cursor_id)\norder by ${time}, id`;

/** Where most begin: an example to be changed. */
export const STARTS: { title: string; text: string; draft: Draft }[] = [
  {
    title: 'Signups',
    text: 'A table of users: each row is somebody who signed up.',
    draft: { ...BLANK, name: 'Signups', event_type: 'signup', sql: `select id, created_at\nfrom users\nwhere ${since('created_at')}`, timestamp: 'created_at', key: 'id', actor_id: 'id' },
  },
  {
    title: 'Activations',
    text: 'The first thing of worth that a user does, such as a first project.',
    draft: { ...BLANK, name: 'Activations', event_type: 'activation', sql: `select id, owner_id, created_at\nfrom projects\nwhere ${since('created_at')}`, timestamp: 'created_at', key: 'id', actor_id: 'owner_id' },
  },
  {
    title: 'Orders as revenue',
    text: 'Each row is money that came in. Amounts in cents are divided by 100.',
    draft: { ...BLANK, name: 'Orders', event_type: 'revenue', sql: `select id, customer_id, paid_at, currency,\n  total_cents / 100.0 as total\nfrom orders\nwhere status = 'paid'\n  and ${since('paid_at')}`, timestamp: 'paid_at', key: 'id', actor_id: 'customer_id', value: 'total', currency: 'currency' },
  },
  {
    title: 'A number, read every minute',
    text: 'A count as it is now: open tickets, paying seats, a balance.',
    draft: { ...BLANK, name: 'Paying seats', event_type: 'kpi', sql: 'select plan, count(*) as seats\nfrom seats\ngroup by plan', key: 'plan', value: 'seats', metadata: ['plan'] },
  },
  { title: 'My own query', text: 'Anything else that one select can say.', draft: { ...BLANK, name: 'My query' } },
];

/** What a row may be, in the order in which it is likely. */
export const ROW_IS: { type: string; label: string }[] = [
  ...(['signup', 'activation', 'engagement', 'session', 'revenue', 'refund', 'spend', 'trial', 'churn'] as const).map((type) => ({ type, label: EVENT_WORDS[type]! })),
  { type: 'kpi', label: 'A number, as it is now' },
  { type: 'identify', label: EVENT_WORDS.identify! },
];

export const MONEY: ReadonlySet<string> = new Set(['revenue', 'refund', 'spend']);
export const CURRENCIES = ['USD', 'EUR', 'GBP', 'CHF', 'CAD', 'AUD', 'JPY', 'INR', 'BRL'];

export type Field = 'timestamp' | 'key' | 'actor_id' | 'value' | 'currency' | 'product';
export interface Asked {
  field: Field;
  label: string;
  empty: string; // what choosing nothing means
}

/** The columns that are asked for, by what each row is. */
export function asked(draft: Draft, perRow: boolean): Asked[] {
  const gauge = draft.event_type === 'kpi';
  const found: Asked[] = [
    { field: 'timestamp', label: 'When it happened', empty: gauge ? 'When it is read' : 'Choose a column' },
    { field: 'key', label: 'Names the row', empty: gauge ? 'All other columns' : 'Choose a column' },
  ];
  if (!gauge) found.push({ field: 'actor_id', label: 'User or customer', empty: NEEDS_USER.has(draft.event_type) ? 'Choose a column' : 'Nobody' });
  if (gauge || MONEY.has(draft.event_type)) found.push({ field: 'value', label: gauge ? 'The number' : 'Amount', empty: 'Choose a column' });
  if (MONEY.has(draft.event_type)) found.push({ field: 'currency', label: 'Currency', empty: 'Choose a column or a currency' });
  if (perRow) found.push({ field: 'product', label: 'Product', empty: 'Choose a column' });
  return found;
}
const NEEDS_USER = new Set(['signup', 'activation', 'trial', 'churn', 'identify']);

export type Vendor = 'postgresql' | 'mysql' | 'sqlite' | 'bigquery';
export const VENDORS: Record<Vendor, { title: string; example: string; reader: string; note: string }> = {
  postgresql: {
    title: 'PostgreSQL',
    example: 'postgresql://upwell:password@db.example.com:5432/app',
    reader: "create role upwell login password 'a long password';\ngrant usage on schema public to upwell;\ngrant select on all tables in schema public to upwell;",
    note: 'A user of its own that may only read is best. Run this once as the owner of the database:',
  },
  mysql: {
    title: 'MySQL',
    example: 'mysql://upwell:password@db.example.com:3306/app',
    reader: "create user upwell identified by 'a long password';\ngrant select on app.* to upwell;",
    note: 'A user of its own that may only read is best. Run this once as the owner of the database (MariaDB too):',
  },
  sqlite: {
    title: 'SQLite',
    example: 'sqlite:////srv/app/data.db',
    reader: '',
    note: 'Four strokes, then the whole path of the file on the machine that Upwell runs on. The file is opened to be read only; no user is needed.',
  },
  bigquery: {
    title: 'BigQuery',
    example: 'bigquery://my-project',
    reader: '',
    note: 'A service account with the roles BigQuery Data Viewer and BigQuery Job User, and a key of it of type JSON: IAM & Admin, Service Accounts, Keys. Each query is paid for by the bytes that it reads.',
  },
};

/** Which database an address is of, or null. */
export function vendorOf(address: string): Vendor | null {
  const scheme = addressOf(address).split(':')[0]!.split('+')[0]!.toLowerCase();
  if (scheme === 'mariadb') return 'mysql';
  return scheme in VENDORS ? (scheme as Vendor) : null;
}

/** An address as it is sent: hosts call PostgreSQL "postgres" too. */
export const addressOf = (given: string): string => given.trim().replace(/^postgres:/i, 'postgresql:');

/** What is wrong with an address before it is tried, '' where nothing is. */
export function addressTrouble(given: string): string {
  const address = addressOf(given);
  if (!address) return '';
  if (/^jdbc:/i.test(address)) return 'Leave out jdbc: at the beginning; user and password stand before the host.';
  if (!/^[a-z][a-z0-9+]*:\/\//i.test(address)) return 'An address begins with postgresql://, mysql://, sqlite:/// or bigquery://.';
  return '';
}

/** A draft with a name that no other has. */
export function begun(start: Draft, others: readonly Draft[]): Draft {
  const names = new Set(others.map((one) => one.name));
  let name = start.name;
  for (let n = 2; names.has(name); n += 1) name = `${start.name} ${n}`;
  return { ...start, name, metadata: [...start.metadata] };
}

/** Names of queries as they are kept: each once. */
export function slugs(drafts: readonly Draft[]): string[] {
  const found: string[] = [];
  for (const one of drafts) found.push(slugOf(one.name, found, 'query'));
  return found;
}

/** The query as it is sent, without what is empty or not asked of such rows. */
export function queryOf(draft: Draft, name: string, perRow: boolean): Record<string, unknown> {
  const sent: Record<string, unknown> = { name, sql: draft.sql, event_type: draft.event_type };
  for (const { field } of asked(draft, perRow)) if (draft[field]) sent[field] = draft[field];
  if (draft.metadata.length) sent.metadata = draft.metadata;
  if (draft.snapshot) sent.snapshot = true;
  return sent;
}

/** Whether who reads is said by a key beside the address. */
export const needsKey = (address: string): boolean => vendorOf(address) === 'bigquery';

/** What is wrong with a key before it is tried, '' where nothing is. */
export function credentialsTrouble(given: string): string {
  const text = given.trim();
  if (!text) return '';
  try {
    const found: unknown = JSON.parse(text);
    if (found && typeof found === 'object' && 'private_key' in found) return '';
  } catch {
    return 'This is no JSON: paste the whole file of the key, from { to }.';
  }
  return 'This is no key of a service account: its file holds a private_key.';
}

/** A database as it is reached: its address, and the key of those that need one. */
export function reachOf(address: string, credentials: string): Record<string, string> {
  return { url: addressOf(address), ...(needsKey(address) && credentials.trim() ? { credentials: credentials.trim() } : {}) };
}

/** All that is kept of a database. */
export function settingsOf(address: string, product: string, drafts: readonly Draft[], credentials = ''): Record<string, unknown> {
  const names = slugs(drafts);
  const queries = drafts.map((one, at) => queryOf(one, names[at]!, !product));
  return { ...reachOf(address, credentials), ...(product ? { product } : {}), queries };
}

/** What a draft names that its query does not give is forgotten; what it lacks is guessed. */
export function fitted(draft: Draft, preview: SqlPreview, perRow: boolean): Draft {
  const names = new Set(preview.columns.map((one) => one.name));
  const next: Draft = { ...draft, metadata: draft.metadata.filter((one) => names.has(one)) };
  for (const { field, empty } of asked(draft, perRow)) {
    const known = names.has(next[field]) || (field === 'currency' && CURRENCIES.includes(next[field]));
    if (!known) next[field] = empty.startsWith('Choose') ? (preview.guessed[field] ?? '') : '';
  }
  return next;
}

export const same = (one: Draft, other: Draft): boolean => JSON.stringify(one) === JSON.stringify(other);

/** The field that a problem is about: a field of the draft, 'url', or '' for none of them. */
export function placeOf(problem: Problem, name: string, draft: Draft, columns: readonly string[]): keyof Draft | 'url' | 'credentials' | '' {
  const where = problem.where.replace(`queries.${name}`, '').replace(/^\./, '');
  if (where === 'url' || where.endsWith('.url')) return 'url';
  if (where === 'credentials') return 'credentials';
  if (problem.code === 'no_column') {
    const lost = (['timestamp', 'key', 'actor_id', 'value', 'currency', 'product'] as const).find((one) => draft[one] && !columns.includes(draft[one]));
    return lost ?? 'metadata';
  }
  if (where === 'settings.queries') return 'sql';
  return where in BLANK ? (where as keyof Draft) : '';
}

/** A problem in the words of the page. */
export function told(problem: Problem, draft: Draft): string {
  const [time, key] = [draft.timestamp || 'created_at', draft.key || 'id'];
  switch (problem.code) {
    case 'no_query':
      return 'Write a query: one select.';
    case 'no_cursor':
      return `Every look would read the whole table again. Let the query end with: where (${time}, ${key}) > (:cursor_time, :cursor_id) order by ${time}, ${key}. For a small table, tick “Read all rows each time” instead.`;
    case 'snapshot_cursor':
      return 'The query reads only new rows, and “Read all rows each time” is ticked. Take the line with :cursor_time out, or untick it.';
    case 'unmapped':
      if (problem.where.endsWith('timestamp')) return 'Choose the column that says when it happened.';
      if (problem.where.endsWith('key')) return 'Choose the column that names the row, such as its id.';
      return 'Choose what each row is.';
    case 'no_column':
      return 'The query gives no such column any more. Choose another.';
    default:
      return `${problem.message.replace(/[^.!?]$/, '$&.')} ${problem.fix}`.trim().replaceAll('`url`', 'the address').replaceAll('`', '');
  }
}

/** Why a row is left out, in the words of the page. */
export const reasonOf = (reason: string): string => reason.replace(/: add \w+ = "COLUMN" to the query\./, '; choose its column above.');

export interface First {
  cells: (string | null)[];
  event: GrowthEvent | null;
  why: string;
}

/** The first rows, each with what it would become or why it would not. */
export function firstRows(preview: SqlPreview): First[] {
  const events = new Map(preview.events.map((one: PreviewEvent) => [one.row, one.event]));
  const refused = new Map(preview.refused.map((one) => [one.row, reasonOf(one.reason)]));
  return preview.rows.map((cells, row) => ({ cells, event: events.get(row) ?? null, why: refused.get(row) ?? '' }));
}

/** "18 of the first 20 rows would count, 2 would not." */
export function countWords(preview: SqlPreview): string {
  const { length: all } = preview.rows;
  if (!all) return 'The query answers, and has no rows yet.';
  const much = all === 1 ? 'The first row' : `The first ${all} rows`;
  if (preview.problem) return `${much}, as the database gives ${all === 1 ? 'it' : 'them'}.`;
  const bad = preview.refused.length;
  if (!bad) return `${much} would count.`;
  return bad === all ? `${much} would not count.` : `${all - bad} of the first ${all} rows would count, ${bad} would not.`;
}

/** An event in a line: "Revenue, 49.00 EUR". */
export function becomes(event: GrowthEvent): string {
  const what = eventWords(event.event_type, event.metadata?.name);
  if (event.currency) return `${what}, ${exact(event.value ?? '0', 'money', event.currency)}`;
  return event.event_type === 'kpi' ? `${what}, ${exact(event.value ?? '0', 'count')}` : what;
}

/** Whether a draft may be kept: it was looked at as it stands, and nothing is left to change. */
export const ready = (preview: SqlPreview | null): boolean => preview !== null && !preview.problem && (preview.rows.length === 0 || preview.refused.length < preview.rows.length);
