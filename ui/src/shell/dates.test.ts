import { describe, expect, test } from 'vitest';
import {
  addDays,
  autoGrain,
  effectiveGrain,
  grainChoices,
  PRESETS,
  resolve,
  spanLabel,
  step,
  type Calendar,
  type Preset,
} from './dates';

// A Sunday, so that the first day of the week matters.
const calendar: Calendar = { today: '2026-11-22', weekStart: 0, firstDay: '2024-11-22' };

describe('resolve', () => {
  test.each<[Preset, string, string]>([
    ['today', '2026-11-22', '2026-11-23'],
    ['yesterday', '2026-11-21', '2026-11-22'],
    ['7d', '2026-11-16', '2026-11-23'],
    ['28d', '2026-10-26', '2026-11-23'],
    ['30d', '2026-10-24', '2026-11-23'],
    ['90d', '2026-08-25', '2026-11-23'],
    ['wtd', '2026-11-16', '2026-11-23'],
    ['mtd', '2026-11-01', '2026-11-23'],
    ['qtd', '2026-10-01', '2026-11-23'],
    ['ytd', '2026-01-01', '2026-11-23'],
    ['last-week', '2026-11-09', '2026-11-16'],
    ['last-month', '2026-10-01', '2026-11-01'],
    ['last-quarter', '2026-07-01', '2026-10-01'],
    ['12m', '2025-12-01', '2026-11-23'],
    ['all', '2024-11-22', '2026-11-23'],
  ])('%s', (preset, from, to) => {
    expect(resolve(preset, calendar)).toEqual({ from, to });
  });

  test('every preset was tried above', () => expect(PRESETS).toHaveLength(15));

  test('weeks may begin on Sunday', () => {
    expect(resolve('wtd', { ...calendar, weekStart: 6 }).from).toBe('2026-11-22');
  });

  test('over the turn of the year', () => {
    const january = { ...calendar, today: '2027-01-15' };
    expect(resolve('last-month', january)).toEqual({ from: '2026-12-01', to: '2027-01-01' });
    expect(resolve('last-quarter', january)).toEqual({ from: '2026-10-01', to: '2027-01-01' });
  });

  test('all time without data is today', () => {
    expect(resolve('all', { ...calendar, firstDay: null })).toEqual({ from: '2026-11-22', to: '2026-11-23' });
  });
});

describe('step', () => {
  test('days by their number, and back again to the preset', () => {
    const back = step('28d', -1, calendar);
    expect(back).toEqual({ from: '2026-09-28', to: '2026-10-26' });
    expect(step(back, 1, calendar)).toBe('28d');
  });

  test('today is followed by nothing', () => {
    expect(step('28d', 1, calendar)).toBe('28d');
    expect(step('today', -1, calendar)).toBe('yesterday');
    expect(step('yesterday', 1, calendar)).toBe('today');
  });

  test('months stay whole months, the running one ends today', () => {
    expect(step('mtd', -1, calendar)).toBe('last-month');
    expect(step('last-month', -1, calendar)).toEqual({ from: '2026-09-01', to: '2026-10-01' });
    expect(step('last-month', 1, calendar)).toBe('mtd');
    expect(step('last-quarter', 1, calendar)).toBe('qtd');
  });
});

const span = (length: number) => ({ from: '2026-01-01', to: addDays('2026-01-01', length) });

describe('bucket sizes', () => {
  test('automatic by length', () => {
    expect([1, 28, 90, 180, 365, 3000].map((length) => autoGrain(span(length)))).toEqual([
      'hour',
      'day',
      'day',
      'week',
      'month',
      'year',
    ]);
  });

  test('impossible ones say why', () => {
    const reasons = Object.fromEntries(grainChoices(span(28), ['day', 'week', 'month']).map((c) => [c.id, c.reason]));
    expect(reasons).toEqual({
      hour: 'This metric has no value by hour',
      day: '',
      week: '',
      month: 'These dates are one month or less',
      quarter: 'This metric has no value by quarter',
      year: 'This metric has no value by year',
    });
  });

  test('a wish that cannot be had falls back', () => {
    expect(effectiveGrain('hour', span(90), null)).toBe('day');
    expect(effectiveGrain('week', span(90), null)).toBe('week');
    expect(effectiveGrain('auto', span(1), ['day', 'week'])).toBe('day');
  });
});

test('dates say no more than is needed', () => {
  expect(spanLabel({ from: '2026-11-01', to: '2026-11-23' })).toBe('1 – 22 Nov 2026');
  expect(spanLabel({ from: '2026-10-26', to: '2026-11-23' })).toBe('26 Oct – 22 Nov 2026');
  expect(spanLabel({ from: '2025-12-01', to: '2026-11-23' })).toBe('1 Dec 2025 – 22 Nov 2026');
  expect(spanLabel({ from: '2026-11-22', to: '2026-11-23' })).toBe('22 Nov 2026');
});
