// The bridge from opening to closing MRR as a waterfall, a table, a sentence.
import type { Bridge, BridgeAnswer, BridgeBucket, Cause } from '../wire';
import { amount, type Value } from './data';
import { bucketName } from './dates';
import { apportioned, isZero, negate, round, sum } from './decimal';
import { change, compact, exact, minorDigits } from './format';
import type { DivergingData, DivergingKind } from './diverging';
import type { Column, Row } from './table';
import type { WaterfallBar } from './waterfall';

/** What customers do to MRR. */
export type Movement = Exclude<keyof Bridge, 'opening' | 'closing' | 'fx' | 'restatement'>;

export const MOVEMENTS: readonly { readonly key: Movement; readonly label: string; readonly sign: 1 | -1 }[] = [
  { key: 'new', label: 'New', sign: 1 },
  { key: 'expansion', label: 'Expansion', sign: 1 },
  { key: 'reactivation', label: 'Reactivation', sign: 1 },
  { key: 'contraction', label: 'Contraction', sign: -1 },
  { key: 'churn', label: 'Churn', sign: -1 },
];

type Entry = Exclude<keyof Bridge, 'opening' | 'closing'>;

const ENTRIES: readonly { readonly key: Entry; readonly label: string; readonly sign: 1 | -1; readonly always: boolean }[] = [
  ...MOVEMENTS.map((one) => ({ ...one, always: true })),
  { key: 'fx', label: 'Exchange rates', sign: 1, always: false },
  { key: 'restatement', label: 'Changes to past months', sign: 1, always: false },
];

const CAUSES: Record<string, string> = {
  new: 'New customer',
  price: 'Price changed',
  quantity: 'Seats or quantity',
  discount_end: 'Discount ended',
  plan: 'Plan changed',
  coupon: 'Discount given',
  trial_end: 'Trial became paid',
  cancel: 'Cancelled',
  payment_failed: 'Payment failed',
  pause: 'Paused',
  resume: 'Resumed',
  product_drop: 'One product dropped',
  cross_sell: 'Another product added',
  fx: 'Exchange rates',
  other: 'Other',
};

/** A cause as people say it. */
export function causeWords(cause: string): string {
  const words = cause.replaceAll('_', ' ');
  return CAUSES[cause] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

/** What an entry adds, signed: churn of 40 is -40. */
export const signed = (bridge: Bridge, key: Entry): string =>
  ENTRIES.find((one) => one.key === key)!.sign < 0 ? negate(bridge[key]) : bridge[key];

/** To the smallest coin, so that what stands on the page adds up to the last digit of it. */
export function settled(answer: BridgeAnswer): BridgeAnswer {
  const digits = minorDigits(answer.currency);
  const whole = settle(answer.bridge, digits);
  const parts = answer.parts;
  const shares = (key: keyof Bridge): string[] => apportioned(parts.map((part) => part.bridge[key]), whole[key], digits);
  const columns = Object.fromEntries((Object.keys(whole) as (keyof Bridge)[]).map((key) => [key, shares(key)])) as Record<keyof Bridge, string[]>;
  const causes = MOVEMENTS.flatMap(({ key }) => {
    const own = answer.causes.filter((one) => one.movement === key);
    const amounts = apportioned(own.map((one) => one.amount), whole[key], digits);
    return own.map((one, i) => ({ ...one, amount: amounts[i]! }));
  });
  return {
    ...answer,
    bridge: whole,
    causes,
    parts: parts.map((part, i) => ({ ...part, bridge: Object.fromEntries(Object.entries(columns).map(([key, all]) => [key, all[i]])) as unknown as Bridge })),
    buckets: answer.buckets.map((bucket) => ({ ...bucket, bridge: settle(bucket.bridge, digits) })),
  };
}

function settle(bridge: Bridge, digits: number): Bridge {
  const [opening, closing] = [round(bridge.opening, digits), round(bridge.closing, digits)];
  const moves = apportioned(ENTRIES.map(({ key }) => signed(bridge, key)), sum([closing, negate(opening)]), digits);
  const entries = ENTRIES.map(({ key, sign }, i) => [key, sign < 0 ? negate(moves[i]!) : moves[i]!]);
  return { opening, ...(Object.fromEntries(entries) as Omit<Bridge, 'opening' | 'closing'>), closing };
}

/** Opening, every movement, closing; each with its parts, and on hover what caused it. */
export function barsOf(answer: Pick<BridgeAnswer, 'bridge' | 'causes' | 'parts' | 'currency'>, names: { opening: string; closing: string }): WaterfallBar[] {
  const { bridge, causes, currency } = answer;
  const parts = answer.parts;
  const total = (key: 'opening' | 'closing'): WaterfallBar => ({
    key,
    label: names[key],
    value: bridge[key],
    kind: 'total',
    parts: parts.map((part) => ({ key: part.key, label: part.label, value: part.bridge[key] })),
  });
  const steps = ENTRIES.filter(({ key, always }) => always || !isZero(bridge[key])).map(({ key, label }): WaterfallBar => ({
    key,
    label,
    value: signed(bridge, key),
    kind: 'change',
    parts: parts.map((part) => ({ key: part.key, label: part.label, value: signed(part.bridge, key) })),
    notes: causesOf(causes, key, currency),
  }));
  return [total('opening'), ...steps, total('closing')];
}

function causesOf(causes: readonly Cause[], movement: string, currency: string): string[] {
  return causes
    .filter((one) => one.movement === movement)
    .map((one) => `${causeWords(one.cause)}: ${exact(one.amount, 'money', currency)}, ${people(one.customers)}`);
}

export const people = (count: number): string => `${exact(count, 'count')} ${count === 1 ? 'customer' : 'customers'}`;

/** The finding: what MRR did, and what did most of it. */
export function findingOf(bridge: Bridge, currency: string): string {
  const gain = sum([bridge.closing, negate(bridge.opening)]);
  const by = amount(gain)!;
  const said = change(bridge.closing, bridge.opening, 'money', 'up', currency);
  const percent = amount(bridge.opening) ? ` (${said.text.replace(/^[↑↓] /, '')})` : '';
  const most = ENTRIES.map(({ key, label }) => ({ label, value: amount(signed(bridge, key))! }))
    .filter(({ value }) => value !== 0 && Math.sign(value) === Math.sign(by))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))[0];
  const against = ENTRIES.map(({ key, label }) => ({ label, value: amount(signed(bridge, key))! }))
    .filter(({ value }) => value !== 0 && Math.sign(value) === -Math.sign(by))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))[0];
  if (by === 0) return isZero(bridge.opening) ? 'No MRR in these dates' : `MRR stayed at ${compact(bridge.closing, 'money', currency)}`;
  const size = compact(Math.abs(by), 'money', currency);
  const lead = by > 0 ? `MRR grew ${size}${percent}` : `MRR fell ${size}${percent}`;
  const why = most ? `, mostly ${phrase(most.label)} of ${compact(Math.abs(most.value), 'money', currency)}` : '';
  const other = against ? `; ${phrase(against.label)} ${by > 0 ? 'took' : 'brought'} ${compact(Math.abs(against.value), 'money', currency)}` : '';
  return lead + why + other;
}

