import { expect, test } from 'vitest';
import { apportioned, isZero, negate, round, sum } from './decimal';

test('sums are exact where binary numbers are not', () => {
  expect(sum(['0.10', '0.20'])).toBe('0.30');
  expect(sum(['9007199254740993.01', '-0.005'])).toBe('9007199254740993.005');
  expect(sum(['1', '-1.00'])).toBe('0.00');
  expect(sum(['-0.25', '0.10'])).toBe('-0.15');
  expect(sum([])).toBe('0');
});

test('what is no decimal is refused, not counted as nothing', () => {
  expect(() => sum(['1', ''])).toThrow('not a decimal');
  expect(() => sum(['1e3'])).toThrow('not a decimal');
});

test('nothing has no sign', () => {
  expect([negate('0.00'), negate('-3.50'), negate('3.50'), negate('+1')]).toEqual(['0.00', '3.50', '-3.50', '-1']);
  expect([isZero('0'), isZero('-0.00'), isZero('0.01')]).toEqual([true, true, false]);
});

test('a half goes to the even digit, and what is short stays so', () => {
  expect(['0.125', '0.135', '-0.125', '2.5', '1.005'].map((value) => round(value, 2))).toEqual(['0.12', '0.14', '-0.12', '2.5', '1.00']);
  expect(round('99.999', 2)).toBe('100.00');
  expect(round('0.5', 0)).toBe('0');
});

test('rounded parts add up to the rounded whole', () => {
  // Three items of $1,000 a year: 83.33 each would be 249.99.
  expect(apportioned(['83.333333', '83.333333', '83.333334'], '250.000000', 2)).toEqual(['83.33', '83.33', '83.34']);
  expect(apportioned(['-0.005', '0.004', '0.001'], '0.000', 2)).toEqual(['0.00', '0.00', '0.00']);
  expect(apportioned(['1.00', '2'], '3.00', 2)).toEqual(['1.00', '2']);
});

test('parts that never added up are rounded one by one', () => {
  expect(apportioned(['10.006', '5.001'], '1.00', 2)).toEqual(['10.01', '5.00']);
});
