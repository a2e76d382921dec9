import { expect, test } from 'vitest';
import { find } from './find';

const entries = [
  { label: 'Home', hint: '', group: 'Page' },
  { label: 'Acme Mail', hint: 'mail', group: 'Product' },
  { label: 'Email clicks', hint: '', group: 'Metric' },
  { label: 'Mailbox size', hint: '', group: 'Metric' },
  { label: 'Signups', hint: 'Signup events.', group: 'Metric' },
];
const labels = (typed: string, most?: number): string[] => find(entries, typed, most).map((entry) => entry.label);

test('the beginning counts most, then the beginning of a word, then anywhere', () => {
  expect(labels('mail')).toEqual(['Mailbox size', 'Acme Mail', 'Email clicks']);
});

test('every word must stand somewhere', () => {
  expect(labels('acme product')).toEqual(['Acme Mail']);
  expect(labels('acme nothing')).toEqual([]);
});

test('nothing typed gives all in their order, no more than asked', () => {
  expect(labels('', 2)).toEqual(['Home', 'Acme Mail']);
});
