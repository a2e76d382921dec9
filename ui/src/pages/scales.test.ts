import { expect, test } from 'vitest';
import { scaled } from './scales';

const lines = [
  [10, 20, null],
  [1, 3, 2],
];

test('on its own scale every line is left as it is', () => {
  expect(scaled(lines, 'own')).toEqual({ lines, domain: null });
});

test('one scale reaches from nothing to the largest of all', () => {
  expect(scaled(lines, 'one')).toEqual({ lines, domain: [0, 20] });
  expect(scaled([[-5, 5]], 'one').domain).toEqual([-5, 5]);
});

test('an index begins at 100 where the line first has something', () => {
  expect(scaled([[null, 0, 4, 6], ...lines], 'index')).toEqual({
    lines: [
      [null, 0, 100, 150],
      [100, 200, null],
      [100, 300, 200],
    ],
    domain: [0, 300],
  });
  expect(scaled([[null, 0]], 'index').lines).toEqual([[null, null]]);
});
