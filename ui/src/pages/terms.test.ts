import { expect, test } from 'vitest';
import { knownDay, shortDay, termsOf } from './terms';

test('known on a day is what was known when it ended, where the workspace is', () => {
  expect(termsOf({ known: '2026-02-03' }, 'America/New_York', '2026-11-22')).toEqual({ known_at: '2026-02-04T05:00:00.000Z' });
  // Summer time began on 8 March, ended on 1 November.
  expect(termsOf({ known: '2026-03-08' }, 'America/New_York', '2026-11-22').known_at).toBe('2026-03-09T04:00:00.000Z');
  expect(termsOf({ known: '2026-10-31', rules: 'stripe' }, 'America/New_York', '2026-11-22')).toEqual({ policy: 'stripe', known_at: '2026-11-01T04:00:00.000Z' });
  expect(termsOf({ known: '2026-06-01' }, 'Asia/Kolkata', '2026-11-22').known_at).toBe('2026-06-01T18:30:00.000Z');
});

test('today and what is no day are not another time', () => {
  for (const known of ['2026-11-22', '2027-01-01', '2026-02-30', 'yesterday', '']) expect(knownDay({ known }, '2026-11-22')).toBe('');
  expect(termsOf({}, 'UTC', '2026-11-22')).toEqual({});
});

test('a day in few words', () => {
  expect([shortDay('2026-02-03', '2026-11-22'), shortDay('2025-12-31', '2026-11-22')]).toEqual(['3 Feb', '31 Dec 2025']);
});

test('where nothing is converted, the address says which currency is shown', () => {
  expect(termsOf({ in: 'EUR', rules: 'stripe' }, 'UTC', '2026-11-22')).toEqual({ policy: 'stripe', currency: 'EUR' });
});
