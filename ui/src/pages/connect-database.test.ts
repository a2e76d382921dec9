import { expect, test } from 'vitest';
import type { GrowthEvent, Problem, SqlPreview } from '../wire';
import { addressOf, addressTrouble, asked, becomes, begun, BLANK, countWords, credentialsTrouble, firstRows, fitted, needsKey, placeOf, queryOf, reachOf, ready, settingsOf, slugs, STARTS, told, vendorOf } from './connect-database';

const ORDERS = STARTS[2]!.draft;
const EVENT: GrowthEvent = { product_id: 'mail', event_type: 'revenue', timestamp: '2026-02-03T10:00:00Z', value: '49', currency: 'EUR', actor_id: '7' };
const SEEN: SqlPreview = {
  server: 'SQLite 3.40',
  way: 'cursor',
  columns: ['id', 'who', 'paid', 'total'].map((name) => ({ name, type: '' })),
  guessed: { timestamp: 'paid', key: 'id', actor_id: 'who', value: 'total' },
  rows: [['1', '7', '2026-02-03', '49'], ['2', null, '2026-02-04', '5']],
  events: [{ row: 0, event: EVENT }],
  refused: [{ row: 1, code: 'missing_currency', reason: "'orders' does not say its currency: add currency = \"COLUMN\" to the query." }],
  problem: null,
};
const problem = (code: string, where = '', message = 'M.', fix = 'F.'): Problem => ({ code, where, message, fix });

test('an address says which database it is of', () => {
  expect(['postgres://a', 'postgresql+psycopg://a', 'mariadb://a', 'sqlite:////a', 'oracle://a', ''].map(vendorOf)).toEqual(['postgresql', 'postgresql', 'mysql', 'sqlite', null, null]);
  expect(addressOf(' postgres://u:postgres:@h/d ')).toBe('postgresql://u:postgres:@h/d');
});

test('what cannot be an address is told before it is tried', () => {
  expect(addressTrouble('db.example.com')).toContain('postgresql://');
  expect(addressTrouble('jdbc:mysql://h/d')).toContain('jdbc:');
  expect([addressTrouble(''), addressTrouble('mysql://u:p@h/d')]).toEqual(['', '']);
});

test('a start that is taken twice has two names, and each query is called once', () => {
  const first = begun(ORDERS, []);
  expect([first.name, begun(ORDERS, [first]).name]).toEqual(['Orders', 'Orders 2']);
  expect(slugs([{ ...BLANK, name: 'A b' }, { ...BLANK, name: 'a-b' }, { ...BLANK, name: '注' }])).toEqual(['a-b', 'a-b-2', 'query']);
});

test('only what such rows need is asked and sent', () => {
  expect(asked({ ...BLANK, event_type: 'signup' }, false).map((one) => one.field)).toEqual(['timestamp', 'key', 'actor_id']);
  expect(asked({ ...BLANK, event_type: 'kpi' }, true).map((one) => one.field)).toEqual(['timestamp', 'key', 'value', 'product']);
  const sent = queryOf({ ...ORDERS, event_type: 'signup' }, 'orders', false);
  expect(Object.keys(sent)).toEqual(['name', 'sql', 'event_type', 'timestamp', 'key', 'actor_id']);
  expect(settingsOf('postgres://h/d', '', [{ ...ORDERS, product: 'shop' }])).toMatchObject({ url: 'postgresql://h/d', queries: [{ name: 'orders', product: 'shop', currency: 'currency' }] });
});

test('columns that are not there are replaced by likely ones', () => {
  const fit = fitted({ ...ORDERS, metadata: ['total', 'gone'] }, SEEN, false);
  expect(fit).toMatchObject({ timestamp: 'paid', key: 'id', actor_id: '', value: 'total', currency: '', metadata: ['total'] });
  expect(fitted({ ...ORDERS, currency: 'EUR' }, SEEN, false).currency).toBe('EUR');
  expect(fitted(fit, SEEN, false)).toEqual(fit);
});

test('a problem stands at the field it is about', () => {
  const columns = ['id'];
  const at = (code: string, where: string): string => placeOf(problem(code, where), 'orders', { ...ORDERS, key: 'id' }, columns);
  expect(at('table', 'queries.orders.sql')).toBe('sql');
  expect(at('sign_in', 'url')).toBe('url');
  expect(at('unmapped', 'event_type')).toBe('event_type');
  expect(at('unmapped', 'queries.orders.key')).toBe('key');
  expect(at('no_column', 'queries.orders')).toBe('timestamp');
  expect(at('unreachable', '')).toBe('');
});

test('problems say what to change on the page', () => {
  expect(told(problem('no_cursor'), ORDERS)).toContain('(paid_at, id) > (:cursor_time, :cursor_id)');
  expect(told(problem('table', '', 'SQLite: no such table: usrs', 'Look at `url`.'), BLANK)).toBe('SQLite: no such table: usrs. Look at the address.');
  for (const where of ['event_type', 'queries.a.key', 'queries.a.timestamp']) expect(told(problem('unmapped', where), BLANK)).toMatch(/^Choose/);
});

test('each first row stands beside what it becomes, or why it does not', () => {
  const [one, two] = firstRows(SEEN);
  expect(one).toMatchObject({ event: EVENT, why: '' });
  expect(two).toMatchObject({ event: null, why: "'orders' does not say its currency; choose its column above." });
  expect(countWords(SEEN)).toBe('1 of the first 2 rows would count, 1 would not.');
  expect(countWords({ ...SEEN, rows: [] })).toContain('no rows yet');
  expect(countWords({ ...SEEN, refused: [] })).toBe('The first 2 rows would count.');
  expect(becomes(EVENT)).toBe('Payment, €49.00');
});

test('a query may be kept once some of its rows count, or it has none', () => {
  expect([ready(null), ready(SEEN), ready({ ...SEEN, rows: [], refused: [] }), ready({ ...SEEN, problem: problem('no_cursor') })]).toEqual([false, true, true, false]);
  expect(ready({ ...SEEN, refused: [{ row: 0, code: '', reason: '' }, ...SEEN.refused] })).toBe(false);
});

test('BigQuery is reached with a key, and only BigQuery', () => {
  const key = ' {"type": "service_account", "private_key": "k"} ';
  expect(['bigquery://p', ' BigQuery://p/d', 'postgresql://h/d', ''].map(needsKey)).toEqual([true, true, false, false]);
  expect(settingsOf('bigquery://p', 'mail', [], key)).toEqual({ url: 'bigquery://p', credentials: key.trim(), product: 'mail', queries: [] });
  expect(reachOf('postgres://h/d', key)).toEqual({ url: 'postgresql://h/d' });
  expect([credentialsTrouble(''), credentialsTrouble(key)]).toEqual(['', '']);
  expect(credentialsTrouble('AIza')).toContain('no JSON');
  expect(credentialsTrouble('{"installed": {}}')).toContain('private_key');
  expect(placeOf(problem('bad_key', 'credentials'), 'orders', BLANK, [])).toBe('credentials');
});
