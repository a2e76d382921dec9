import { expect, test } from 'vitest';
import { heldOf, PARTS } from './traffic';

const answer = (total: unknown, ...values: unknown[]) => ({ series: [{ total, points: values.map((value) => ({ value })) }] });

test('the two parts share no figure, so that nothing can be added up', () => {
  const [here, google] = PARTS;
  expect(here!.metrics.filter((name) => google!.metrics.includes(name))).toEqual([]);
  expect(google!.metrics.every((name) => name.startsWith('ga4_'))).toBe(true);
});

test('a part holds something as soon as one figure does, and nothing only when all are known', () => {
  expect(heldOf([answer(0), null])).toBe('asked');
  expect(heldOf([answer(3), null])).toBe('something');
  expect(heldOf([answer(0, 0), answer(null, null)])).toBe('nothing');
  expect(heldOf([answer(null, 4, null)])).toBe('something'); // users of a day, which nobody can add up
});
