import { expect, test } from 'vitest';
import type { FunnelStep } from '../wire';
import { SCREEN_THEME } from '../tokens/tokens';
import { flowHeight, flowTable, funnelSentence, layoutFlow, stepTable, traced, type FlowData } from './flow';

const step = (label: string, count: number, rest: Partial<FunnelStep> = {}): FunnelStep => ({
  label, count, conversion: count / 5, step_conversion: 1, matured_conversion: count / 5, mean_seconds: null, median_seconds: null, open: 0, dropped: 0, ...rest,
}); // prettier-ignore

// Five users: one by B1 and one by B2 reach C, one more came to C by B1, one left after B2 and one after A.
const data: FlowData = {
  steps: [step('A', 5), step('B1 or B2', 4), step('C', 3)],
  nodes: [
    { id: '1.0', step: 1, label: 'A', count: 5, dropped: 1, open: 0 },
    { id: '2.1', step: 2, label: 'B1', count: 2, dropped: 0, open: 0 },
    { id: '2.2', step: 2, label: 'B2', count: 2, dropped: 0, open: 1 },
    { id: '3.3', step: 3, label: 'C', count: 3, dropped: 0, open: 0 },
  ],
  links: [
    { source: '1.0', target: '2.1', count: 2, median_seconds: 60 },
    { source: '1.0', target: '2.2', count: 2, median_seconds: 90 },
    { source: '2.1', target: '3.3', count: 2, median_seconds: 30 },
    { source: '2.2', target: '3.3', count: 1, median_seconds: 45 },
  ],
};
const scene = layoutFlow(data, 900, 400, SCREEN_THEME);

const thick = (side: 'source' | 'target', id: string): number => scene.bands.filter((band) => band[side] === id).reduce((sum, band) => sum + band.thick, 0);
const height = (id: string): number => scene.boxes.find((box) => box.id === id)!.height;

test.each(['1.0', '2.1', '2.2'])('what leaves box %s is as thick as the box', (id) => expect(thick('source', id)).toBeCloseTo(height(id), 0));
test.each(['2.1', '2.2', '3.3', 'left/1', 'open/2'])('what comes into box %s is as thick as the box', (id) => expect(thick('target', id)).toBeCloseTo(height(id), 0));

test('who left and who may still come end in boxes of their own', () => {
  expect(scene.boxes.filter(({ kind }) => kind !== 'node').map(({ id, kind, value }) => [id, kind, value])).toEqual([
    ['left/1', 'left', '1'],
    ['open/2', 'open', '1'],
  ]);
});

test('nothing overlaps, nothing leaves the picture', () => {
  for (let column = 0; column < 3; column += 1) {
    const boxes = scene.boxes.filter(({ x }) => x === scene.heads[column]!.x).sort((a, b) => a.y - b.y);
    boxes.slice(1).forEach((box, i) => expect(box.y).toBeGreaterThan(boxes[i]!.y + boxes[i]!.height));
    for (const box of boxes) expect(box.y + box.height).toBeLessThanOrEqual(400);
  }
  expect(new Set(scene.items.map(({ id }) => id)).size).toBe(scene.items.length);
});

test('a rare branch keeps its width, and its words their room', () => {
  const rare: FlowData = {
    ...data,
    nodes: data.nodes.map((node) => ({ ...node, count: node.id === '2.2' ? 1 : node.count * 1000, dropped: 0, open: 0 })),
    links: data.links.map((link) => ({ ...link, count: link.source === '2.2' || link.target === '2.2' ? 1 : 2000 })),
  };
  const drawn = layoutFlow(rare, 900, 400, SCREEN_THEME);
  const small = drawn.boxes.find(({ id }) => id === '2.2')!;
  expect(small.height).toBe(1.5);
  const below = drawn.boxes.filter(({ x, y }) => x === small.x && y > small.y);
  for (const box of below) expect(box.y - small.y).toBeGreaterThanOrEqual(24);
});

test('a route is traced back to the start and forth to the end', () => {
  expect([...traced(scene.bands, '2.1')].sort()).toEqual(['1.0', '1.0>2.1', '2.1', '2.1>3.3', '3.3']);
  expect([...traced(scene.bands, '2.2>open/2')].sort()).toEqual(['1.0', '1.0>2.2', '2.2', '2.2>open/2', 'open/2']);
});

test('the table holds every user of each box once', () => {
  const { rows } = flowTable(data);
  expect(rows.map(({ from, to, count }) => [from, to, count])).toEqual([
    ['A', 'B1', 2], ['A', 'B2', 2], ['A', 'Went no further', 1],
    ['B1', 'C', 2], ['B2', 'C', 1], ['B2', 'May still go on', 1], ['C', 'Did every step', 3],
  ]); // prettier-ignore
  expect(stepTable(data.steps).rows).toHaveLength(3);
});

test('a box says what happened to its users', () => {
  expect(scene.items.find(({ id }) => id === '2.2')!.spoken).toBe('2. B2: 2 users, 40.0% of all who entered, 0 went no further, 1 may still go on');
  expect(scene.items.find(({ id }) => id === '1.0>2.1')!.spoken).toBe('A → B1: 2 users, 40.0% of 5 users there, 1m 00s median time');
});

test('one sentence says where most leave', () => {
  expect(funnelSentence(data)).toBe('3 of 5 users did all 3 steps, 60.0%; most leave after A: 1, 20.0% of those there.');
  const nodes = data.nodes.map((node) => (node.id === '2.1' ? { ...node, count: 3, dropped: 2 } : node));
  expect(funnelSentence({ ...data, nodes })).toBe('3 of 5 users did all 3 steps, 60.0%; most leave after B1: 2, 66.7% of those there (after B2 0.0%).');
  expect(funnelSentence({ steps: [step('A', 0)], nodes: [], links: [] })).toBe('Nobody did the first step in these dates.');
});

test('nobody, nothing drawn', () => {
  expect(layoutFlow({ steps: [step('A', 0), step('B', 0)], nodes: [], links: [] }, 600, 300, SCREEN_THEME)).toMatchObject({ empty: true, boxes: [], bands: [] });
});

test('a column of many boxes makes the picture higher, few leave it as it is', () => {
  expect(flowHeight(data, 500)).toBe(500);
  const many = { ...data, nodes: [...data.nodes, ...Array.from({ length: 8 }, (_, i) => ({ id: `2.${i + 9}`, step: 2, label: 'x', count: 1, dropped: 0, open: 0 }))] };
  expect(flowHeight(many, 500)).toBe(68 + 11 * 42 + 220);
});

test('after an optional step the share is of the step that had to be done', () => {
  const shares = (steps: FunnelStep[]): string[] => layoutFlow({ ...data, steps }, 900, 400, SCREEN_THEME).heads.map(({ share }) => share);
  expect(shares([step('A', 5), step('B', 4, { step_conversion: 0.8 }), step('C', 3, { step_conversion: 0.75 })])).toEqual(['entered', '80.0% of 5', '60.0%, 75.0% of step 2']);
  expect(shares([step('A', 5), step('B', 2, { step_conversion: 0.4 }), step('C', 3, { step_conversion: 0.6 })])).toEqual(['entered', '40.0% of 5', '60.0% of 5']);
});
