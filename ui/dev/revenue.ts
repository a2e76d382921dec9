/** The revenue routes of the made-up server. */
import type { Bridged, Cohorts, Customer, Movement, MovedPage, Profile, Rulesets, Why } from '../src/revenue-types.ts';
import { addDays, days, firstOfMonth } from '../src/shell/dates.ts';
import { ago, products as catalogue, TODAY } from './company.ts';
import { bridge, BYS, grouped, holdings, kindOf, LAST, moves, persons, rowsOf, statusOf, text, type Move } from './ledger.ts';

const list = (given: string | null): string[] => (given ?? '').split(',').filter(Boolean);
const nameOf = (by: string, key: string): string => (by === 'product' ? (catalogue.find((one) => one.id === key)?.name ?? key) : key);

function bridged(query: URLSearchParams): Bridged {
  const [from, to] = [query.get('from') ?? '2026-11-01', query.get('to') ?? addDays(TODAY, 1)];
  const products = list(query.get('product'));
  const rows = rowsOf({ products, known: query.get('known_at') ?? '' });
  const by = query.get('by');
  const inside = rows.filter((move) => move.day >= from && move.day < to);
  const causes = new Map<string, { amount: number; who: Set<number> }>();
  for (const move of inside) {
    const key = `${kindOf(move, products)}/${move.cause}`;
    const found = causes.get(key) ?? { amount: 0, who: new Set<number>() };
    found.amount += Math.abs(move.delta);
    found.who.add(move.who);
    causes.set(key, found);
  }
  const starts: string[] = [];
  for (let month = firstOfMonth(from); month < to; month = firstOfMonth(month, 1)) starts.push(month < from ? from : month);
  const cross = { sell: 0, drop: 0 };
  for (const move of inside) {
    if (move.kind === 'expansion' && move.alone === 'new') cross.sell += move.delta;
    if (move.kind === 'contraction' && move.alone === 'churn') cross.drop += move.delta;
  }
  const parts = by && BYS[by] ? grouped(rows, BYS[by]) : [];
  return {
    currency: 'USD', policy: query.get('policy') ?? 'upwell', as_of: { 'mail-stripe': ago(9), 'docs-stripe': ago(41) }, position: '0-42',
    complete: to <= TODAY, provisional: to > TODAY, bridge: bridge(rows, from, to, products),
    causes: [...causes].map(([key, { amount, who }]) => ({ movement: key.split('/')[0] as Movement, cause: key.split('/')[1]!, amount: text(amount), customers: who.size }))
      .sort((a, b) => Number(b.amount) - Number(a.amount)),
    cross: products.length === 1 ? null : { cross_sell: text(cross.sell), product_drop: text(cross.drop) },
    parts: parts.map(([key, own]) => ({ key, label: nameOf(by!, key), bridge: bridge(own, from, to, products) })),
    buckets: starts.map((start) => {
      const end = firstOfMonth(start, 1) < to ? firstOfMonth(start, 1) : to;
      return { start, complete: end <= TODAY, bridge: bridge(rows, start, end, products) };
    }),
  };
}

function movers(query: URLSearchParams): MovedPage {
  const products = list(query.get('product'));
  const rows = rowsOf({ products, known: query.get('known_at') ?? '' });
  const [from, to, movement, by, key] = ['from', 'to', 'movement', 'by', 'key'].map((name) => query.get(name) ?? '') as [string, string, string, string, string];
  const found = rows
    .filter((move) => move.day >= from && move.day < to && kindOf(move, products) === movement && (!by || !query.has('key') || BYS[by]!(move) === key))
    .sort((a, b) => Math.abs(b.delta) - Math.abs(a.delta));
  const [after, limit] = [Number(query.get('cursor') ?? 0), Number(query.get('limit') ?? 50)];
  return {
    customers: found.slice(after, after + limit).map((move) => ({
      id: persons[move.who]!.id, name: persons[move.who]!.name, email: persons[move.who]!.email, country: persons[move.who]!.country,
      product: move.product, plan: move.plan, amount: text(move.delta), at: `${move.day}T15:14:07Z`, cause: move.cause, delivery: move.seq,
    })),
    cursor: after + limit < found.length ? String(after + limit) : null,
  };
}

