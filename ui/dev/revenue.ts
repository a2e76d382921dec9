/** The revenue routes of the made-up server. */
import type { Bridged, Cohorts, Customer, Movement, MovedPage, Profile, Rulesets, Why } from '../src/revenue-types.ts';
import { addDays, days, firstOfMonth } from '../src/shell/dates.ts';
import type { Account } from '../src/wire.ts';
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
      product: move.product, plan: move.plan, amount: text(Math.abs(move.delta)), at: `${move.day}T15:14:07Z`, cause: move.cause, delivery: move.seq,
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

type Raw = string | number | boolean | string[] | null;
const RULES: [string, string, string, Raw, Raw, Raw][] = [
  ['factors', 'Months in a week or a day', 'exact: a year is 12 months, 52 weeks, 365 days. four_weeks: a month is 4 weeks or 30 days.', 'exact', 'exact', 'exact'],
  ['rounding', 'Rounding of an item', 'micro: the MRR of an item is kept to a millionth of a cent. minor: to the cent.', 'micro', 'micro', 'minor'],
  ['metered', 'Metered prices', 'excluded: not in MRR, shown as usage run rate. included: at the quantity the subscription says.', 'excluded', 'excluded', 'excluded'],
  ['past_due_days', 'Past due', 'A subscription whose payment is late counts until the billing system ends it, or for this many days.', null, null, null],
  ['paused', 'Paused subscriptions', 'zero: a pause takes the MRR away, a resume brings it back. counts: a pause changes nothing.', 'zero', 'zero', 'counts'],
  ['pause_zero', 'Paused collection', 'With these settings of paused collection a subscription counts 0; with the others it counts on.', ['void'], ['void'], []],
  ['zero_price', 'Free after paying', 'churn: who paid and now pays nothing has churned. active: stays a customer, at 0.', 'churn', 'churn', 'active'],
  ['discounts', 'Discounts', 'Which are taken off: forever_only, recurring (forever and for some months), all (also for one invoice), none.', 'recurring', 'recurring', 'recurring'],
  ['granularity', 'What is one movement', 'day: the change between the ends of two days. event_window: changes within some minutes of the first, on one day.', 'day', 'day', 'event_window'],
  ['reactivation_days', 'Reactivation', 'Who comes back within this many days is a reactivation, later a new customer; without a number always a reactivation.', null, null, null],
  ['churn_recognition', 'Date of churn', 'ended: when the billing system ended it. requested: at the click.', 'ended', 'ended', 'ended'],
  ['fx', 'Currencies', 'constant: movements at the rates of the fiscal year. period_end: both at the rates of periods. tx_date: at the rate of the day.', 'constant', 'period_end', 'tx_date'],
  ['customer_churn', 'Customer churn rate', 'standard: churned over customers at the start. stripe: over customers at the start and new ones.', 'standard', 'stripe', 'standard'],
  ['net_churn_with_reactivation', 'Net MRR churn rate', 'Whether MRR that came back is taken off, too.', false, false, true],
  ['ltv_churn_months', 'Churn behind lifetime value', 'The mean customer churn rate of this many months before the current one.', 6, 6, 6],
  ['trial_conversion', 'Trial conversion', 'window: of the trials started in the bucket. ended: conversions over trials ended. ever: the share that ever paid.', 'window', 'ended', 'ever'],
];
const TITLES: [string, string][] = [['upwell', 'Upwell'], ['stripe', 'Stripe Billing'], ['chartmogul', 'ChartMogul']];

const policies = (): Rulesets => ({
  workspace: 'upwell',
  policies: TITLES.map(([name, title], i) => ({ name, title, version: 1, fields: RULES.map(([rule, of, definition, ...values]) => ({ name: rule, title: of, definition, value: values[i]! })) })),
});

function why(query: URLSearchParams): Why {
  const month = query.get('month') ?? '2026-10';
  const end = firstOfMonth(`${month}-01`, 1);
  const ours = rowsOf({ products: [], known: '' }).filter((move) => move.day < end).reduce((sum, move) => sum + move.delta, 0);
  const causes: [string, string, number, number][] = query.get('policy') === 'stripe'
    ? [
        ['fx', "Stripe converts at the month's last rate; we use the rates fixed for the year.", -184_211, 212],
        ['pause_zero', 'Stripe counts subscriptions whose collection is paused; we do not, where their invoices are void.', 89_700, 9],
        ['churn_recognition', 'Stripe ends a subscription when its cancellation was asked for, in your settings there; we when it ends.', -42_900, 6],
        ['discounts', 'One-time discounts lower MRR there; here they do not.', -11_850, 14],
      ]
    : [['fx', 'ChartMogul converts at the rate of the day of each payment.', -61_040, 212], ['paused', 'Paused subscriptions count on there.', 69_800, 11], ['zero_price', 'Customers who pay nothing stay customers there.', 0, 17], ['rounding', 'Each item is rounded to the cent there.', 3, 1]];
  const difference = causes.reduce((sum, [, , amount]) => sum + amount, 0);
  return { currency: 'USD', ours: text(ours), theirs: text(ours + difference), difference: text(difference), causes: causes.map(([cause, sentence, amount, count]) => ({ cause, sentence, amount: text(amount), customers: count })) };
}

