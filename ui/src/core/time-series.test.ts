import { expect, test } from 'vitest';
import { PRINT_THEME, SCREEN_THEME } from '../tokens/tokens';
import type { Line, Value } from './data';
import { hatchPath, linePath, thinned, type XY } from './path';
import { layoutSparkline } from './sparkline';
import { spread } from './spread';
import { fitText, textWidth } from './text';
import { bucketAt, bucketOf, layoutTimeSeries } from './time-series';

const day = (i: number): string => new Date(Date.UTC(2026, 10, 1 + i)).toISOString().slice(0, 10);
const line = (values: readonly Value[], key = '', running = false): Line => ({
  key,
  label: key || 'Revenue',
  points: values.map((value, i) => ({ start: day(i), value, complete: !(running && i === values.length - 1) })),
});
const lay = (series: readonly Line[], more = {}, width = 600, height = 200) =>
  layoutTimeSeries({ series, unit: 'count', grain: 'day', ...more }, width, height, SCREEN_THEME);

test('a gap is a gap, and a day between two gaps is a dot', () => {
  const scene = lay([line([1, 2, null, 4, null, 6, 7])]);
  expect(scene.lines[0]!.path.match(/M/g)).toHaveLength(3);
  expect(scene.lines[0]!.dots).toEqual([{ x: scene.x[3], y: scene.lines[0]!.at[3]!.y }]);
});

test('a target is a line of its own that the axis makes room for, named at its end', () => {
  const plain = lay([line([1, 2, 3])]);
  expect(plain.target).toBeNull();
  const scene = lay([line([1, 2, 3])], { target: { label: 'Goal 20', values: [{ start: day(0), value: 10 }, { start: day(1), value: 15 }, { start: day(2), value: 20 }, { start: day(9), value: 99 }] } });
  expect(scene.target!.path.startsWith(`M${scene.x[0]},`)).toBe(true);
  expect(scene.target!.x).toBe(scene.x[2]);
  expect(scene.target!.label).toBe('Goal 20');
  expect(scene.lines[0]!.at[2]!.y!).toBeGreaterThan(plain.lines[0]!.at[2]!.y!);
  expect(lay([line([1, 2])], { target: { label: 'Goal', values: [{ start: day(7), value: 1 }] } }).target).toBeNull();
});

test('zero stands on the axis and null nowhere', () => {
  const scene = lay([line([0, null, 10])]);
  expect(scene.lines[0]!.at[0]!.y).toBe(scene.baseline);
  expect(scene.lines[0]!.at[1]!.y).toBeNull();
});

test('the running bucket is hatched and its way is drawn apart', () => {
  const scene = lay([line([5, 6, 7, 3], '', true)]);
  const { path, running } = scene.lines[0]!;
  expect(running.startsWith(`M${scene.x[2]},`)).toBe(true);
  expect(path).not.toContain(String(scene.x[3]));
  expect(scene.hatch!.x).toBeGreaterThan(scene.x[2]!);
  expect(scene.hatch!.x + scene.hatch!.width).toBe(scene.right);
  expect(lay([line([5, 6, 7])]).hatch).toBeNull();
});

test('four lines have colours, the rest is grey, and hiding one changes no colour', () => {
  const series = ['a', 'b', 'c', 'd', 'e', 'f'].map((key, i) => line([i, i + 1, i + 2], key));
  const colours = lay(series).lines.map((l) => l.colour);
  expect(new Set(colours.slice(0, 4)).size).toBe(4);
  expect(colours.slice(4)).toEqual([SCREEN_THEME.colours.rest, SCREEN_THEME.colours.rest]);
  const fewer = lay(series, { hidden: new Set(['a', 'b']) });
  expect(fewer.lines.map((l) => l.colour)).toEqual(colours.slice(2));
});

test('a highlighted line sets the others back; one that is off sets back none', () => {
  const series = ['a', 'b', 'c'].map((key, i) => line([i, i + 1], key));
  expect(lay(series, { highlight: 'b' }).lines.map((l) => l.opacity)).toEqual([0.25, 1, 0.25]);
  expect(lay(series, { highlight: 'b', hidden: new Set(['b']) }).lines.map((l) => l.opacity)).toEqual([1, 1]);
});