function everyone(): Customer[] {
  const held = holdings(LAST);
  const paid = new Map<number, number>();
  for (const move of moves) paid.set(move.who, (paid.get(move.who) ?? 0) + Math.max(0, move.delta) * Math.max(1, days({ from: move.day, to: LAST }) / 30.4));
  return persons.map((person, who) => {
    const own = [...(held.get(who) ?? new Map<string, { plan: string; mrr: number }>())];
    const mrr = own.reduce((sum, [, one]) => sum + one.mrr, 0);
    return {
      id: person.id, name: who % 97 === 3 ? '' : person.name, email: person.email, country: person.country, products: own.map(([product]) => product), plans: [...new Set(own.map(([, one]) => one.plan))],
      status: who % 53 === 5 ? 'trialing' : statusOf(who, mrr), mrr: text(mrr), since: person.since, ltv: text(Math.round(paid.get(who) ?? 0)),
    };
  });
}

function customers(query: URLSearchParams, empty: boolean): object {
  if (empty) return { customers: [], cursor: null, total: 0, currency: 'USD' };
  const sought = (query.get('q') ?? '').toLowerCase();
  const has = (name: string, values: string[]): boolean => !query.get(name) || list(query.get(name)).some((one) => values.includes(one));
  const found = everyone().filter(
    (one) => `${one.name} ${one.email} ${one.id}`.toLowerCase().includes(sought) && has('product', one.products) && has('plan', one.plans) && has('country', [one.country]) && has('status', [one.status]),
  );
  const sort = query.get('sort') ?? '-mrr';
  const sign = sort.startsWith('-') ? -1 : 1;
  const value = (one: Customer): number | string => ({ mrr: Number(one.mrr), ltv: Number(one.ltv), name: one.name.toLowerCase(), created: one.since ?? '' })[sort.replace('-', '')] ?? 0;
  found.sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : 0));
  const [after, limit] = [Number(query.get('cursor') ?? 0), Number(query.get('limit') ?? 50)];
  return { customers: found.slice(after, after + limit), cursor: after + limit < found.length ? String(after + limit) : null, total: found.length, currency: 'USD' };
}

function profile(id: string): Profile | null {
  const who = persons.findIndex((one) => one.id === id);
  const all = everyone()[who];
  if (!all) return null;
  const own = moves.filter((move) => move.who === who);
  let level = 0;
  const movements = own.map((move) => ({
    at: `${move.day}T15:14:07Z`, day: move.day, product: move.product, plan: move.plan, kind: move.kind, cause: move.cause, amount: text(move.delta), mrr_after: text((level += move.delta)), delivery: move.seq,
  }));
  const lines = grouped(own, (move) => move.product);
  const mrr: Profile['mrr'] = [];
  for (let month = firstOfMonth(own[0]!.day); month <= LAST; month = firstOfMonth(month, 1)) {
    mrr.push({ start: month, value: text(own.filter((move) => move.day < firstOfMonth(month, 1)).reduce((sum, move) => sum + move.delta, 0)) });
  }
  const level2 = (rows: Move[]): number => rows.reduce((sum, move) => sum + move.delta, 0);
  return {
    customer: { id, name: all.name, email: all.email, country: all.country, since: all.since, status: all.status, mrr: all.mrr, lifetime_value: all.ltv, sources: [{ source: 'mail-stripe', id, name: 'Acme Mail Stripe' }] },
    currency: 'USD',
    subscriptions: lines.map(([product, rows], i) => ({
      id: `sub_1N${who}${i}`, source: 'mail-stripe', product, plan: rows.at(-1)!.plan, interval: who % 5 ? 'month' : 'year', status: level2(rows) ? all.status : 'canceled', mrr: text(level2(rows)),
      started: `${rows[0]!.day}T10:00:00Z`, trial_end: null, cancel_at: level2(rows) && who % 9 === 4 ? '2026-12-14T10:00:00Z' : null, canceled_at: level2(rows) ? null : `${rows.at(-1)!.day}T15:14:07Z`,
      ended_at: level2(rows) ? null : `${rows.at(-1)!.day}T15:14:07Z`, reason: level2(rows) ? null : rows.at(-1)!.cause === 'payment_failed' ? 'payment_failed' : 'too_expensive',
    })),
    movements: movements.reverse(),
    payments: mrr.filter((one) => Number(one.value)).reverse().slice(0, 24).map((one, i) => ({ id: `in_1N${who}x${i}`, at: `${one.start}T10:00:00Z`, amount: one.value, status: i === 1 && who % 41 === 7 ? 'failed' : 'paid', product: lines[0]![0], refunded: i === 4 ? one.value : '0.00' })),
    mrr,
  };
}