const phrase = (label: string): string => (label === 'New' ? 'new business' : label.charAt(0).toLowerCase() + label.slice(1));

/** All of it in one sentence, for those who hear it. */
export function spokenBridge(bars: readonly WaterfallBar[], currency: string): string {
  const said = bars.map((bar) => `${bar.label} ${bar.kind === 'change' && amount(bar.value)! > 0 ? '+' : ''}${exact(bar.value, 'money', currency)}`);
  return `Monthly recurring revenue from opening to closing: ${said.join(', ')}.`;
}

/** A row a movement, a column for all and one for each part. */
export function bridgeTable(bars: readonly WaterfallBar[], currency: string): { columns: Column[]; rows: Row[] } {
  const parts = bars[0]?.parts ?? [];
  const money = (key: string, label: string): Column => ({ key, label, unit: 'money', currency });
  return {
    columns: [{ key: 'label', label: 'Movement' }, money('all', 'All'), ...parts.map((part, i) => money(`p${i}`, part.label))],
    rows: bars.map((bar) => {
      const row: Record<string, Value> = { key: bar.key, label: bar.label, all: bar.value };
      parts.forEach((part, i) => (row[`p${i}`] = bar.parts?.find((one) => one.key === part.key)?.value ?? null));
      return row;
    }),
  };
}

const STRENGTHS: Partial<Record<Entry, number>> = { new: 1, expansion: 0.65, reactivation: 0.35, contraction: 0.55, churn: 1 };

/** Gains and losses of each month, oldest first. */
export function monthsOf(buckets: readonly BridgeBucket[], currency: string): DivergingData {
  const used = ENTRIES.filter(({ key, always }) => always || buckets.some(({ bridge }) => !isZero(bridge[key])));
  return {
    kinds: used.map(({ key, label, sign, always }): DivergingKind => ({ key, label, tone: always ? (sign > 0 ? 'up' : 'down') : 'none', strength: STRENGTHS[key] ?? (key === 'fx' ? 1 : 0.6) })),
    columns: buckets.map(({ start, complete, bridge }) => ({ start, complete, values: used.map(({ key }) => signed(bridge, key)) })),
    unit: 'money',
    currency,
    grain: 'month',
  };
}

/** The table of bridges by month, newest first. */
export function monthsTable(buckets: readonly BridgeBucket[], currency: string): { columns: Column[]; rows: Row[] } {
  const used = ENTRIES.filter(({ key, always }) => always || buckets.some(({ bridge }) => !isZero(bridge[key])));
  const money = (key: string, label: string): Column => ({ key, label, unit: 'money', currency });
  return {
    columns: [
      { key: 'start', label: 'Month', text: (value) => bucketName(String(value), 'month') },
      money('opening', 'Opening'),
      ...used.map(({ key, label }) => money(key, label)),
      money('closing', 'Closing'),
      { key: 'complete', label: 'Complete', text: (value) => (value === 'no' ? 'Still running' : 'Yes') },
    ],
    rows: buckets.toReversed().map(({ start, complete, bridge }) => ({
      start,
      opening: bridge.opening,
      ...Object.fromEntries(used.map(({ key }) => [key, signed(bridge, key)])),
      closing: bridge.closing,
      complete: complete ? 'yes' : 'no',
    })),
  };
}
