import { expect, test } from 'vitest';
import { comparing } from './words';

test('a comparison is named by its words, or by its days', () => {
  expect(comparing('previous')).toMatchObject({ label: 'vs previous', against: 'the period before' });
  expect(comparing('2026-01-01..2026-02-01')).toEqual({ label: 'vs 1 – 31 Jan 2026', long: '1 – 31 Jan 2026', against: '1 – 31 Jan 2026' });
});
