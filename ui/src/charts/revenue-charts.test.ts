import { fireEvent, render, screen } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import type { HeatCell } from '../core/heatmap';
import type { WaterfallBar } from '../core/waterfall';
import Diverging from './Diverging.svelte';
import Heatmap from './Heatmap.svelte';
import Waterfall from './Waterfall.svelte';

const part = (key: string, value: string): { key: string; label: string; value: string } => ({ key, label: key, value });
const bars: WaterfallBar[] = [
  { key: 'opening', label: 'MRR 31 Jan', value: '1000.00', kind: 'total', parts: [part('team', '700.00'), part('starter', '300.00')] },
  { key: 'new', label: 'New', value: '100.00', kind: 'change', parts: [part('team', '100.00')] },
  { key: 'churn', label: 'Churn', value: '-60.00', kind: 'change', parts: [part('team', '-45.00'), part('starter', '-15.00')], notes: ['Cancelled: $60.00, 2 customers'] },
  { key: 'closing', label: 'MRR 28 Feb', value: '1040.00', kind: 'total' },
];
const opens = (of: string): boolean => of === 'new' || of === 'churn';
type Open = (of: string, part: string | null) => void;
type Split = (key: string | null) => void;

beforeEach(() => {
  // There is no layout here, so the width that a page would measure is given.
  Object.defineProperty(HTMLElement.prototype, 'clientWidth', { configurable: true, get: () => 900 });
});

test('a bar says what it is and what a click does: a split first, its customers where there is nothing to split', async () => {
  const [onsplit, onopen] = [vi.fn<Split>(), vi.fn<Open>()];
  render(Waterfall, { bars, currency: 'USD', by: 'plan', summary: 'All of it', opens, onsplit, onopen });
  expect(screen.getByRole('img').getAttribute('aria-label')).toBe('All of it');
  await fireEvent.click(screen.getByRole('button', { name: 'Churn: −$60.00. Split by plan' }));
  expect(onsplit).toHaveBeenCalledExactlyOnceWith('churn');
  await fireEvent.click(screen.getByRole('button', { name: 'New: +$100.00. Show its customers' }));
  expect(onopen).toHaveBeenCalledExactlyOnceWith('new', null);
  await fireEvent.click(screen.getByRole('button', { name: 'MRR 28 Feb: $1,040.00' }));
  expect(onopen).toHaveBeenCalledOnce();
});

test('apart, each part leads to its customers, and Esc puts the bar together', async () => {
  const [onsplit, onopen] = [vi.fn<Split>(), vi.fn<Open>()];
  render(Waterfall, { bars, currency: 'USD', by: 'plan', split: 'churn', summary: '', opens, onsplit, onopen });
  const team = screen.getByRole('button', { name: 'team: −$45.00, 75.0% of Churn. Show its customers' });
  await fireEvent.click(team);
  expect(onopen).toHaveBeenCalledExactlyOnceWith('churn', 'team');
  await fireEvent.keyDown(team, { key: 'Escape' });
  expect(onsplit).toHaveBeenCalledExactlyOnceWith(null);
});

test('arrows go from bar to bar', async () => {
  render(Waterfall, { bars, currency: 'USD', summary: '', opens });
  const all = screen.getAllByRole('button');
  all[0]!.focus();
  await fireEvent.keyDown(all[0]!, { key: 'ArrowRight' });
  expect(document.activeElement).toBe(all[1]);
  await fireEvent.keyDown(all[1]!, { key: 'ArrowLeft' });
  await fireEvent.keyDown(all[0]!, { key: 'ArrowLeft' });
  expect(document.activeElement).toBe(all[0]);
});

test('what is looked at says what caused it', async () => {
  const { container } = render(Waterfall, { bars, currency: 'USD', by: 'plan', summary: '', opens, onsplit: () => undefined });
  await fireEvent.pointerEnter(screen.getByRole('button', { name: /^Churn/ }), { pointerType: 'mouse' });
  expect(container.querySelector('.tip')?.textContent).toContain('Cancelled: $60.00, 2 customers');
});

test('nothing at all says so in place of bars', () => {
  render(Waterfall, { bars: bars.map((bar) => ({ ...bar, value: '0.00' })), currency: 'USD', summary: '', emptyTitle: 'No MRR' });
  expect(screen.getByText('No MRR')).toBeTruthy();
});

const cohorts = {
  cohorts: [
    { start: '2026-09-01', size: 40, values: [1, 0.9, 0.85] },
    { start: '2026-10-01', size: 50, values: [1, 0.8, null] },
  ],
  mean: [1, 0.9, null],
  grain: 'month',
  unit: 'count',
  show: 'percent',
  today: '2026-11-22',
  title: 'Customers who stay',
} as const;

test('cohorts are a table; one field holds the focus, arrows move it where there is one, Enter opens it', async () => {
  const onopen = vi.fn<(cell: HeatCell, cohort: string) => void>();
  render(Heatmap, { ...cohorts, opens: () => true, onopen });
  expect(screen.getByRole('row', { name: /All, pooled 100% 90% –/ })).toBeTruthy();
  const fields = screen.getAllByRole('button');
  expect(fields.map((field) => field.tabIndex)).toEqual([0, -1, -1, -1, -1]);
  fields[0]!.focus();
  await fireEvent.keyDown(fields[0]!, { key: 'ArrowRight' });
  await fireEvent.keyDown(fields[1]!, { key: 'ArrowRight' });
  await fireEvent.keyDown(fields[2]!, { key: 'ArrowDown' }); // nothing there yet
  expect(document.activeElement).toBe(fields[2]);
  await fireEvent.keyDown(fields[2]!, { key: 'ArrowLeft' });
  await fireEvent.keyDown(fields[1]!, { key: 'ArrowDown' });
  expect(document.activeElement?.getAttribute('aria-label')).toContain('Began in October 2026, 1 month on: 80.0%, 40 of 50 customers');
  await fireEvent.click(document.activeElement!);
  expect(onopen.mock.calls[0]![1]).toBe('2026-10-01');
});

test('months of gains and losses are buttons that say all of it', async () => {
  const onpick = vi.fn<(start: string) => void>();
  render(Diverging, {
    kinds: [
      { key: 'new', label: 'New', tone: 'up', strength: 1 },
      { key: 'churn', label: 'Churn', tone: 'down', strength: 1 },
    ],
    columns: [{ start: '2026-10-01', complete: true, values: ['100.00', '-60.00'] }],
    unit: 'money',
    currency: 'USD',
    grain: 'month',
    title: 'By month',
    summary: 'Gains and losses',
    onpick,
  });
  await fireEvent.click(screen.getByRole('button', { name: 'October 2026: together +$40.00, New +$100.00, Churn −$60.00' }));
  expect(onpick).toHaveBeenCalledExactlyOnceWith('2026-10-01');
});