function cohorts(asked: { measure: 'customers' | 'mrr'; product?: string[]; from?: string; to?: string }): Cohorts {
  const products = asked.product ?? [];
  const rows = rowsOf({ products, known: '' });
  const starts: string[] = [];
  for (let month = firstOfMonth(asked.from ?? '2025-12-01'); month < (asked.to ?? addDays(TODAY, 1)); month = firstOfMonth(month, 1)) starts.push(month);
  const firsts = new Map<number, string>();
  for (const move of rows) if (!firsts.has(move.who)) firsts.set(move.who, firstOfMonth(move.day));
  const made = starts.map((start) => {
    const members = new Set([...firsts].filter(([, month]) => month === start).map(([who]) => who));
    const own = rows.filter((move) => members.has(move.who));
    const at = (end: string): number => {
      const held = new Map<number, number>();
      for (const move of own) if (move.day < end) held.set(move.who, (held.get(move.who) ?? 0) + move.delta);
      return asked.measure === 'mrr' ? [...held.values()].reduce((sum, one) => sum + one, 0) : [...held.values()].filter((one) => one > 0).length;
    };
    const base = at(firstOfMonth(start, 1));
    const count = starts.filter((one) => one >= start).length;
    const values = starts.map((_, k) => (k < count && base ? at(firstOfMonth(start, k + 1)) / base : null));
    return { start, size: asked.measure === 'mrr' ? text(base) : base, values };
  });
  const mean = starts.map((_, k) => {
    // Cohorts whose k-th month still runs are left out.
    const grown = made.filter((one, i) => i + k < starts.length - 1 && one.values[k] !== null);
    const weight = grown.reduce((sum, one) => sum + Number(one.size), 0);
    return weight ? grown.reduce((sum, one) => sum + one.values[k]! * Number(one.size), 0) / weight : null;
  });
  return { grain: 'month', currency: 'USD', cohorts: made, mean };
}

const RULES: [string, string, string, string | number | boolean | null, string | number | boolean | null, string | number | boolean | null][] = [
  ['past_due', 'Late payers', 'Whether a subscription still counts while its payment is late.', 'counts', 'counts', 'counts'],
  ['past_due_days', 'Late payers leave after', 'Days after which a late payer counts as churned without waiting for the billing system.', null, null, 30],
  ['discounts', 'Discounts taken off', 'Which discounts lower MRR: lasting and repeating ones, lasting ones alone, one-time ones too, or none.', 'recurring', 'recurring', 'all'],
  ['metered', 'Usage-based charges', 'Whether charges by use are part of MRR.', false, false, false],
  ['churn_recognition', 'When churn is counted', 'On the day the subscription ends, at the end of what was paid, or when it was asked for.', 'ended', 'ended', 'ended'],
  ['granularity', 'Changes within a day', 'Several changes of a customer are one movement: over the local day, within an hour of the first, or over the month.', 'day', 'day', 'event_window'],
  ['reactivation_window', 'A customer who comes back', 'Within how many days coming back is a reactivation; later it is a new customer.', null, null, null],
  ['free_plan', 'A customer at a price of nothing', 'Whether someone who paid before and now pays nothing is still a customer.', 'churn', 'churn', 'stays'],
  ['fx', 'Exchange rates', 'Which rate turns other currencies into yours.', 'constant', 'period_end', 'tx_date'],
  ['customer_churn', 'Customer churn rate', 'Who is counted as churned, and against whom.', 'standard', 'stripe_30', 'standard'],
  ['ltv_months', 'Churn behind lifetime value', 'Mean churn rate of that many whole months.', 6, 1, 6],
  ['pause', 'Paused collection', 'Whether a subscription whose collection is paused still counts.', 'void', 'counts', 'counts'],
];
const TITLES: [string, string][] = [['upwell', 'Upwell'], ['stripe', 'As Stripe counts'], ['chartmogul', 'As ChartMogul counts']];

const policies = (): Rulesets => ({
  workspace: 'upwell',
  policies: TITLES.map(([name, title], i) => ({ name, title, version: 1, fields: RULES.map(([rule, of, definition, ...values]) => ({ name: rule, title: of, definition, value: values[i] as string })) })),
});

