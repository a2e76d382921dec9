import { expect, test } from 'vitest';
import type { Close, Closes } from '../wire';
import { closable, closedBy, closeOf } from './closes';

const close = (month: string, more: Partial<Close> = {}): Close => ({ month, closed_at: '2026-11-03T10:00:00Z', by: 'Ada', itself: false, ...more });
const closes = (all: Close[], next: string | null): Closes => ({ closes: all, next, kept: false, after_days: null, position: '' });

test('a close holds for its month and those before it that no earlier one closed', () => {
  const all = [close('2026-08'), close('2026-10', { by: 'Grace' })];
  expect([closeOf(all, '2026-07')?.by, closeOf(all, '2026-09')?.by, closeOf(all, '2026-11')]).toEqual(['Ada', 'Grace', undefined]);
});

test('what can be closed lies after what is', () => {
  expect(closable(closes([close('2025-11')], '2026-01'))).toEqual(['2026-01', '2025-12']);
  expect(closable(closes([], '2026-01'), 3)).toEqual(['2026-01', '2025-12', '2025-11']);
  expect(closable(closes([close('2026-01')], null))).toEqual([]);
});

test('who closed it', () => {
  expect([closedBy(close('2026-01')), closedBy(close('2026-01', { by: '', itself: true })), closedBy(close('2026-01', { by: '' }))]).toEqual(['by Ada', 'by itself', 'by a command']);
});
