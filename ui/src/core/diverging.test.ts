import { expect, test } from 'vitest';
import { SCREEN_THEME } from '../tokens/tokens';
import { layoutDiverging, type DivergingData } from './diverging';

const DATA: DivergingData = {
  kinds: [
    { key: 'new', label: 'New', tone: 'up', strength: 1 },
    { key: 'expansion', label: 'Expansion', tone: 'up', strength: 0.65 },
    { key: 'churn', label: 'Churn', tone: 'down', strength: 1 },
  ],
  columns: [
    { start: '2026-09-01', complete: true, values: ['100.00', '50.00', '-60.00'] },
    { start: '2026-10-01', complete: true, values: ['0.00', '0.00', '-90.10'] },
    { start: '2026-11-01', complete: false, values: ['20.00', '0.00', '0.00'] },
  ],
  unit: 'money',
  currency: 'USD',
  grain: 'month',
};
const scene = layoutDiverging(DATA, 600, 300, SCREEN_THEME);
const block = (key: string): (typeof scene.blocks)[number] => scene.blocks.find((one) => one.key === key)!;

test('gains stand on the line and on each other, losses hang from it', () => {
  const [fresh, more, lost] = [block('2026-09-01/new'), block('2026-09-01/expansion'), block('2026-09-01/churn')];
  expect(fresh.y + fresh.height).toBeCloseTo(scene.baseline, 0);
  expect(more.y + more.height).toBeCloseTo(fresh.y, 0);
  expect(lost.y).toBe(scene.baseline);
  expect(fresh.height / more.height).toBeCloseTo(2, 1);
});

test('what did not happen is not drawn', () => {
  expect(scene.blocks.map((one) => one.key)).toEqual(['2026-09-01/new', '2026-09-01/expansion', '2026-09-01/churn', '2026-10-01/churn', '2026-11-01/new']);
});

test('each bucket says what it comes to, to the last digit', () => {
  expect(scene.columns.map((column) => column.net)).toEqual(['+$90.00', '−$90.10', '+$20.00']);
  expect(scene.columns[0]!.spoken).toBe('September 2026: together +$90.00, New +$100.00, Expansion +$50.00, Churn −$60.00');
  expect(scene.columns[2]!.spoken).toContain('not all of this');
  expect(scene.hatch).not.toBe('');
});

test('all of it stays inside, and nothing is said so', () => {
  for (const one of scene.blocks) {
    expect(one.y).toBeGreaterThanOrEqual(0);
    expect(one.y + one.height).toBeLessThanOrEqual(scene.bottom + 0.1);
    expect(one.x + one.width).toBeLessThanOrEqual(600);
  }
  expect(layoutDiverging({ ...DATA, columns: [] }, 600, 300, SCREEN_THEME).empty).toBe(true);
});
