import { describe, expect, it } from 'vitest';
import type { Goal } from '../wire';
import { aimOf, goalOf, lags, meaningOf, paceLine, paceOf } from './goals';

const goal = (more: Partial<Goal> = {}): Goal => ({
  id: 'g',
  metric: 'mrr',
  product: '',
  since: '2026-11-01',
  by: '2026-11-30',
  unit: 'money',
  currency: 'USD',
  value: '120000.00',
  start: '60000.00',
  now: '88800.00',
  expected: '91900.00',
  gap: '3100.00',
  share: 0.7499,
  state: 'behind',
  sums: false,
  in_file: false,
  created_by: 'Ada',
  ...more,
});

describe('goals', () => {
  it('are said shortly, with how far they are', () => {
    expect(`${aimOf(goal(), '2026-11-10')}, ${paceOf(goal())}`).toBe('74% of $120k by 30 Nov, behind by $3.1k');
    expect(aimOf(goal({ unit: 'ratio', value: 0.05, share: null }), '2025-11-10')).toBe('5.0% by 30 Nov 2026');
    expect(paceOf(goal({ unit: 'count', gap: 9.2 }))).toBe('behind by 10');
    expect(paceOf(goal({ unit: 'ratio', gap: 0.004, state: 'missed' }))).toBe('missed by 0.4 pp');
    expect((['reached', 'on_pace', 'unknown'] as const).map((state) => paceOf(goal({ state })))).toEqual(['reached', 'on pace', 'nothing known yet']);
    expect([lags(goal()), lags(goal({ state: 'on_pace' }))]).toEqual([true, false]);
    expect(meaningOf(goal({ sums: true }))).toContain('from nothing on 1 Nov 2026');
  });

  it('belong to the figure of their metric and products', () => {
    const goals = [goal({ id: 'past', by: '2026-10-31' }), goal(), goal({ id: 'later', by: '2027-01-31' }), goal({ id: 'mail', product: 'mail' })];
    expect(goalOf(goals, 'mrr', [], '2026-11-10')?.id).toBe('g');
    expect(goalOf(goals, 'mrr', ['mail'], '2026-12-10')?.id).toBe('mail');
    expect(goalOf(goals, 'mrr', ['mail', 'docs'], '2026-11-10')).toBeNull();
    expect(goalOf(goals, 'arr', [], '2026-11-10')).toBeNull();
  });

  it('are a line from where they began to where they end, or what each bucket should add', () => {
    const days = ['2026-10-31', '2026-11-01', '2026-11-15', '2026-11-30', '2026-12-01'];
    expect(paceLine(goal(), days, 'day')).toEqual([
      { start: '2026-11-01', value: 62_000 },
      { start: '2026-11-15', value: 90_000 },
      { start: '2026-11-30', value: 120_000 },
    ]);
    const sums = goal({ sums: true, value: 300, start: 0 });
    expect(paceLine(sums, ['2026-10-26', '2026-11-02'], 'week')).toEqual([
      { start: '2026-10-26', value: 10 },
      { start: '2026-11-02', value: 70 },
    ]);
    expect(paceLine(goal({ start: null }), days, 'day')).toEqual([]);
    expect(paceLine(goal(), days, 'hour')).toEqual([]);
  });
});
