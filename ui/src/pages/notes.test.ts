import { expect, test } from 'vitest';
import type { Annotation } from '../wire';
import { marksOf } from './notes';

function note(day: string, more: Partial<Annotation> = {}): Annotation {
  return {
    id: day,
    kind: 'note',
    at: `${day}T12:00:00Z`,
    day,
    title: 'Prices',
    text: 'New ones.',
    products: [],
    created_at: `${day}T12:00:00Z`,
    created_by: 'Ann',
    ...more,
  };
}

test('a chart has the notes of its days: from the first, before the last', () => {
  const notes = ['2026-10-31', '2026-11-01', '2026-11-30', '2026-12-01'].map((day) => note(day));
  expect(marksOf(notes, [], '2026-11-01', '2026-12-01').map((mark) => mark.start)).toEqual(['2026-11-01', '2026-11-30']);
});

test('of its products, of several, or of the whole company', () => {
  const notes = [note('2026-11-01'), note('2026-11-02', { products: ['mail'] }), note('2026-11-03', { products: ['mail', 'docs'] })];
  const starts = (products: string[]): string[] => marksOf(notes, products, '2026-11-01', '2026-12-01').map((mark) => mark.start.slice(8));
  expect(starts([])).toEqual(['01', '02', '03']);
  expect(starts(['docs'])).toEqual(['01', '03']);
  expect(starts(['pay'])).toEqual(['01']);
});

test('says of what kind it is, but not that a note is one', () => {
  const notes = [note('2026-11-01'), note('2026-11-02', { kind: 'release', title: '4.2' })];
  expect(marksOf(notes, [], '2026-11-01', '2026-12-01').map((mark) => mark.title)).toEqual(['Prices', 'Release: 4.2']);
});
