import { expect, test } from 'vitest';
import type { FeedEvent } from '../wire';
import { pulses } from './pulse';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const seen = (product: string, age: number): FeedEvent => ({
  product,
  type: 'signup',
  name: null,
  actor: null,
  value: 1,
  currency: null,
  at: new Date(NOW - age).toISOString(),
  country: null,
  plan: null,
});

test('each product has its minute, measured by the liveliest tick of all', () => {
  const found = pulses([seen('mail', 0), seen('mail', 2000), seen('docs', 4000), seen('mail', 70_000)], ['mail', 'docs', 'lab'], NOW);
  expect(found.get('mail')!.ticks.slice(-2)).toEqual([0, 1]);
  expect(found.get('docs')!.ticks.slice(-2)).toEqual([Math.SQRT1_2, 0]);
  expect(found.get('mail')!.ticks).toHaveLength(20);
  expect(found.get('lab')).toEqual({ ticks: Array.from({ length: 20 }, () => 0), last: null, now: false });
});

test('a beat is shown for a moment after the last event, clocks being a little apart', () => {
  const found = pulses([seen('mail', 1000), seen('mail', 9000), seen('docs', 5000), seen('desk', -300)], ['mail', 'docs', 'desk'], NOW);
  expect([...found.values()].map((pulse) => pulse.now)).toEqual([true, false, true]);
  expect(found.get('mail')!.last).toBe(new Date(NOW - 1000).toISOString());
});
