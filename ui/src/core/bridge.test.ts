import { expect, test } from 'vitest';
import type { Bridge, BridgeAnswer } from '../wire';
import { barsOf, bridgeTable, causeWords, findingOf, monthsTable, settled, spokenBridge } from './bridge';
import { sum } from './decimal';

const bridge = (more: Partial<Bridge> = {}): Bridge => ({
  opening: '1000.00', new: '100.00', expansion: '50.00', reactivation: '0.00', contraction: '40.00', churn: '60.00', fx: '-5.00', restatement: '0.00', closing: '1045.00', ...more,
}); // prettier-ignore
const NAMES = { opening: 'MRR 31 Jan', closing: 'MRR 28 Feb' };
const answer = (more: Partial<BridgeAnswer> = {}): BridgeAnswer => ({
  currency: 'USD',
  policy: 'upwell',
  as_of: {},
  position: '',
  complete: true,
  provisional: false,
  bridge: bridge(),
  causes: [{ movement: 'churn', cause: 'payment_failed', amount: '60.00', customers: 1 }],
  cross: null,
  parts: [],
  buckets: [],
  closed: [],
  unconverted: [],
  apart: [],
  ...more,
});

test('the bars of a bridge add up, and what did not happen is left out', () => {
  const bars = barsOf(answer(), NAMES);
  expect(bars.map((one) => one.label)).toEqual(['MRR 31 Jan', 'New', 'Expansion', 'Reactivation', 'Contraction', 'Churn', 'Exchange rates', 'MRR 28 Feb']);
  expect(Number(sum(bars.slice(0, -1).map((one) => one.value)))).toBe(1045);
  expect(bars.find((one) => one.key === 'churn')!.notes).toEqual(['Payment failed: $60.00, 1 customer']);
});

test('what is shown adds up to the cent, whatever was rounded', () => {
  const odd = bridge({ opening: '14939.37166665', new: '2315.071883308', expansion: '844.595', reactivation: '262.50', contraction: '5801.03333334', churn: '789.83333332', fx: '-1.125981679', closing: '11769.545901619' });
  const third = (share: number): Bridge => Object.fromEntries(Object.entries(odd).map(([key, value]) => [key, (Number(value) * share).toFixed(12)])) as unknown as Bridge;
  const made = settled(answer({ bridge: odd, parts: [0.5, 0.3, 0.2].map((share) => ({ key: String(share), label: '', bridge: third(share) })), buckets: [{ start: '2026-01-01', complete: true, bridge: odd }] }));
  const bars = barsOf(made, NAMES);
  expect(bars.at(-1)!.value).toBe('11769.55');
  expect(sum(bars.slice(0, -1).map((one) => one.value))).toBe('11769.55');
  for (const one of bars) expect(sum(one.parts!.map((part) => part.value))).toBe(one.value);
  expect(made.buckets[0]!.bridge).toEqual(made.bridge);
});

test('each part has its own sign of each movement', () => {
  const parts = [{ key: 'team', label: 'Team', bridge: bridge({ churn: '25.00' }) }];
  const churn = barsOf(answer({ parts }), NAMES).find((one) => one.key === 'churn')!;
  expect(churn.parts).toEqual([{ key: 'team', label: 'Team', value: '-25.00' }]);
});

test('the title says what happened and what did most of it', () => {
  expect(findingOf(bridge(), 'USD')).toBe('MRR grew $45 (+4.5%), mostly new business of $100; churn took $60');
  expect(findingOf(bridge({ new: '0.00', expansion: '0.00', closing: '895.00' }), 'USD')).toBe('MRR fell $105 (−10.5%), mostly churn of $60');
  expect(findingOf(bridge({ opening: '0.00', expansion: '0', contraction: '0', churn: '0', fx: '0', closing: '100.00' }), 'USD')).toBe('MRR grew $100, mostly new business of $100');
  const nothing = bridge({ opening: '0.00', new: '0.00', expansion: '0', contraction: '0', churn: '0', fx: '0', closing: '0.00' });
  expect(findingOf(nothing, 'USD')).toBe('No MRR in these dates');
  expect(findingOf({ ...nothing, opening: '10.00', closing: '10.00' }, 'USD')).toBe('MRR stayed at $10');
});

test('who hears it hears every bar', () => {
  expect(spokenBridge(barsOf(answer(), NAMES), 'USD')).toBe(
    'Monthly recurring revenue from opening to closing: MRR 31 Jan $1,000.00, New +$100.00, Expansion +$50.00, Reactivation $0.00, Contraction −$40.00, Churn −$60.00, Exchange rates −$5.00, MRR 28 Feb $1,045.00.',
  );
});

test('the table holds the digits that came', () => {
  const parts = [{ key: 'team', label: 'Team', bridge: bridge() }];
  const { columns, rows } = bridgeTable(barsOf(answer({ parts }), NAMES), 'USD');
  expect(columns.map((column) => column.label)).toEqual(['Movement', 'All', 'Team']);
  expect(rows.at(-1)).toEqual({ key: 'closing', label: 'MRR 28 Feb', all: '1045.00', p0: '1045.00' });
  const months = monthsTable([{ start: '2026-01-01', complete: true, bridge: bridge() }, { start: '2026-02-01', complete: false, bridge: bridge() }], 'USD');
  expect(months.rows.map((row) => [row.start, row.churn, row.complete])).toEqual([['2026-02-01', '-60.00', 'no'], ['2026-01-01', '-60.00', 'yes']]);
});

test('a cause that nobody foresaw is still said in words', () => {
  expect([causeWords('trial_end'), causeWords('moved_abroad')]).toEqual(['Trial became paid', 'Moved abroad']);
});