test('names beside the lines stay apart and inside; without room there is a legend', () => {
  const series = Array.from({ length: 12 }, (_, i) => line([50, 50 + i / 10], `Product ${i}`));
  const wide = lay(series, {}, 900, 320);
  const ys = wide.labels.map((label) => label.y).sort((a, b) => a - b);
  ys.slice(1).forEach((y, i) => expect(y - ys[i]!).toBeGreaterThanOrEqual(15.9));
  expect(ys[0]).toBeGreaterThanOrEqual(wide.top);
  expect(ys.at(-1)).toBeLessThanOrEqual(wide.bottom);
  for (const label of wide.labels) expect(label.x + 6 + textWidth(label.text, 12, 600)).toBeLessThanOrEqual(900 + 4);
  expect(lay(series, {}, 280).needsLegend).toBe(true);
});

test('money strings are drawn at their value', () => {
  const scene = lay([line(['100.00', '200.00', '0.00'])], { unit: 'money', currency: 'USD' });
  const [a, b, c] = scene.lines[0]!.at.map((p) => p.y!);
  expect(c! - a!).toBeCloseTo(a! - b!, 0);
  expect(scene.yTicks.map((tick) => tick.label)).toEqual(['$0', '$50', '$100', '$150', '$200']);
});

test('the comparison stands beside the bucket of the same place', () => {
  const now = line([10, 20, 30]);
  const compared = { ...now, compare: line([10, 10, 10, 99]).points };
  const scene = lay([compared]);
  expect(scene.lines[0]!.compareAt).toEqual([scene.lines[0]!.at[0]!.y, scene.lines[0]!.at[0]!.y, scene.lines[0]!.at[0]!.y]);
});

test('both hours named 01:00 have their own place', () => {
  const starts = ['00:00:00-04:00', '01:00:00-04:00', '01:00:00-05:00', '02:00:00-05:00'].map((t) => `2026-11-01T${t}`);
  const scene = lay([{ key: '', label: '', points: starts.map((start) => ({ start, value: 1, complete: true })) }], { grain: 'hour' });
  const gaps = scene.x.slice(1).map((x, i) => Math.round(x - scene.x[i]!));
  expect(new Set(gaps).size).toBe(1);
});

test('a day finds the hour it begins with and an hour finds its day', () => {
  const days = lay([line([1, 2, 3])]);
  expect(bucketOf(days, '2026-11-02T13:00:00-05:00')).toBe(1);
  expect(bucketOf(days, '2026-10-31')).toBe(-1);
  expect(bucketOf(days, '2026-11-09')).toBe(-1);
  expect(bucketAt(days, days.x[2]! + 3)).toBe(2);
});

test('no data, no lines and one point are all drawable', () => {
  expect(lay([]).empty).toBe(true);
  expect(lay([line([null, null])]).empty).toBe(true);
  const one = lay([line([5])]);
  expect(one.empty).toBe(false);
  expect(one.lines[0]!.dots).toHaveLength(1);
  expect(lay([line([0, 0, 0])]).yTicks.map((tick) => tick.label)).toEqual(['0', '1']);
});

test('ten thousand points cost no more path than the pixels need, and keep their peaks', () => {
  const points = Array.from({ length: 10_000 }, (_, i) => ({ x: (i / 10_000) * 600, y: i === 5003 ? 0 : 100 + (i % 7) }));
  const kept = thinned(points);
  expect(kept.length).toBeLessThanOrEqual(4 * 601);
  expect(kept.some((p) => p.y === 0)).toBe(true);
  expect(linePath(points)).toBe(linePath(kept));
});

test('of every column of pixels the lowest and the highest point are drawn, and its ends', () => {
  let seed = 3;
  const random = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const column = (points: readonly XY[], at: number): readonly XY[] => points.filter((p) => Math.floor(p.x) === at);
  const extremes = (points: readonly XY[]): number[] => {
    const known = points.flatMap((p) => p.y ?? []);
    return known.length ? [Math.min(...known), Math.max(...known)] : [];
  };
  for (let round = 0; round < 40; round += 1) {
    const [n, width] = [200 + Math.floor(random() * 3000), 5 + Math.floor(random() * 40)];
    const points = Array.from({ length: n }, (_, i): XY => ({ x: 20 + (i / n) * width, y: random() < 0.1 ? null : random() * 300 }));
    const kept = thinned(points);
    for (let at = 20; at < 20 + width; at += 1) {
      const [all, some] = [column(points, at), column(kept, at)];
      expect(extremes(some)).toEqual(extremes(all));
      expect([some[0], some.at(-1)]).toEqual([all[0], all.at(-1)]);
      expect(some.length).toBeLessThanOrEqual(4);
    }
  }
});

