import { expect, test } from 'vitest';
import { isZero, negate, sum } from './decimal';

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