function why(query: URLSearchParams): Why {
  const month = query.get('month') ?? '2026-10';
  const end = firstOfMonth(`${month}-01`, 1);
  const ours = rowsOf({ products: [], known: '' }).filter((move) => move.day < end).reduce((sum, move) => sum + move.delta, 0);
  const causes: [string, string, number, number][] = query.get('policy') === 'stripe'
    ? [
        ['fx', "Stripe converts at the month's last rate; we use the rates fixed for the year.", -184_211, 212],
        ['pause', 'Stripe counts subscriptions whose collection is paused; we do not, where their invoices are void.', 89_700, 9],
        ['churn', 'Stripe ends a subscription when its cancellation was asked for, in your settings there; we when it ends.', -42_900, 6],
        ['discounts', 'One-time discounts lower MRR there; here they do not.', -11_850, 14],
      ]
    : [['free_plan', 'ChartMogul keeps customers who pay nothing as customers.', 0, 17], ['late', 'Late payers leave after 30 days there.', -69_800, 11]];
  const difference = causes.reduce((sum, [, , amount]) => sum + amount, 0);
  return { currency: 'USD', ours: text(ours), theirs: text(ours + difference), difference: text(difference), causes: causes.map(([cause, sentence, amount, count]) => ({ cause, sentence, amount: text(amount), customers: count })) };
}

function changes(query: URLSearchParams): object {
  const [from, to, day] = [query.get('from_known_at') ?? '', query.get('to_known_at') ?? '9999', query.get('day') ?? TODAY];
  const inside = moves.filter((move) => move.day <= day);
  const sum = (rows: Move[]): number => rows.reduce((all, move) => all + move.delta, 0);
  return {
    currency: 'USD', before: text(sum(inside.filter((move) => move.recorded <= from))), after: text(sum(inside.filter((move) => move.recorded <= to))),
    changes: inside.filter((move) => move.recorded > from && move.recorded <= to).slice(-200).map((move) => ({ amount: text(move.delta), cause: move.cause, customer: persons[move.who]!.id, delivery: move.seq, recorded_at: move.recorded })),
  };
}

const connected: { source: string; assigned: Record<string, string>; since: number }[] = [];
export const connectedSources = (): object[] =>
  connected.map(({ source, since }) => ({ id: source, kind: 'stripe', state: Date.now() - since < 20_000 ? 'backfilling' : 'live', last_received: ago(1), deliveries: Math.floor((Date.now() - since) / 20), events: Math.floor((Date.now() - since) / 3), dead_letters: 0, error: null }));
export const connecting = (): object | null => {
  const one = connected.findLast(({ since }) => Date.now() - since < 20_000);
  return one ? { label: one.source, done: Math.floor((Date.now() - one.since) * 0.9), total: 18_000 } : null;
};

export function connect(body: { id: string; name: string; api_key: string }): { status: number; answer: object } {
  const problem = (code: string, message: string, fix: string): { status: number; answer: object } => ({ status: 422, answer: { error: { code, message, fix, where: 'api_key' } } });
  if (body.api_key.startsWith('pk_')) return problem('wrong_key', 'That is a publishable key: it may read nothing.', 'Make a restricted key with read access in Stripe, Developers, API keys. It begins with rk_.');
  if (!/^(rk|sk)_/.test(body.api_key)) return problem('wrong_key', 'Stripe does not know this key.', 'Copy the whole of it; it begins with rk_ or sk_.');
  connected.push({ source: body.id, assigned: {}, since: Date.now() });
  return {
    status: 200,
    answer: {
      source: body.id, account: 'acct_1NAcme', livemode: body.api_key.includes('live'),
      permissions: [['Customers', true], ['Subscriptions', true], ['Invoices', true], ['Prices and products', true], ['Balance transactions', !body.api_key.includes('few')], ['Events', true]].map(([name, ok]) => ({ name, ok })),
      products: [['prod_Mail', 'Acme Mail', 4, 412, 'mail'], ['prod_MailPlus', 'Mail Plus add-on', 2, 87, null], ['prod_Docs', 'Acme Docs', 3, 260, 'docs'], ['prod_Old', 'Legacy bundle', 1, 9, null]].map(
        ([id, name, prices, active, assigned]) => ({ id, name, prices, active_subscriptions: active, assigned_to: assigned }),
      ),
    },
  };
}

/** What a route answers; undefined where it is none of these. */
export function revenueGet(path: string, query: URLSearchParams, mode: string): object | null | undefined {
  const empty = mode === 'empty';
  if (path === '/v1/bridge') return empty ? { ...bridged(new URLSearchParams('from=2020-01-01&to=2020-02-01')), as_of: {}, parts: [] } : bridged(query);
  if (path === '/v1/bridge/customers') return movers(query);
  if (path === '/v1/customers') return customers(query, empty);
  const one = /^\/v1\/customers\/([^/]+)$/.exec(path);
  if (one) return profile(decodeURIComponent(one[1]!));
  if (path === '/v1/policies') return policies();
  if (path === '/v1/why') return why(query);
  if (path === '/v1/changes') return changes(query);
  return undefined;
}

export { cohorts };
