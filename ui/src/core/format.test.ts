import { describe, expect, test } from 'vitest';
import { axisFormat, change, compact, exact, short } from './format';

describe('short', () => {
  test.each([
    [0, '0'],
    [7, '7'],
    [999, '999'],
    [1000, '1k'],
    [1200, '1.2k'],
    [1234, '1.23k'],
    [2023, '2.02k'],
    [1999, '2.00k'],
    [9999, '10.0k'],
    [10_000, '10k'],
    [34_512, '34.5k'],
    [99_960, '100k'],
    [120_400, '120k'],
    [999_949, '1M'],
    [1_996, '2.00k'],
    [3_400_000, '3.4M'],
    [2_500_000_000, '2.5B'],
    [-1500, '−1.5k'],
    [0.25, '0.25'],
    [12.34, '12.3'],
  ])('%d is %s', (value, text) => expect(short(value)).toBe(text));
});

describe('exact', () => {
  test('money keeps the digits the server sent, beyond what a float holds', () => {
    expect(exact('90071992547409931234.56', 'money', 'USD')).toBe('$90,071,992,547,409,931,234.56');
  });
  test.each([
    ['1234.5', 'USD', '$1,234.50'],
    ['-1234.5', 'EUR', '−€1,234.50'],
    ['1234', 'JPY', '¥1,234'],
    ['1.2345', 'KWD', 'KWD\u00a01.234'],
    ['14939.37166665', 'USD', '$14,939.37'],
    ['-0.125', 'USD', '−$0.12'],
    ['12.5', 'JPY', '¥12.5'],
    ['-0.00', 'USD', '$0.00'],
    ['0012.50', 'GBP', '£12.50'],
    ['1000', 'CHF', 'CHF\u00a01,000.00'],
  ])('%s %s is %s', (value, currency, text) => expect(exact(value, 'money', currency)).toBe(text));
  test('counts are grouped, rates are percent, times are in words', () => {
    expect(exact(1234567, 'count')).toBe('1,234,567');
    expect(exact(0.08534, 'ratio')).toBe('8.53%');
    expect(exact(754, 'seconds')).toBe('12m 34s');
    expect(exact(93_784, 'seconds')).toBe('1d 2h');
  });
  test('what is not known is a dash, never zero', () => {
    for (const unit of ['money', 'count', 'ratio', 'number', 'seconds'] as const) {
      expect(exact(null, unit, 'USD')).toBe('–');
      expect(compact(null, unit, 'USD')).toBe('–');
      expect(exact(0, unit, 'USD')).not.toBe('–');
    }
  });
});

test('tiles are short, small money keeps its cents', () => {
  expect(compact('1284301.55', 'money', 'USD')).toBe('$1.28M');
  expect(compact('84.2', 'money', 'USD')).toBe('$84.20');
  expect(compact('900', 'money', 'USD')).toBe('$900');
  expect(compact(0.3421, 'ratio')).toBe('34.2%');
  expect([compact(1.1902, 'number'), exact(1.1902, 'number')]).toEqual(['1.2', '1.19']);
});

test('labels of one axis share their decimals', () => {
  const half = axisFormat(500, 1500, 'money', 'USD');
  expect([-500, 0, 500, 1000, 1500].map(half)).toEqual(['−$0.5k', '$0', '$0.5k', '$1.0k', '$1.5k']);
  const percent = axisFormat(0.2, 0.6, 'ratio');
  expect([0, 0.2, 0.4].map(percent)).toEqual(['0%', '20%', '40%']);
});

describe('change', () => {
  test('colour follows what is good for the metric, the sign says which way', () => {
    expect(change(110, 100, 'count', 'up')).toMatchObject({ text: '↑ +10.0%', tone: 'good', spoken: 'up 10.0%' });
    expect(change(110, 100, 'count', 'down')).toMatchObject({ text: '↑ +10.0%', tone: 'bad' });
    expect(change(90, 100, 'count', 'down')).toMatchObject({ text: '↓ −10.0%', tone: 'good' });
    expect(change(90, 100, 'count', 'none')).toMatchObject({ tone: 'none' });
  });
  test('rates change by percentage points', () => expect(change(0.342, 0.355, 'ratio', 'up').text).toBe('↓ −1.3 pp'));
  test('from nothing there is no percentage', () => expect(change('120.50', '0', 'money', 'up', 'USD').text).toBe('↑ +$120.50'));
  test('unknown is a dash, a hair is no change', () => {
    expect(change(null, 3, 'count', 'up')).toMatchObject({ text: '–', tone: 'none' });
    expect(change(48_210, 48_207, 'count', 'up')).toMatchObject({ text: '0%', tone: 'none', spoken: 'no change' });
  });
  test('from a loss to a gain is up', () => expect(change('50', '-100', 'money', 'up', 'USD').text).toBe('↑ +150%'));
});
