import { expect, test } from 'vitest';
import type { Grain } from './data';
import { bucketName, dayAfter, dayOf, parseStart } from './dates';
import { timeTicks } from './ticks';

test('the wall time is drawn, wherever the reader sits', () => {
  expect(bucketName('2026-11-01T13:00:00-05:00', 'hour')).toBe('Sun 1 Nov 2026, 13:00');
  expect(bucketName('2026-11-01', 'day')).toBe('Sun 1 Nov 2026');
  expect(bucketName('2026-11-02', 'week')).toBe('Week of 2 Nov 2026');
  expect(bucketName('2026-10-01', 'quarter')).toBe('Q4 2026');
});

test('the hour that comes twice in autumn is two instants', () => {
  const summer = parseStart('2026-11-01T01:00:00-04:00');
  const winter = parseStart('2026-11-01T01:00:00-05:00');
  expect(summer.wall).toEqual(winter.wall);
  expect(winter.instant - summer.instant).toBe(3_600_000);
});

test('anything else is refused by name', () => {
  expect(() => parseStart('yesterday')).toThrow('not the start of a bucket: yesterday');
});

test.each([
  ['2026-11-01T13:00:00-05:00', 'hour', '2026-11-02'],
  ['2026-12-31', 'day', '2027-01-01'],
  ['2026-12-28', 'week', '2027-01-04'],
  ['2026-12-01', 'month', '2027-01-01'],
  ['2024-02-01', 'month', '2024-03-01'],
  ['2026-10-01', 'quarter', '2027-01-01'],
  ['2026-11-15', 'quarter', '2027-01-01'],
  ['2026-01-01', 'year', '2027-01-01'],
] as const)('a selection that ends with %s by %s ends before %s', (start, grain, end) => {
  expect(dayAfter(dayOf(start), grain)).toBe(end);
});

function labels(starts: readonly string[], grain: Grain, width: number): string[] {
  const x = starts.map((_, i) => ((i + 0.5) / starts.length) * width);
  return timeTicks(starts.map(parseStart), x, grain, 0, width, 12).map((tick) => tick.label);
}
const run = (first: string, n: number, days = 1): string[] =>
  Array.from({ length: n }, (_, i) => new Date(Date.parse(first) + i * days * 86_400_000).toISOString().slice(0, 10));

test('the finest regular choice that fits is named', () => {
  expect(labels(run('2026-11-01', 5), 'day', 600)).toEqual(['1 Nov', '2 Nov', '3 Nov', '4 Nov', '5 Nov']);
  expect(labels(run('2026-10-24', 30), 'day', 600)).toEqual(['26 Oct', '2 Nov', '9 Nov', '16 Nov']);
  expect(labels(run('2025-11-22', 365), 'day', 900)).toContain('2026');
  expect(labels(run('2025-11-24', 52, 7), 'week', 900)).toEqual(['Dec', '2026', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov']);
});

test('names never touch, whatever the width', () => {
  for (const width of [80, 120, 200, 340, 700, 1400]) {
    for (const n of [1, 2, 7, 30, 90, 365, 1200]) {
      const starts = run('2024-02-13', n);
      const x = starts.map((_, i) => ((i + 0.5) / n) * width);
      const ticks = timeTicks(starts.map(parseStart), x, 'day', 0, width, 12);
      ticks.slice(1).forEach((tick, i) => expect(tick.x - ticks[i]!.x).toBeGreaterThan(24));
    }
  }
});
