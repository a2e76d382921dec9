import { flushSync } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { idOf } from '../store';
import type { Ears } from '../socket';
import type { Answer, Metric, Question, Session, Shared, Watch } from '../wire';
import { Asked, Desk } from './desk.svelte';

const session = (viewer: Session['viewer'], passed = 0): Session => ({
  viewer,
  setup: false,
  csrf: 'c',
  demo: false,
  workspace: {
    name: 'Acme',
    timezone: 'America/New_York',
    currency: 'USD',
    week_start: 'monday',
    now: new Date(Date.parse('2026-11-23T03:30:00Z') + passed).toISOString(), // still the 22nd in New York
    today: passed < 90 * 60_000 ? '2026-11-22' : '2026-11-23',
    first_day: null,
    in_file: true,
    named: true,
  },
  version: '1',
});
const ADA = { id: 'u', name: 'Ada', kind: 'person' };
const SHARED: Shared = {
  products: [],
  metrics: [{ name: 'dau', title: 'DAU', grains: ['day'] } as unknown as Metric],
  sources: { sources: [], backlog: 0, backfill: null, position: '' },
  alerts: [],
  annotations: [],
  goals: [],
};

const answer = (question: Question, value: number): Answer => ({
  question,
  series: [{ key: '', points: [{ start: '2026-11-22', value, complete: false }], total: value }],
  as_of: {},
  behind: [],
  policy: 'upwell',
  position: '0-1',
  unit: 'count',
  currency: null,
  scanned: false,
  unconverted: [],
  unlinked: null,
  note: '',
});

/** A server and a wire held in the hand. */
function outside() {
  const calls: { method: string; path: string; body: unknown; csrf: string | null }[] = [];
  const wires: { ears: Ears; said: Watch[] }[] = [];
  let viewer: Session['viewer'] = ADA;
  let down = false;
  const born = Date.now();
  const fetcher: typeof fetch = (input, init) => {
    const path = String(input);
    const body: unknown = init?.body ? JSON.parse(String(init.body)) : undefined;
    calls.push({ method: init?.method ?? 'GET', path, body, csrf: new Headers(init?.headers).get('X-CSRF-Token') });
    if (down) return Promise.reject(new TypeError('no network'));
    const say = (told: unknown, status = 200): Promise<Response> => Promise.resolve(Response.json(told, { status }));
    if (path === '/v1/start') return say({ session: session(viewer, Date.now() - born), shared: viewer && SHARED });
    if (!viewer) return say({ error: { code: 'signed_out', message: 'Nobody.', fix: '', where: '' } }, 401);
    if (path === '/v1/query') {
      const { questions } = body as { questions: Question[] };
      return say({
        answers: questions.map((question) =>
          question.metric === 'broken' ? { error: { code: 'busy', message: 'Busy.', fix: '', where: '' } } : answer(question, 7),
        ),
      });
    }
    return say({ error: { code: 'not_found', message: 'Nothing.', fix: '', where: '' } }, 404);
  };
  const desk = new Desk({
    fetcher,
    connect(ears) {
      const said: Watch[] = [];
      wires.push({ ears, said });
      return { send: (text) => void said.push(JSON.parse(text) as Watch), close: () => undefined };
    },
  });
  return {
    desk,
    calls,
    wires,
    asked: () => calls.filter((call) => call.path === '/v1/query'),
    signOut: () => void (viewer = null),
    cut: () => void (down = true),
  };
}

const settle = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
let stop: (() => void)[] = [];

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'requestAnimationFrame', 'Date'] }));
afterEach(() => {
  for (const one of stop.splice(0)) one();
  vi.useRealTimers();
  localStorage.clear();
  history.replaceState(null, '', '/');
});

function watch(desk: Desk, question: () => Question | null): Asked {
  let asked: Asked | undefined;
  stop.push(
    $effect.root(() => {
      asked = new Asked(question, desk);
    }),
  );
  flushSync();
  return asked!;
}