function changes(query: URLSearchParams): object {
  const [from, to, day] = [query.get('from_known_at') ?? '', query.get('to_known_at') ?? '9999', query.get('day') ?? TODAY];
  const inside = moves.filter((move) => move.day <= day);
  const sum = (rows: Move[]): number => rows.reduce((all, move) => all + move.delta, 0);
  return {
    currency: 'USD', before: text(sum(inside.filter((move) => move.recorded <= from))), after: text(sum(inside.filter((move) => move.recorded <= to))),
    changes: inside.filter((move) => move.recorded > from && move.recorded <= to).slice(-200).map((move) => ({ amount: text(move.delta), cause: move.cause, customer: persons[move.who]!.name, delivery: move.seq, recorded_at: move.recorded })),
  };
}

const READ = 24_000; // ms that the made-up past takes
const connected: { source: string; since: number; paused: boolean; account: Account }[] = [];
const SOLD: [string, string, number, number | null, string | null][] = [['prod_Mail', 'Acme Mail', 4, 412, 'mail'], ['prod_MailPlus', 'Mail Plus add-on', 2, 87, null], ['prod_Docs', 'Acme Docs', 3, 260, 'docs'], ['prod_Old', 'Legacy bundle', 1, null, null]];
const READS = ['Customers', 'Subscriptions', 'Invoices', 'Prices and products', 'Balance transactions', 'Events'];

function accountOf(source: string, key: string): Account {
  return {
    source, account: 'acct_1NAcme', livemode: key.includes('live'), webhook: `https://upwell.acme.example/hooks/stripe/${source}`,
    permissions: READS.map((name) => ({ name, ok: name !== 'Balance transactions' || !key.includes('few') })),
    products: SOLD.map(([id, name, prices, active, assigned]) => ({ id, name, prices: Array.from({ length: prices }, (_, i) => `price_${id}${i}`), active_subscriptions: active, assigned_to: assigned })),
  };
}

export const connectedSources = (): object[] =>
  connected.map(({ source, since, paused }) => {
    const gone = Math.min(READ, Date.now() - since);
    const reading = { label: gone < READ / 2 ? 'Invoices' : 'Subscriptions', done: Math.floor(gone * 0.9), total: Math.floor(READ * 0.9), rows: gone, rate: 900, share: gone / READ, seconds_left: Math.ceil((READ - gone) / 1000) };
    return { id: source, kind: 'stripe', state: paused ? 'paused' : gone < READ ? 'backfilling' : 'live', last_received: ago(1), deliveries: Math.floor(gone / 20), events: Math.floor(gone / 3), dead_letters: 0, error: null, reading: gone < READ ? reading : null, live: false };
  });

export function connect(body: { id: string; name: string; api_key: string }): { status: number; answer: object } {
  const problem = (message: string, fix: string): { status: number; answer: object } => ({ status: 422, answer: { error: { code: 'wrong_key', message, fix, where: 'api_key' } } });
  if (body.api_key.includes('wrong')) return problem('Stripe does not know this key.', 'Copy the whole of it, or make another one in Stripe.');
  const account = accountOf(body.id, body.api_key);
  connected.push({ source: body.id, since: Date.now(), paused: false, account });
  return { status: 201, answer: account };
}

/** Pause and resume; false where there is no such source. */
export function pause(source: string, paused: boolean): boolean {
  const one = connected.find((found) => found.source === source);
  if (one) one.paused = paused;
  return one !== undefined;
}

export function assign(source: string, products: Record<string, string | null>): object {
  const one = connected.find((found) => found.source === source);
  for (const sold of one?.account.products ?? []) if (sold.id in products) sold.assigned_to = products[sold.id]!;
  return { source, position: '0-44' };
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
  const account = /^\/v1\/sources\/([^/]+)\/account$/.exec(path);
  if (account) return connected.find((found) => found.source === account[1])?.account ?? accountOf(account[1]!, 'rk_live');
  return undefined;
}

export { cohorts };
