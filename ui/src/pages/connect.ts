/** Words and names for connecting an account. Pure. */
import { exact } from '../core/format';
import type { TableKey, Reading } from '../wire';

/** "Acme Mail" is "acme-mail"; a second one is "acme-mail-2". */
export function slugOf(name: string, taken: readonly string[], otherwise = 'stripe'): string {
  const plain = name
    .normalize('NFKD')
    .replaceAll(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  const slug = (plain || otherwise).slice(0, 40);
  for (let n = 1; ; n += 1) {
    const one = n === 1 ? slug : `${slug}-${n}`;
    if (!taken.includes(one)) return one;
  }
}

/** What is wrong with a key before it is tried, "" where nothing is. */
export function keyTrouble(key: string): string {
  const given = key.trim();
  if (!given) return '';
  if (given.startsWith('pk_')) return 'This is a publishable key: it may read nothing. A restricted key begins with rk_.';
  if (given.startsWith('whsec_')) return 'This is the secret of a webhook. The key begins with rk_ or sk_.';
  if (!/^(rk|sk)_/.test(given)) return 'A key of Stripe begins with rk_ or sk_.';
  return '';
}

/** What is wrong with the signing secret of a webhook before it is kept, "" where nothing is. */
export function secretTrouble(secret: string): string {
  const given = secret.trim();
  return !given || given.startsWith('whsec_') ? '' : 'The signing secret of a webhook begins with whsec_.';
}

/** "invoices, 1,200 of 4,000; about 3 min left" */
export function readingWords({ label, done, total, seconds_left: left }: Reading): string {
  const much = total ? `, ${exact(done, 'count')} of ${exact(total, 'count')}` : '';
  return `${label}${much}${left === null ? '' : `; ${timeLeft(left)} left`}`;
}

function timeLeft(seconds: number): string {
  if (seconds < 60) return 'less than a minute';
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min`;
  return `about ${Math.round(seconds / 3600)} h`;
}

/** What each kind of source brings. */
export const WAYS: Record<string, string> = {
  stripe: 'Subscriptions, payments, refunds and cash, within a second.',
  mixpanel: 'What users do, from a project that exists already, with its past.',
  ga4: 'Sessions, users and conversions as Google Analytics reports them.',
  sql: 'Rows of your product’s own database become events. PostgreSQL, MySQL, SQLite, BigQuery.',
  events: 'The events API, or the clients of Mixpanel, Segment and Google that you use already.',
};

/** The keys of a table that are asked for first, and those under "More settings"; tables have pages of their own. */
export function asksOf(keys: readonly TableKey[]): { first: TableKey[]; later: TableKey[] } {
  const asked = keys.filter((key) => key.name !== 'product' && key.type !== 'tables');
  const first = asked.filter((key) => key.required || key.secret || !key.default && FIRST.has(key.name));
  return { first, later: asked.filter((key) => !first.includes(key)) };
}
const FIRST = new Set(['project_id', 'region', 'property']);

/** The keys of a table that are replaced when they expire. */
export const secretsOf = (keys: readonly TableKey[]): TableKey[] => keys.filter((key) => key.secret);

/** The secrets that were typed; those left empty stay as they are. */
export const renewed = (keys: readonly TableKey[], given: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(secretsOf(keys).flatMap(({ name }) => (given[name]?.trim() ? [[name, given[name].trim()]] : [])));

/** "project_id" is asked for as "Project id". */
export function titleOf(name: string): string {
  const words = name.replaceAll('_', ' ');
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** What was typed, as the table holds it: numbers, lists and maps; what was left empty stays out. */
export function answered(keys: readonly TableKey[], given: Readonly<Record<string, string>>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const { name, type } of keys) {
    const text = (given[name] ?? '').trim();
    if (!text) continue;
    if (type === 'number') found[name] = Number(text);
    else if (type === 'bool') found[name] = text === 'true';
    else if (type === 'list') found[name] = text.split(',').map((one) => one.trim()).filter(Boolean);
    else if (type === 'map') found[name] = Object.fromEntries(text.split('\n').flatMap(pairOf));
    else found[name] = text;
  }
  return found;
}

function pairOf(line: string): [string, string][] {
  const at = line.lastIndexOf('=');
  return at > 0 ? [[line.slice(0, at).trim(), line.slice(at + 1).trim()]] : [];
}
