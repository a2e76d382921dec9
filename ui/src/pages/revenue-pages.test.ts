import { cleanup, fireEvent, render, screen, within } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Bridge, BridgeAnswer, CustomerLine } from '../wire';
import { format, parse, to } from '../router';
import { desk } from '../shell/desk.svelte';
import { EMPTY } from '../store';
import Customers from './Customers.svelte';
import Revenue from './Revenue.svelte';

type Answers = Record<string, (query: URLSearchParams) => unknown>;
let asked: string[] = [];

/** A server of a few lines: paths with what they answer; all else is not found. */
function serve(answers: Answers): void {
  vi.stubGlobal('fetch', (address: string) => {
    asked.push(address);
    const url = new URL(address, 'http://here');
    const answer = answers[url.pathname]?.(url.searchParams);
    const problem = { error: { code: 'busy', message: 'It took too long.', fix: 'Try again.', where: '' } };
    return Promise.resolve(new Response(JSON.stringify(answer ?? problem), { status: answer ? 200 : 503 }));
  });
}

function open(address: string): void {
  history.replaceState(null, '', address);
  const url = new URL(address, 'http://here');
  desk.route = parse(url.pathname, url.search);
}

beforeEach(() => {
  asked = [];
  desk.known = true;
  Object.defineProperty(HTMLElement.prototype, 'clientWidth', { configurable: true, get: () => 900 });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  desk.state = EMPTY;
  desk.products = [];
  desk.metrics = [];
  desk.known = false;
  open('/');
});

const customer = (id: string, name: string, more: Partial<CustomerLine> = {}): CustomerLine => ({
  id,
  name,
  email: `${id}@a.example`,
  country: 'DE',
  products: ['mail'],
  plans: ['team'],
  status: 'active',
  currency: 'EUR',
  mrr: '49.00',
  since: '2026-01-31',
  ltv: '490.00',
  also: [],
  ...more,
});

test('customers: a name may be missing, money is whole, a filter stands as a chip in the address', async () => {
  serve({ '/v1/customers': () => ({ customers: [customer('s:1', 'Ahorn GmbH'), customer('s:2', '', { mrr: '0.00', status: 'canceled', ltv: null })], cursor: null, total: 2, currency: 'EUR' }) });
  open('/customers?plan=team');
  render(Customers);
  expect((await screen.findByRole('link', { name: 'Ahorn GmbH' })).getAttribute('href')).toBe('/customers/s:1');
  expect(screen.getByRole('link', { name: 's:2@a.example' })).toBeTruthy();
  const rows = screen.getAllByRole('row').slice(1);
  expect(within(rows[0]!).getByText('€49.00')).toBeTruthy();
  expect(within(rows[1]!).getByText('Left')).toBeTruthy();
  expect(within(rows[1]!).getByText('–')).toBeTruthy(); // what they paid is not known: never a zero
  expect(asked.find((path) => path.startsWith('/v1/customers'))).toContain('plan=team');
  await fireEvent.click(screen.getByRole('button', { name: /Plan: team/ }));
  expect(location.search).toBe('');
});

test('customers: the order is the address, and the server is asked for it', async () => {
  serve({ '/v1/customers': (query) => ({ customers: [customer('s:1', 'Ahorn GmbH'), ...(query.has('cursor') ? [customer('s:2', 'Birke AG')] : [])], cursor: query.has('cursor') ? null : 'x', total: 60, currency: 'EUR' }) });
  open('/customers');
  render(Customers);
  await fireEvent.click(await screen.findByRole('button', { name: /^Customer/ }));
  expect(location.search).toBe('?sort=name');
  await vi.waitFor(() => expect(asked.at(-1)).toContain('sort=name'));
  await fireEvent.click(await screen.findByRole('button', { name: 'Show more of 59' }));
  expect(await screen.findByRole('link', { name: 'Birke AG' })).toBeTruthy();
  expect(screen.getAllByRole('link')).toHaveLength(2); // one came on both pages
});

test('customers: nobody, nobody like that, and a server that fails are three things', async () => {
  serve({ '/v1/customers': () => ({ customers: [], cursor: null, total: 0, currency: 'EUR' }) });
  open('/customers');
  const first = render(Customers);
  expect(await screen.findByText('No customers yet')).toBeTruthy();
  first.unmount();
  open('/customers?q=zz');
  const second = render(Customers);
  expect(await screen.findByText('Nobody matches')).toBeTruthy();
  second.unmount();
  serve({});
  open('/customers?q=yy');
  render(Customers);
  expect(await screen.findByText('It took too long.')).toBeTruthy();
  expect(screen.getByRole('button', { name: 'Try again' })).toBeTruthy();
});