async function opened() {
  const it = outside();
  stop.push(it.desk.start());
  await settle();
  it.wires[0]!.ears.open();
  return it;
}

test('one request brings who is here and all that pages share', async () => {
  const it = outside();
  stop.push(it.desk.start());
  await settle();
  expect(it.calls.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /v1/start']);
  expect([it.desk.session?.viewer?.name, it.desk.known, it.desk.metrics.length, it.desk.inbox]).toEqual(['Ada', true, 1, []]);
});

test('who was here before has a live link beside the first request; refused before it signed one in, it is tried once more', async () => {
  localStorage.setItem('upwell-here', '1');
  const it = outside();
  stop.push(it.desk.start());
  expect([it.wires.length, it.desk.session]).toEqual([1, null]);
  it.wires[0]!.ears.open();
  await settle();
  expect(it.desk.session?.viewer?.name).toBe('Ada');
  it.wires[0]!.ears.close(4401);
  await settle();
  expect(it.wires).toHaveLength(2);
  expect(it.calls).toHaveLength(1);
  it.signOut();
  it.wires[1]!.ears.close(4401); // the session is over
  await settle(100_000);
  expect([it.wires.length, it.desk.session?.viewer]).toEqual([2, null]);
});

test('who is not signed in is not tried again over the live link, and not the next time', async () => {
  localStorage.setItem('upwell-here', '1');
  const it = outside();
  it.signOut();
  stop.push(it.desk.start());
  it.wires[0]!.ears.close(4401);
  await settle(100_000);
  expect([it.wires.length, it.calls.length, it.desk.session?.viewer]).toEqual([1, 1, null]);
  const next = outside();
  next.signOut();
  stop.push(next.desk.start());
  await settle(100_000);
  expect([next.wires.length, next.desk.session?.viewer]).toEqual([0, null]);
});

test('who was never here is asked after first', async () => {
  const it = outside();
  stop.push(it.desk.start());
  expect(it.wires).toHaveLength(0);
  await settle();
  expect(it.wires).toHaveLength(1);
  expect(localStorage.getItem('upwell-here')).toBe('1');
});

test('one message watches all that a page asks, alike questions once', async () => {
  const it = await opened();
  const before = it.wires[0]!.said.length;
  watch(it.desk, () => ({ metric: 'dau' }));
  watch(it.desk, () => ({ metric: 'dau', grain: 'day' }));
  watch(it.desk, () => ({ metric: 'signups' }));
  await settle();
  const said = it.wires[0]!.said.slice(before);
  expect(said).toHaveLength(1);
  expect(said[0]!.watch.map((one) => one.question.metric)).toEqual(['dau', 'signups']);
  await settle(2000);
  expect(it.asked()).toEqual([]);
});

test('without a link the page asks once, in one request', async () => {
  const it = outside();
  stop.push(it.desk.start());
  await settle();
  const dau = watch(it.desk, () => ({ metric: 'dau' }));
  const broken = watch(it.desk, () => ({ metric: 'broken' }));
  expect(dau.waiting).toBe(true);
  await settle(1000);
  expect(it.asked().map((call) => call.body)).toEqual([{ questions: [{ metric: 'dau' }, { metric: 'broken' }] }]);
  expect(it.asked()[0]!.csrf).toBe('c');
  expect(dau.answer?.series[0]!.total).toBe(7);
  expect(broken.error?.message).toBe('Busy.');
  expect(dau.error).toBeNull();
});

test('the old picture stays while a new one loads, and says that it is old', async () => {
  const it = await opened();
  let metric = $state('dau');
  const tile = watch(it.desk, () => ({ metric }));
  await settle();
  it.wires[0]!.ears.message(JSON.stringify({ id: idOf({ metric: 'dau' }), answer: answer({ metric: 'dau' }, 5), position: 'p1' }));
  await settle(50);
  expect([tile.answer?.series[0]!.total, tile.old, tile.waiting]).toEqual([5, false, false]);
  metric = 'signups';
  flushSync();
  await settle();
  expect([tile.answer?.series[0]!.total, tile.old, tile.waiting]).toEqual([5, true, false]);
  expect(it.wires[0]!.said.at(-1)).toMatchObject({ watch: [{ question: { metric: 'signups' } }], since: 'p1' });
  it.wires[0]!.ears.message(JSON.stringify({ id: idOf({ metric: 'signups' }), answer: answer({ metric: 'signups' }, 9), position: 'p2' }));
  await settle(50);
  expect([tile.answer?.series[0]!.total, tile.old]).toEqual([9, false]);
});

test('a new link resumes only where everything was whole', async () => {
  const it = await opened();
  watch(it.desk, () => ({ metric: 'dau' }));
  await settle();
  it.wires[0]!.ears.message(JSON.stringify({ id: idOf({ metric: 'dau' }), answer: answer({ metric: 'dau' }, 5), position: 'p1' }));
  await settle(50);
  it.wires[0]!.ears.close(1006);
  await settle(300);
  it.wires[1]!.ears.open();
  expect(it.wires[1]!.said[0]!.since).toBe('p1');
  it.wires[1]!.ears.close(1006);
  watch(it.desk, () => ({ metric: 'signups' }));
  await settle(600);
  it.wires[2]!.ears.open();
  expect(it.wires[2]!.said[0]!.since).toBeNull();
});

test('a refused request leads out, and keeps the address', async () => {
  const it = await opened();
  history.replaceState(null, '', '/products/mail?range=mtd');
  it.signOut();
  await expect(it.desk.api.get('/v1/alerts')).rejects.toThrow('Nobody.');
  await settle();
  expect(it.desk.session?.viewer).toBeNull();
  expect(it.desk.link).toBe('closed');
  expect(location.pathname + location.search).toBe('/products/mail?range=mtd');
});

test('a server that is away leaves what is shown, and is named where nothing is', async () => {
  const it = await opened();
  const tile = watch(it.desk, () => ({ metric: 'dau' }));
  await settle();
  it.wires[0]!.ears.message(JSON.stringify({ id: idOf({ metric: 'dau' }), answer: answer({ metric: 'dau' }, 5), position: 'p1' }));
  await settle(50);
  it.cut();
  it.wires[0]!.ears.close(1006);
  const bare = watch(it.desk, () => ({ metric: 'signups' }));
  await settle(20_000);
  expect(it.desk.link).not.toBe('open');
  expect([tile.answer?.series[0]!.total, tile.error]).toEqual([5, null]);
  expect(bare.error?.code).toBe('unreachable');
});

test('the day is the workspace’s own, and turns at its midnight', async () => {
  vi.setSystemTime(new Date('2030-01-01T00:00:00Z')); // this machine's clock says nothing
  const it = await opened();
  expect(it.desk.today).toBe('2026-11-22');
  await settle(91 * 60_000);
  expect(it.desk.today).toBe('2026-11-23');
});

test('the day turns at midnight where the server is away too', async () => {
  const it = await opened();
  it.cut();
  await settle(89 * 60_000);
  expect(it.desk.today).toBe('2026-11-22');
  await settle(2 * 60_000);
  expect(it.desk.today).toBe('2026-11-23');
});

test('addresses are gone to and come back from', async () => {
  const it = await opened();
  it.desk.go({ ...it.desk.route, page: 'product', id: 'mail', range: 'mtd' });
  expect(location.pathname + location.search).toBe('/products/mail?range=mtd');
  expect(it.desk.span).toEqual({ from: '2026-11-01', to: '2026-11-23' });
  history.back();
  history.replaceState(null, '', '/');
  dispatchEvent(new Event('popstate'));
  expect(it.desk.route.page).toBe('home');
});