test('nothing in a scene is NaN', () => {
  const scene = lay([line(['1e400', 'x', '-3.5', null], '', true)], { marks: [{ id: 'm', start: day(1), kind: 'alert', title: 'x' }] });
  expect(JSON.stringify(scene)).not.toMatch(/NaN|Infinity/);
});

test('an alert sits on its line, or on the axis when there are several and it names none', () => {
  const marks = [{ id: 'm', start: day(1), kind: 'alert', title: 'Low' }];
  expect(lay([line([1, 9, 1])], { marks }).marks[0]).toMatchObject({ index: 1, y: lay([line([1, 9, 1])], { marks }).lines[0]!.at[1]!.y });
  expect(lay([line([1, 2], 'a'), line([3, 4], 'b')], { marks }).marks[0]!.y).toBeNull();
  expect(lay([line([1, 2])], { marks: [{ ...marks[0], start: '2020-01-01' }] }).marks).toEqual([]);
});

test('what was expected of one bucket is as wide as the bucket, of several a band', () => {
  const scene = lay([line([1, 2, 20])], { expected: [{ start: day(2), low: 2, high: 5 }] });
  const [, left, top, right, bottom] = /^M([\d.]+),([\d.]+)H([\d.]+)V([\d.]+)/.exec(scene.expected)!.map(Number);
  expect((left! + right!) / 2).toBeCloseTo(scene.x[2]!, 0);
  expect(right! - left!).toBeCloseTo(scene.x[1]! - scene.x[0]!, 0);
  expect(top!).toBeLessThan(bottom!);
  expect(bottom!).toBeLessThan(scene.bottom);
  expect(lay([line([1, 2, 20])], { expected: [1, 2].map((n) => ({ start: day(n), low: 2, high: 5 })) }).expected).toMatch(/^M[\d.,L]+Z$/);
  expect(lay([line([1])], { expected: [{ start: '2020-01-01', low: 2, high: 5 }] }).expected).toBe('');
});

test('hatching stays in its box', () => {
  const numbers = [...hatchPath(100, 10, 20, 50).matchAll(/([\d.]+),([\d.]+)/g)];
  expect(numbers.length).toBeGreaterThan(10);
  for (const [, x, y] of numbers) {
    expect(Number(x)).toBeGreaterThanOrEqual(100);
    expect(Number(x)).toBeLessThanOrEqual(120);
    expect(Number(y)).toBeGreaterThanOrEqual(10);
    expect(Number(y)).toBeLessThanOrEqual(60);
  }
});

test('labels move as little as they must', () => {
  expect(spread([10, 50, 90], 16, 0, 100)).toEqual([10, 50, 90]);
  expect(spread([50, 50], 16, 0, 100)).toEqual([42, 58]);
  expect(spread([99, 100, 98], 16, 0, 100)).toEqual([84, 100, 68]);
});

test('text is cut with an ellipsis at the width given', () => {
  expect(fitText('Analytics Suite', 400, 12)).toBe('Analytics Suite');
  const cut = fitText('Analytics Suite', 60, 12);
  expect(cut).toMatch(/^Analyt.*…$/);
  expect(textWidth(cut, 12)).toBeLessThanOrEqual(60);
});

test('a sparkline ends in a dot, hollow while the bucket runs', () => {
  const scene = layoutSparkline({ values: [1, null, 3, 2], incompleteLast: true }, 100, 24, PRINT_THEME);
  expect(scene.end).toMatchObject({ x: 97, running: true });
  expect(scene.dots).toEqual([{ x: 1, y: 15 }]);
  expect(layoutSparkline({ values: [null, null] }, 100, 24, PRINT_THEME).end).toBeNull();
  expect(JSON.stringify(layoutSparkline({ values: [] }, 100, 24, PRINT_THEME))).not.toMatch(/NaN|null,null/);
});