const bridge: Bridge = { opening: '1000.00', new: '100.00', expansion: '50.00', reactivation: '0.00', contraction: '40.00', churn: '60.00', fx: '-5.00', restatement: '0.00', closing: '1045.00' };
const bridged = (more: Partial<BridgeAnswer> = {}): BridgeAnswer => ({
  currency: 'USD',
  policy: 'upwell',
  as_of: {},
  position: '',
  complete: false,
  provisional: true,
  bridge,
  causes: [{ movement: 'churn', cause: 'cancel', amount: '60.00', customers: 2 }],
  cross: null,
  parts: [{ key: 'team', label: 'team', bridge }],
  buckets: [],
  closed: [],
  unconverted: [],
  apart: [],
  ...more,
});

test('revenue: the finding is the title, a cause leads to its customers, what is not final is said', async () => {
  serve({ '/v1/bridge': () => bridged(), '/v1/bridge/customers': () => ({ customers: [], cursor: null }) });
  open('/revenue');
  render(Revenue);
  expect(await screen.findByRole('heading', { name: 'MRR grew $45 (+4.5%), mostly new business of $100; churn took $60' })).toBeTruthy();
  expect(screen.getByText(/rates are not known yet/)).toBeTruthy();
  expect(screen.getByText('The last day is still running.')).toBeTruthy();
  HTMLDialogElement.prototype.showModal ??= () => undefined;
  await fireEvent.click(screen.getByRole('button', { name: /Cancelled 2 customers \$60/ }));
  expect(location.search).toContain('list=churn');
  await vi.waitFor(() => expect(asked.at(-1)).toMatch(/bridge\/customers\?.*movement=churn&by=cause&key=cancel/));
});

test('revenue: as known on a day asks for what was known when it ended, and for what changed since', async () => {
  serve({
    '/v1/bridge': () => bridged(),
    '/v1/changes': () => ({ before: '1000.00', after: '1049.00', currency: 'USD', changes: [{ amount: '49.00', cause: 'new', id: 'stripe:cus_a', customer: 'Ahorn GmbH', product: '', plan: '', source: 'stripe', delivery: 7, recorded_at: '1970-01-02T00:00:00Z' }] }),
  });
  desk.session = { viewer: null, setup: false, csrf: '', demo: false, version: '', workspace: { name: '', timezone: 'America/New_York', currency: 'USD', week_start: 'monday', now: '2026-11-22T12:00:00Z', today: '2026-11-22', first_day: null, in_file: true, named: true } };
  desk.now = Date.parse('2026-11-22T12:00:00Z');
  open('/revenue?known=2026-02-03');
  render(Revenue);
  expect(await screen.findByText(/was known as \$1,000.00; now it is \$1,049.00, \+\$49.00/)).toBeTruthy();
  expect(asked.find((address) => address.startsWith('/v1/bridge'))).toContain('known_at=2026-02-04T05%3A00%3A00.000Z');
  expect(asked.find((address) => address.startsWith('/v1/changes'))).toContain('from_known_at=2026-02-04T05%3A00%3A00.000Z');
  expect(screen.getByRole('link', { name: 'Ahorn GmbH' }).getAttribute('href')).toBe(format(to(desk.route, 'customer', 'stripe:cus_a')));
  await fireEvent.click(screen.getByRole('button', { name: 'Back to now' }));
  expect(location.search).toBe('');
  desk.session = null;
});

test('revenue: without any, it says how it begins', async () => {
  const none = Object.fromEntries(Object.keys(bridge).map((key) => [key, '0.00'])) as unknown as Bridge;
  serve({ '/v1/bridge': () => bridged({ bridge: none, causes: [], parts: [] }) });
  open('/revenue');
  render(Revenue);
  expect((await screen.findByRole('link', { name: 'Connect Stripe' })).getAttribute('href')).toBe('/sources?connect=new');
});

test('revenue: rules that are still being counted by are asked for again by itself', async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  let ready = false;
  vi.stubGlobal('fetch', (address: string) => {
    asked.push(address);
    if (address.startsWith('/v1/closes')) return Promise.resolve(new Response(JSON.stringify({ closes: [] })));
    const body = ready ? bridged({ policy: 'stripe' }) : { error: { code: 'folding', message: 'Revenue is being counted by the rules of Stripe: 40% done.', fix: '', where: '' } };
    return Promise.resolve(new Response(JSON.stringify(body), { status: ready ? 200 : 503 }));
  });
  open('/revenue?rules=stripe');
  render(Revenue);
  expect(await screen.findByText(/40% done/)).toBeTruthy();
  expect((screen.getAllByRole('progressbar', { name: 'Counted' })[0] as HTMLProgressElement).value).toBe(40);
  expect(screen.queryByRole('alert')).toBeNull();
  ready = true;
  await vi.advanceTimersByTimeAsync(2000);
  expect(await screen.findByRole('heading', { name: /MRR grew/ })).toBeTruthy();
  vi.useRealTimers();
});
