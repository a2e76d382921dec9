/** A made-up ledger: who pays what from when, and why it changed. The same every time; everything adds up. */
import { addDays, days } from '../src/shell/dates.ts';
import type { Bridge, Movement, Status } from '../src/revenue-types.ts';

export interface Move {
  who: number;
  product: string;
  plan: string;
  day: string;
  delta: number; // cents
  kind: Movement; // of the customer, over all products
  alone: Movement; // of the customer with this product
  cause: string;
  seq: number;
  recorded: string; // RFC 3339; days later for the few that came late
}

export interface Person {
  id: string;
  name: string;
  email: string;
  country: string;
  since: string;
  trial: boolean;
}

const LAST = '2026-11-22';
const FIRST = '2024-11-22';
const PRODUCTS: [string, number][] = [
  ['mail', 30], ['docs', 20], ['calendar', 12], ['drive', 11], ['chat', 9], ['forms', 6], ['sites', 4], ['desk', 3], ['sign', 3], ['tasks', 1], ['vault', 1],
];
const PLANS: [string, number, number][] = [['starter', 44, 2900], ['team', 31, 9900], ['business', 19, 29_900], ['enterprise', 6, 120_000]];
const COUNTRIES: [string, number][] = [['US', 38], ['DE', 17], ['GB', 12], ['FR', 9], ['JP', 7], ['BR', 6], ['IN', 5], ['CA', 4], ['SE', 2]];
const FIRSTS = ['Northwind', 'Birke', 'Halcyon', 'Ostrom', 'Kestrel', 'Lumen', 'Tidal', 'Ferro', 'Quarry', 'Sable', 'Juniper', 'Marlow', 'Vesper', 'Alder', 'Cobalt', 'Drift', 'Ember', 'Fable', 'Grove', 'Harbor'];
const SECONDS = ['Labs', 'GmbH', 'Studio', 'Partners', 'Foods', 'Health', 'Logistics', 'Media', 'Robotics', 'Energy', 'Books', 'Ltd', 'Design', 'Travel', 'Capital'];

let state = 20_261_122;
const random = (): number => {
  state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
  return state / 4_294_967_296;
};
function pick<T extends [string, number, ...unknown[]]>(from: T[]): T {
  let at = random() * from.reduce((sum, [, weight]) => sum + weight, 0);
  return from.find(([, weight]) => (at -= weight) <= 0) ?? from[0]!;
}

export const persons: Person[] = [];
export const moves: Move[] = [];
let seq = 9000;

function simulate(): void {
  const length = days({ from: FIRST, to: LAST });
  for (let who = 0; who < 1400; who += 1) {
    const name = `${FIRSTS[Math.floor(random() * FIRSTS.length)]} ${SECONDS[Math.floor(random() * SECONDS.length)]}`;
    const start = Math.floor(length * (who < 260 ? 0 : random() ** 0.8));
    const [country] = pick(COUNTRIES);
    const person = { id: `cus_${(who * 7919 + 100_003).toString(36)}`, name, email: `billing@${name.toLowerCase().replace(' ', '-')}.example`, country, since: addDays(FIRST, start), trial: false };
    persons.push(person);
    live(who, start, length);
  }
  moves.sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : a.seq - b.seq));
  for (const move of moves) {
    move.seq = seq += 1 + Math.floor(random() * 3);
    const late = random() < 0.03 ? 3 + Math.floor(random() * 20) : 0;
    move.recorded = `${addDays(move.day, late)}T${String(8 + Math.floor(random() * 12)).padStart(2, '0')}:14:07Z`;
  }
}

function live(who: number, start: number, length: number): void {
  const [plan, , price] = pick(PLANS) as [string, number, number];
  const [product] = pick(PRODUCTS);
  const holds = new Map<string, { plan: string; mrr: number }>();
  const was = new Set<string>();
  let paid = false;
  const put = (day: number, of: string, as: string, mrr: number, cause: string): void => {
    if (day > length) return;
    const before = holds.get(of)?.mrr ?? 0;
    const total = [...holds.values()].reduce((sum, one) => sum + one.mrr, 0);
    const delta = mrr - before;
    const kind: Movement = total === 0 ? (paid ? 'reactivation' : 'new') : total + delta === 0 ? 'churn' : delta > 0 ? 'expansion' : 'contraction';
    const alone: Movement = before === 0 ? (was.has(of) ? 'reactivation' : 'new') : mrr === 0 ? 'churn' : delta > 0 ? 'expansion' : 'contraction';
    moves.push({ who, product: of, plan: as, day: addDays(FIRST, day), delta, kind, alone, cause, seq: 0, recorded: '' });
    paid = true;
    was.add(of);
    if (mrr) holds.set(of, { plan: as, mrr });
    else holds.delete(of);
  };
  put(start, product, plan, Math.round(price * (1 + Math.floor(random() * 4) * 0.5)), random() < 0.3 ? 'trial_end' : 'new');
  for (let day = start + 20 + Math.floor(random() * 20); day < length; day += 20 + Math.floor(random() * 20)) {
    const draw = random();
    const [of, had] = [...holds][0] ?? [product, null];
    if (!had) {
      if (draw < 0.06) put(day, product, plan, price, 'resume');
      continue;
    }
    if (draw < 0.018) put(day, of, had.plan, 0, random() < 0.3 ? 'payment_failed' : 'cancel');
    else if (draw < 0.045) put(day, of, had.plan, Math.round(had.mrr * 1.4), random() < 0.6 ? 'quantity' : 'price');
    else if (draw < 0.058 && had.mrr > 4000) put(day, of, had.plan, Math.round(had.mrr * 0.7), random() < 0.6 ? 'quantity' : 'coupon');
    else if (draw < 0.068) {
      const [other] = pick(PRODUCTS);
      if (!holds.has(other)) put(day, other, 'team', 9900, 'new');
    } else if (draw < 0.072 && holds.size > 1) put(day, of, had.plan, 0, 'cancel');
  }
}
simulate();

