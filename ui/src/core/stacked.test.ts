import { expect, test } from 'vitest';
import { SCREEN_THEME } from '../tokens/tokens';
import type { Line, Value } from './data';
import { largest, REST, shares } from './stacked';
import { layoutTimeSeries } from './time-series';
import { tipOf } from './tooltip';

const line = (key: string, ...values: Value[]): Line => ({ key, label: key, points: values.map((value, i) => ({ start: `2026-11-0${i + 1}`, value, complete: true })) });

test('four get a colour, the others are one line that adds up exactly', () => {
  const made = largest(['a', 'b', 'c', 'd', 'e', 'f'].map((key, i) => line(key, '0.10', `${10 - i}.10`)), 4);
  expect(made.map((one) => one.key)).toEqual(['a', 'b', 'c', 'd', REST]);
  expect(made.at(-1)!.points.map((point) => point.value)).toEqual(['0.20', '11.20']);
  expect(made.at(-1)!.label).toBe('2 others');
});

test('one more than fits keeps its name', () => {
  expect(largest(['a', 'b', 'c'].map((key) => line(key, 1)), 2).map((one) => one.key)).toEqual(['a', 'b', 'c']);
});

test('each line stands on the one before, and the axis holds their sum', () => {
  const series = [line('a', '10', '20'), line('b', '30', null), line('c', null, '5')];
  const scene = layoutTimeSeries({ series, unit: 'money', grain: 'day', stacked: true }, 600, 300, SCREEN_THEME);
  const [a, b, c] = scene.lines.map((one) => one.at.map((point) => point.y!));
  expect(b![0]!).toBeLessThan(a![0]!);
  expect(b![1]).toBe(a![1]); // nothing known of it: no thickness
  expect(c![0]).toBe(b![0]);
  expect(scene.yTicks.at(-1)!.value).toBeGreaterThanOrEqual(40);
  expect(scene.lines.every((one) => one.area !== '')).toBe(true);
});

test('what is hardly below nothing gets no axis there; what is, does', () => {
  const lowest = (least: string): number => {
    const series = [line('a', '900', '800'), line('b', '5', least)];
    return layoutTimeSeries({ series, unit: 'money', grain: 'day', stacked: true }, 600, 300, SCREEN_THEME).yTicks[0]!.value;
  };
  expect(lowest('-808')).toBe(0);
  expect(lowest('-1100')).toBeLessThan(0);
});

test('a day of which nothing is known is a gap in all of them', () => {
  const series = [line('a', 1, 2, null, 4, 5), line('b', 1, 2, null, 4, 5)];
  const scene = layoutTimeSeries({ series, unit: 'count', grain: 'day', stacked: true }, 600, 300, SCREEN_THEME);
  expect(scene.lines[1]!.at.map((point) => point.y === null)).toEqual([false, false, true, false, false]);
  expect(scene.lines[1]!.area.match(/Z/g)).toHaveLength(2);
});

test('shares of a bucket make one, whatever the lines are, and none is told of nothing', () => {
  let seed = 7;
  const random = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let round = 0; round < 200; round += 1) {
    const lines = Array.from({ length: 1 + Math.floor(random() * 6) }, (_, i) => line(`l${i}`, ...Array.from({ length: 5 }, () => (random() < 0.2 ? null : random() < 0.2 ? '0.00' : (random() * 1000).toFixed(2)))));
    const made = shares(lines);
    for (let bucket = 0; bucket < 5; bucket += 1) {
      const whole = lines.reduce((all, one) => all + Number(one.points[bucket]!.value ?? 0), 0);
      const parts = made.map((one) => one.points[bucket]!.value).filter((value) => value !== null).map(Number);
      expect(parts.reduce((all, one) => all + one, 0)).toBeCloseTo(whole === 0 ? 0 : 1, 12);
      expect(parts.length === 0).toBe(whole === 0);
    }
  }
});

test('what adds up is told together', () => {
  const tip = tipOf({ series: [line('a', '0.10'), line('b', '0.20')], unit: 'money', currency: 'USD', grain: 'day', total: true }, '2026-11-01', []);
  expect(tip.rows.map((row) => [row.label, row.value])).toEqual([['a', '$0.10'], ['b', '$0.20'], ['Together', '$0.30']]);
});
