/**
 * A made-up server for development. The cookie `fake` chooses what it plays:
 * full (default), empty, loading, error, backfill, signedout, setup.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Plugin } from 'vite';
import type { Question, Session, Watch } from '../src/wire.ts';
import { ago, alerts, answer, feedEvent, metrics, now, products, TODAY } from './company.ts';
import { accept } from './frames.ts';
import { assign, cohorts, connect, connectedSources, pause, revenueGet } from './revenue.ts';

const modeOf = (request: IncomingMessage): string => /(?:^|; )fake=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? 'full';
const EVERY = Number(process.env.FAKE_EVERY ?? 500); // ms between two frames of a watch
const signedIn = new Set<string>();
const problem = (code: string, message: string, fix = ''): object => ({ error: { code, message, fix, where: '' } });

function session(mode: string): Session {
  const out = (mode === 'signedout' || mode === 'setup') && !signedIn.has(mode);
  return {
    viewer: out ? null : { id: 'usr_1', name: 'Ada Lovelace', kind: 'person' },
    setup: mode === 'setup' && out, csrf: 'token', demo: mode === 'full',
    workspace: {
      name: 'Acme', timezone: 'America/New_York', currency: 'USD', week_start: 'monday',
      now: now().toISOString(), today: TODAY, first_day: mode === 'empty' ? null : '2024-11-22',
    },
    version: '0.1.0',
  };
}

function ask(question: Question, mode: string): object {
  if (mode === 'error' && ['revenue', 'dau'].includes(question.metric)) {
    return problem('busy', 'The answer took longer than 10 seconds.', 'Ask for fewer days, or try again.');
  }
  try {
    const found = answer(question);
    if (mode === 'empty') {
      for (const one of found.series) one.points = one.points.map((point) => ({ ...point, value: null }));
      return { ...found, series: question.by ? [] : found.series.map((one) => ({ ...one, total: null, compare: null })), as_of: {} };
    }
    return found;
  } catch (thrown) {
    return { error: thrown };
  }
}

const rows = (query: URLSearchParams): object => {
  const after = Number(query.get('cursor') ?? 0);
  return {
    rows: Array.from({ length: 25 }, (_, index) => ({
      event: {
        product_id: query.get('product') ?? 'mail', event_type: query.get('metric') === 'cancellations' ? 'churn' : 'revenue',
        timestamp: `${query.get('from') ?? TODAY}T${String(23 - Math.floor((after + index) / 3) % 24).padStart(2, '0')}:14:07Z`,
        value: (19 + (((after + index) * 37) % 140)).toFixed(2), currency: 'USD', source: 'mail-stripe', actor_id: `cus_${1000 + after + index}`,
        idempotency_key: `in_1N${after + index}`, metadata: { plan: 'team', country: 'DE' },
      },
      delivery: { seq: 8400 + after + index, source: 'mail-stripe', received_at: now().toISOString() },
    })),
    cursor: after < 75 ? String(after + 25) : null,
  };
};

function get(path: string, query: URLSearchParams, mode: string): object | null {
  const empty = mode === 'empty';
  if (path === '/v1/products') return { products: empty ? products.slice(0, 3).map((one) => ({ ...one, events: 0, last_seen: null, first_day: null })) : products };
  if (path === '/v1/metrics') return { metrics };
  if (path === '/v1/rows') return rows(query);
  if (path.startsWith('/v1/deliveries/')) {
    const text = JSON.stringify({ id: 'evt_1N', object: 'event', type: 'invoice.paid', data: { object: { id: 'in_1N', customer: 'cus_1000', amount_paid: 4900, currency: 'usd', note: '<b>not markup</b>' } } }, null, 2);
    return { seq: Number(path.split('/').pop()), source: 'mail-stripe', received_at: now().toISOString(), kind: 'events', bytes: text.length, start: 0, text };
  }
  if (path === '/v1/sources') {
    return {
      sources: empty ? [] : [
        ...connectedSources(),
        { id: 'sdk', kind: 'http', state: 'live', last_received: ago(1), deliveries: 91_244, events: 1_911_020, dead_letters: 0, error: null },
        { id: 'mail-stripe', kind: 'stripe', state: mode === 'backfill' ? 'backfilling' : 'live', last_received: ago(9), deliveries: 24_120, events: 88_012, dead_letters: 12, error: null },
        { id: 'docs-db', kind: 'sql', state: 'quiet', last_received: ago(7200), deliveries: 1440, events: 20_122, dead_letters: 0, error: null },
        { id: 'web-ga4', kind: 'ga4', state: 'failed', last_received: ago(90_000), deliveries: 61, events: 5200, dead_letters: 3, error: 'Google answered 403: the service account may not read property 3141.' },
      ],
      backlog: mode === 'backfill' ? 182_000 : 0, backfill: mode === 'backfill' ? { label: 'Two years of history', done: 412_000, total: 1_900_000 } : null, position: '0-42',
    };
  }
  if (path === '/v1/dead-letters') {
    return {
      dead_letters: empty ? [] : Array.from({ length: 15 }, (_, index) => ({
        seq: 8000 + index, idx: index, source: index % 5 ? 'mail-stripe' : 'web-ga4', code: ['unknown_product', 'naive_time', 'conflicting_duplicate'][index % 3]!,
        reason: ["Unknown product 'mial'. Did you mean 'mail'?", "The time '2026-11-02 10:00' has no zone.", 'Another event with the same key said something else.'][index % 3]!,
        recorded_at: new Date(now().getTime() - index * 4_000_000).toISOString(),
      })),
    };
  }
  if (path === '/v1/alerts') return { alerts: empty ? [] : alerts };
  if (path === '/v1/reports') return { reports: empty ? [] : reports };
  return null;
}

const reports = ['2026-10', '2026-09', '2026-08'].map((month) => ({ id: `rep_${month}`, month, created_at: `${month}-28T07:00:00Z`, formats: ['pdf'] }));

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : {};
}

async function handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const mode = modeOf(request);
  const say = (body: object, status = 200): void => {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  };
  if (url.pathname === '/v1/session') {
    if (request.method === 'POST') {
      const { password } = (await bodyOf(request)) as { password: string };
      if (password === 'wrong') return say(problem('wrong_password', 'E-mail address and password do not belong together.'), 401);
      signedIn.add(mode);
    }
    if (request.method === 'DELETE') {
      signedIn.delete(mode);
      response.writeHead(204).end();
      return;
    }
    return say(session(mode));
  }
  if (url.pathname === '/v1/owner') {
    signedIn.add(mode);
    return say(session(mode));
  }
  if (!session(mode).viewer) return say(problem('signed_out', 'Nobody is signed in.'), 401);
  if (mode === 'loading' && url.pathname !== '/v1/products' && url.pathname !== '/v1/metrics') return;
  if (url.pathname === '/v1/query') {
    const { questions } = (await bodyOf(request)) as { questions: Question[] };
    return say({ answers: questions.map((question) => ask(question, mode)) });
  }
  if (url.pathname === '/v1/cohorts') return say(mode === 'error' ? problem('busy', 'The answer took longer than 10 seconds.', 'Ask for fewer months, or try again.') : cohorts((await bodyOf(request)) as Parameters<typeof cohorts>[0]), mode === 'error' ? 503 : 200);
  if (request.method === 'POST' && url.pathname === '/v1/sources/stripe') {
    await new Promise((done) => setTimeout(done, 700));
    const made = connect((await bodyOf(request)) as Parameters<typeof connect>[0]);
    return say(made.answer, made.status);
  }
  const source = /^\/v1\/sources\/([^/]+)\/(assignments|pause|resume)$/.exec(url.pathname);
  if (source && request.method !== 'GET') {
    if (source[2] === 'assignments') return say(assign(source[1]!, (await bodyOf(request)) as Record<string, string | null>));
    pause(source[1]!, source[2] === 'pause');
    response.writeHead(204).end();
    return;
  }
  if (mode === 'error' && url.pathname.startsWith('/v1/bridge')) return say(problem('busy', 'The answer took longer than 10 seconds.', 'Ask for fewer days, or try again.'), 503);
  const told = revenueGet(url.pathname, url.searchParams, mode);
  if (told !== undefined) return say(told ?? problem('not_found', 'There is no such customer.'), told ? 200 : 404);
  if (request.method === 'POST' && url.pathname === '/v1/reports') {
    const { month } = (await bodyOf(request)) as { month: string };
    const made = { id: `rep_${month}_${reports.length}`, month, created_at: now().toISOString(), formats: ['pdf'] };
    reports.unshift(made);
    await new Promise((done) => setTimeout(done, 900));
    return say(made);
  }
  const act = /^\/v1\/alerts\/(\w+)\/(ack|mute|resolve)$/.exec(url.pathname);
  if (act) {
    const found = alerts.find((one) => one.id === act[1])!;
    found.state = ({ ack: 'acknowledged', mute: 'muted', resolve: 'resolved' } as const)[act[2] as 'ack'];
    found.muted_until = act[2] === 'mute' ? ((await bodyOf(request)) as { until?: string }).until ?? null : null;
    found.timeline.push({ at: now().toISOString(), text: `${found.state[0]!.toUpperCase()}${found.state.slice(1)} by Ada.`, of: null });
    return say(found);
  }
  const found = get(url.pathname, url.searchParams, mode);
  say(found ?? problem('not_found', 'There is nothing here.'), found ? 200 : 404);
}

function watchOver(request: IncomingMessage, send: (frame: object) => void): { said(text: string): void; stop(): void } {
  const mode = modeOf(request);
  let watch: Watch = { watch: [], since: null, feed: false };
  const shown = new Map<string, string>();
  const points = (): void => {
    for (const { id, question } of watch.watch) {
      const found = ask(question, mode);
      if ('error' in found) continue;
      const { series, as_of } = found as ReturnType<typeof answer>;
      const changed = series
        .filter((one) => one.points.length > 0)
        .map((one) => ({ key: one.key, total: one.total, ...one.points.findLast((point) => point.value !== null)! }))
        .filter(({ key, value }) => shown.get(`${id}${key}`) !== String(value));
      if (!changed.length) continue;
      for (const { key, value } of changed) shown.set(`${id}${key}`, String(value));
      send({
        id, position: '0-43', as_of,
        points: changed.map(({ key, start, value, complete }) => ({ key, start, value, complete })),
        totals: Object.fromEntries(changed.map(({ key, total }) => [key, total])),
      });
    }
  };
  const timer = setInterval(() => {
    if (mode !== 'full' && mode !== 'backfill') return;
    const events = Array.from({ length: 3 + Math.floor(Math.random() * 5) }, feedEvent);
    if (watch.feed) send({ feed: { events, per_second: events.length * 2 } });
    points();
  }, EVERY);
  send({ alerts: { open: mode === 'empty' ? 0 : alerts.filter((one) => one.state === 'open').length, latest: mode === 'empty' ? null : alerts[0] } });
  if (mode === 'backfill') send({ status: { backlog: 182_000, backfill: { label: 'Two years of history', done: 412_000, total: 1_900_000 }, position: '0-42' } });
  return {
    said(text) {
      watch = JSON.parse(text) as Watch;
      if (mode === 'loading') return;
      for (const { id, question } of watch.watch) {
        const found = ask(question, mode);
        send('error' in found ? { error: { ...(found.error as object), id } } : { id, answer: found, position: '0-42' });
      }
    },
    stop: () => clearInterval(timer),
  };
}

export function fake(): Plugin {
  return {
    name: 'upwell-fake-server',
    configureServer(server) {
      server.httpServer?.on('upgrade', (request, stream) => {
        if (!request.url?.startsWith('/v1/live')) return;
        const holder: { over: ReturnType<typeof watchOver> | null } = { over: null };
        const send = accept(request, stream, (text) => holder.over?.said(text));
        holder.over = watchOver(request, (frame) => send(JSON.stringify(frame)));
        stream.on('close', () => holder.over?.stop());
      });
      server.middlewares.use((request, response, next) => {
        const url = new URL(request.url ?? '/', 'http://fake');
        const report = /^\/v1\/reports\/.*\.pdf$/.test(url.pathname);
        if (report) response.writeHead(200, { 'Content-Type': 'application/pdf' }).end('%PDF-1.4');
        else if (url.pathname.startsWith('/v1/')) void handle(request, response, url);
        else next();
      });
    },
  };
}
