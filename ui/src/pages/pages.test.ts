import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, expect, test } from 'vitest';
import { parse } from '../router';
import { desk } from '../shell/desk.svelte';
import { EMPTY, idOf, withAnswer, withError } from '../store';
import type { Alert, Answer, Metric, Product, Question, Series } from '../wire';
import Kpi from './Kpi.svelte';
import NeedsYou from './NeedsYou.svelte';
import Portfolio from './Portfolio.svelte';
import { changes } from './values';

const metric = (name: string, title: string, more: Partial<Metric> = {}): Metric => ({
  name,
  title,
  unit: 'count',
  direction: 'up',
  definition: '',
  family: 'Growth',
  segments: true,
  adds: true,
  dimensions: [],
  grains: ['day', 'week'],
  policy: 'upwell',
  ...more,
});
const SIGNUPS = metric('signups', 'Signups');
const CHURN = metric('cancellations', 'Cancellations', { direction: 'down' });

const product = (id: string, name: string, more: Partial<Product> = {}): Product => ({
  id,
  name,
  events: 5,
  last_seen: '1970-01-01T00:00:00Z',
  first_day: '1970-01-01',
  retired: false,
  in_file: true,
  ...more,
});

const series = (key: string, total: number | null, before?: number): Series => ({
  key,
  points: [{ start: '1970-01-01', value: total, complete: false }],
  total,
  ...(before === undefined ? {} : { compare: { points: [], total: before } }),
});

const answer = (question: Question, ...all: Series[]): Answer => ({
  question,
  series: all,
  as_of: {},
  behind: [],
  policy: 'upwell',
  position: '',
  unit: 'count',
  currency: null,
  scanned: false,
  unconverted: [],
  unlinked: null,
  note: '',
});

const put = (question: Question, ...all: Series[]): void => {
  desk.state = withAnswer(desk.state, idOf(question), answer(question, ...all), 0);
};

afterEach(() => {
  desk.state = EMPTY;
  desk.products = [];
  desk.metrics = [];
  desk.inbox = null;
  desk.known = false;
  history.replaceState(null, '', '/');
  desk.route = parse('/', '');
});

test('a figure shows its value, its change by what is good for it, and where it leads', async () => {
  const question = desk.question(CHURN);
  render(Kpi, { metric: CHURN, question });
  expect(screen.queryByText('1.23k')).toBeNull();
  put(question, series('', 1234, 1000));
  await tick();
  const link = screen.getByRole('link');
  expect(link.getAttribute('href')).toBe('/explore?metric=cancellations');
  expect(screen.getByTitle('1,234').textContent?.trim()).toBe('1.23k');
  expect(link.querySelector('.bad')?.textContent).toContain('↑ +23.4%');
});

test('nothing is a dash with its reason, never a zero', async () => {
  const question = desk.question(SIGNUPS);
  render(Kpi, { metric: SIGNUPS, question });
  put(question, series('', null));
  await tick();
  expect(screen.getByText('–')).toBeTruthy();
  expect(screen.getByText('Nothing in these dates')).toBeTruthy();
});

test('an error stays with its figure, offers to try again, and keeps what was shown', async () => {
  const [signups, churn] = [desk.question(SIGNUPS), desk.question(CHURN)];
  const bare = render(Kpi, { metric: SIGNUPS, question: signups });
  const shown = render(Kpi, { metric: CHURN, question: churn });
  put(churn, series('', 7));
  const problem = { code: 'busy', message: 'It took too long.', fix: '', where: '' };
  desk.state = withError(withError(desk.state, idOf(signups), problem, 0), idOf(churn), problem, 0);
  await tick();
  expect(within(bare.container as HTMLElement).getByText('It took too long.')).toBeTruthy();
  expect(within(bare.container as HTMLElement).getByRole('button', { name: 'Try again' })).toBeTruthy();
  expect(within(shown.container as HTMLElement).getByText('7')).toBeTruthy();
});

test('products are rows in the order chosen; those without a value stand last', async () => {
  desk.metrics = [SIGNUPS, CHURN];
  desk.products = [product('a', 'Anvil'), product('b', 'Bolt'), product('c', 'Cog', { retired: true })];
  desk.known = true;
  history.replaceState(null, '', '/?sort=-signups');
  desk.route = parse('/', '?sort=-signups');
  render(Portfolio);
  put(desk.question(SIGNUPS, { by: 'product' }), series('a', 3), series('b', 30));
  put(desk.question(CHURN, { by: 'product' }), series('a', 9), series('b', 1), series('c', 5));
  await tick();
  const names = (): (string | null | undefined)[] => screen.getAllByRole('rowheader').map((cell) => cell.querySelector('a')?.textContent);
  expect(names()).toEqual(['Bolt', 'Anvil', 'Cog']);
  expect(screen.getByText(/retired/)).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: /Cancellations/ }));
  expect(location.search).toBe('?sort=-cancellations');
  expect(names()).toEqual(['Anvil', 'Cog', 'Bolt']);
  await fireEvent.click(screen.getByRole('button', { name: /Cancellations/ }));
  expect(names()).toEqual(['Bolt', 'Cog', 'Anvil']);
});

test('from nothing to nothing there is no change, and none from what nobody knows', () => {
  const one = series('a', 0);
  const compared = (total: number | null, before: number | null) => changes({ ...one, total, compare: { points: [], total: before } });
  expect([compared(0, 0), compared(3, null), compared(0, 4), compared(5, 5)]).toEqual([false, false, true, true]);
  expect(changes(one)).toBe(false);
});

test('what needs a person: open alerts, the gravest first, as text whatever they say', async () => {
  const alert = (id: string, more: Partial<Alert>): Alert => ({
    id,
    state: 'open',
    severity: 'medium',
    metric: 'signups',
    product: 'a',
    title: id,
    sentence: `${id} happened`,
    opened_at: '1970-01-01T00:00:00Z',
    resolved_at: null,
    value: 1,
    expected: 1,
    low: 1,
    high: 1,
    z: 4,
    muted_until: null,
    why: [],
    customers: [],
    timeline: [],
    delivered: [],
    waiting: '',
    day: '1970-01-01',
    ...more,
  });
  render(NeedsYou);
  expect(screen.queryByRole('list')).toBeNull();
  desk.inbox = [];
  await tick();
  expect(screen.getByText('Nothing, for now.')).toBeTruthy();
  desk.inbox = [alert('one', {}), alert('two', { state: 'resolved' }), alert('three', { severity: 'high', sentence: '<b>three</b>' })];
  await tick();
  expect(screen.getAllByRole('link').map((link) => link.textContent)).toEqual(['<b>three</b>', 'One happened']);
  expect(screen.queryByText('Nothing, for now.')).toBeNull();

  const customers = ['Ahorn', 'Birke', 'Erle', 'Ulme', 'Weide'];
  desk.inbox = [alert('four', { sentence: 'Four left. Customers: Ahorn and 4 more.', customers })];
  await tick();
  expect(screen.getByRole('link').textContent).toBe('Four left.');
  expect(screen.queryByText(/Weide/)).toBeNull();
  await fireEvent.click(screen.getByRole('button', { name: 'and 2 more' }));
  expect(screen.getByText(/Weide/)).toBeTruthy();
});