export function grouped<T>(all: readonly T[], key: (one: T) => string): [string, T[]][] {
  const found = new Map<string, T[]>();
  for (const one of all) found.set(key(one), [...(found.get(key(one)) ?? []), one]);
  return [...found];
}

const NOISY: Record<string, [number, number]> = {
  customer_churn_rate: [0.021, 0.008], gross_mrr_churn_rate: [0.024, 0.009], net_mrr_churn_rate: [0.004, 0.01], nrr: [1.043, 0.02], grr: [0.914, 0.015],
  quick_ratio: [2.9, 0.8], trial_conversion_rate: [0.46, 0.09], recovery_rate: [0.63, 0.1],
};

/** A revenue metric over one bucket; `undefined` where it is none. */
export function revenueValue(name: string, ids: readonly string[], from: string, to: string, by: string, key: string): string | number | null | undefined {
  if (!LEDGER.has(name) && !NOISY[name]) return undefined;
  if (from > LAST || to <= FIRST) return null;
  if (NOISY[name]) {
    if (by || (name === 'recovery_rate' && to > LAST && days({ from, to }) < 3)) return null;
    const [middle, reach] = NOISY[name];
    const draw = Math.sin((Number(from.slice(5, 7)) * 31 + Number(from.slice(8))) * (name.length + ids.length));
    return Math.round((middle + draw * reach) * 10_000) / 10_000;
  }
  const rows = moves.filter((move) => ids.includes(move.product) && move.day < to && (!by || BYS[by]?.(move) === key));
  const inside = rows.filter((move) => move.day >= from);
  const sum = (all: Move[]): number => all.reduce((total, move) => total + move.delta, 0);
  const of = (kind: Movement): Move[] => inside.filter((move) => kindOf(move, [...ids]) === kind);
  const who = (all: Move[]): number => new Set(all.map((move) => move.who)).size;
  const paying = (): number => grouped(rows, (move) => String(move.who)).filter(([, own]) => sum(own) > 0).length;
  switch (name) {
    case 'mrr': return text(sum(rows));
    case 'arr': return text(sum(rows) * 12);
    case 'net_new_mrr': return text(sum(inside));
    case 'customers': return paying();
    case 'new_customers': return who(of('new'));
    case 'churned_customers': return who(of('churn'));
    case 'arpa': return paying() ? text(Math.round(sum(rows) / paying())) : null;
    case 'asp': return who(of('new')) ? text(Math.round(sum(of('new')) / who(of('new')))) : null;
    case 'ltv': return by || ids.length === 1 ? null : text(Math.round(sum(rows) / Math.max(1, paying()) / 0.021));
    case 'trials': return Math.round(who(of('new')) * 2.1);
    case 'mrr_set_to_cancel': return text(Math.round(sum(rows) * 0.011));
    case 'failed_payments': return Math.round(paying() * 0.002 * days({ from, to }));
    default: return null;
  }
}
const LEDGER = new Set(['mrr', 'arr', 'net_new_mrr', 'customers', 'new_customers', 'churned_customers', 'arpa', 'asp', 'ltv', 'trials', 'mrr_set_to_cancel', 'failed_payments']);

export const text = (cents: number): string => (cents / 100).toFixed(2);
export const BYS: Record<string, (move: Move) => string> = {
  plan: (move) => move.plan,
  product: (move) => move.product,
  country: (move) => persons[move.who]!.country,
  interval: (move) => (move.who % 5 ? 'month' : 'year'),
  cause: (move) => move.cause,
  cohort: (move) => persons[move.who]!.since.slice(0, 7),
};

export interface Asked {
  products: string[];
  known: string; // RFC 3339, or ""
}

export function rowsOf({ products, known }: Asked): Move[] {
  return moves.filter((move) => (!products.length || products.includes(move.product)) && (!known || move.recorded <= known));
}

export const kindOf = (move: Move, products: string[]): Movement => (products.length === 1 ? move.alone : move.kind);

export function bridge(rows: Move[], from: string, to: string, products: string[]): Bridge {
  const sums = { opening: 0, new: 0, expansion: 0, reactivation: 0, contraction: 0, churn: 0, fx: 0 };
  for (const move of rows) {
    if (move.day < from) {
      sums.opening += move.delta;
      if (from >= '2026-10-20') sums.fx += Math.round(move.delta * 0.0011);
    } else if (move.day < to) sums[kindOf(move, products)] += move.delta;
  }
  const closing = Object.values(sums).reduce((all, one) => all + one, 0);
  return {
    opening: text(sums.opening), new: text(sums.new), expansion: text(sums.expansion), reactivation: text(sums.reactivation),
    contraction: text(-sums.contraction), churn: text(-sums.churn), fx: text(sums.fx), restatement: '0.00', closing: text(closing),
  };
}

/** What each customer pays at the end of a day, by product. */
export function holdings(day: string): Map<number, Map<string, { plan: string; mrr: number }>> {
  const all = new Map<number, Map<string, { plan: string; mrr: number }>>();
  for (const move of moves) {
    if (move.day > day) break;
    const held = all.get(move.who) ?? new Map<string, { plan: string; mrr: number }>();
    const mrr = (held.get(move.product)?.mrr ?? 0) + move.delta;
    if (mrr) held.set(move.product, { plan: move.plan, mrr });
    else held.delete(move.product);
    all.set(move.who, held);
  }
  return all;
}

export const statusOf = (who: number, mrr: number): Status => (mrr === 0 ? 'canceled' : who % 41 === 7 ? 'past_due' : 'active');
export { FIRST, LAST };
