import { expect, test } from 'vitest';
import { LIGHT } from '../tokens/tokens';
import { aheadText, cohortTable, comparable, layoutHeatmap, setBeside, type HeatmapData } from './heatmap';

const DATA: HeatmapData = {
  cohorts: [
    { start: '2026-09-01', size: 40, values: [1, 0.9, 0.85] },
    { start: '2026-10-01', size: 50, values: [1, 0.8, null] },
    { start: '2026-11-01', size: 8, values: [1, null, null] },
  ],
  mean: [1, 0.9, null],
  grain: 'month',
  unit: 'count',
  show: 'percent',
  today: '2026-11-22',
};

test('a field says its share, its people and its month', () => {
  const scene = layoutHeatmap(DATA, LIGHT);
  const field = scene.rows[0]!.cells[1]!;
  expect([field.text, field.from, field.to]).toEqual(['90%', '2026-10-01', '2026-11-01']);
  expect(field.spoken).toBe('Began in September 2026, 1 month on: 90.0%, 36 of 40 customers');
  expect(scene.rows.map((row) => [row.name, row.size])).toEqual([['Sep 2026', '40'], ['Oct 2026', '50'], ['Nov 2026', '8']]);
});

test('what is not there yet is empty, what still runs is marked', () => {
  const scene = layoutHeatmap(DATA, LIGHT);
  expect(scene.rows.map((row) => row.cells.map((field) => (field ? field.running : null)))).toEqual([[false, false, true], [false, true, null], [true, null, null]]);
  expect(scene.rows[1]!.cells[1]!.spoken).toContain('still running');
  expect(scene.mean.map((one) => one.text)).toEqual(['100%', '90%', '–']);
});

test('a month that still runs has its place before it has a value', () => {
  const scene = layoutHeatmap({ ...DATA, cohorts: [{ start: '2026-09-01', size: 40, values: [1, 0.9, null] }, { start: '2026-10-01', size: 9, values: [1, null, null] }, { start: '2026-11-01', size: 8, values: [null, null, null] }] }, LIGHT);
  expect(scene.columns).toEqual(['0', '1', '2']);
  expect(scene.rows.map((row) => row.cells.map((field) => field && [field.text, field.running]))).toEqual([
    [['100%', false], ['90%', false], ['', true]],
    [['100%', false], ['', true], null],
    [['', true], null, null],
  ]);
});

test('time that runs from the moment of each is marked until it is over for all', () => {
  const days = { ...DATA, grain: 'day', cohorts: [{ start: '2026-11-18', size: 9, values: [1, 0.5, 0.4, 0.3, null] }, { start: '2026-11-19', size: 5, values: [1, 0.2, null, null, null] }, { start: '2026-11-20', size: 0, values: [null, null, null, null, null] }] } as const;
  const marks = layoutHeatmap(days, LIGHT).rows.map((row) => row.cells.map((field) => field && (field.text || 'runs')));
  expect(marks).toEqual([
    ['100%', '50%', '40%', '30%', 'runs'],
    ['100%', '20%', 'runs', 'runs', null],
    [null, null, 'runs', null, null],
  ]);
});

test('revenue may pass all of it, and the deepest colour is the most', () => {
  const scene = layoutHeatmap({ ...DATA, unit: 'money', currency: 'USD', cohorts: [{ start: '2026-09-01', size: '1000.00', values: [1, 0.5, 1.3] }] }, LIGHT);
  const [, least, most] = scene.rows[0]!.cells;
  expect([least!.fill, most!.fill]).toEqual([LIGHT.heat[0], LIGHT.heat[5]]);
  expect(most!.spoken).toContain('130%, $1,300.00 of $1,000.00');
});

test('absolute: whole people, money in short', () => {
  expect(layoutHeatmap({ ...DATA, show: 'absolute' }, LIGHT).rows[0]!.cells.map((field) => field?.text)).toEqual(['40', '36', '34']);
});

test('no cohorts is no picture', () => {
  expect(layoutHeatmap({ ...DATA, cohorts: [], mean: [] }, LIGHT)).toMatchObject({ empty: true, rows: [] });
  const dead = layoutHeatmap({ ...DATA, cohorts: [{ start: '2026-09-01', size: 0, values: [null] }], mean: [null] }, LIGHT);
  expect(dead.empty).toBe(true);
});

test('the table and the sentence', () => {
  const { columns, rows } = cohortTable(DATA);
  expect(columns.map((column) => column.label)).toEqual(['Began in', 'Customers', '0', '1', '2']);
  expect(rows.map((row) => row.k1)).toEqual([0.9, 0.9, 0.8, null]);
  expect(cohortTable({ ...DATA, show: 'absolute' }).rows.map((row) => row.k1)).toEqual([36, 40, null]);
  expect(layoutHeatmap(DATA, LIGHT).summary).toBe('Retention of customers for 3 cohorts by month: on the whole 90% after 1 month remain.');
});

test('a cohort is set beside the one before it', () => {
  const cohorts = [
    { start: '2026-02-01', size: 100, values: [1, 0.4, 0.3, 0.2] },
    { start: '2026-03-01', size: 80, values: [1, 0.45, 0.28, null] },
    { start: '2026-04-01', size: 60, values: [1, 0.4, null, null] },
    { start: '2026-05-01', size: 60, values: [1, null, null, null] },
  ];
  const beside = (start: string, other = ''): string => setBeside({ cohorts, grain: 'month' }, start, other)?.sentence ?? '';
  expect(beside('2026-03-01')).toBe('Mar 2026 keeps as well as Feb 2026: 45.0% against 40.0% after 1 month, 28.0% against 30.0% after 2 months.');
  expect(beside('2026-04-01')).toBe('Apr 2026 keeps worse than Mar 2026: 40.0% against 45.0% after 1 month.');
  expect(beside('2026-05-01')).toBe('May 2026 is too young to be set beside Apr 2026.');
  expect(beside('2026-02-01')).toBe('');
  // Any other one may be chosen.
  expect(beside('2026-04-01', '2026-02-01')).toBe('Apr 2026 keeps as well as Feb 2026: 40.0% against 40.0% after 1 month.');
  expect(beside('2026-04-01', '2026-04-01')).toBe(beside('2026-04-01'));
  expect(comparable(cohorts)).toBe('2026-04-01');
  expect(comparable(cohorts.slice(0, 1))).toBe('');
});

test('how far ahead a cohort is stands at every age that both have reached', () => {
  const cohorts = [
    { start: '2026-02-01', size: 10, values: [1, 0.4, 0.3, 0.2, 0.2] },
    { start: '2026-03-01', size: 10, values: [1, 0.6, 0.2, 0.204, null] },
    { start: '2026-04-01', size: 10, values: [1, 0.7, 0.6, null, null] },
  ];
  const { ahead, name } = setBeside({ cohorts, grain: 'month' }, '2026-03-01')!;
  expect(name).toBe('Mar 2026 against Feb 2026');
  expect(ahead.map((by) => aheadText(by).text)).toEqual(['', '+20 pp', '\u221210 pp', '0 pp', '']);
  expect(ahead.map((by) => aheadText(by).way)).toEqual(['', 'up', 'down', '', '']);
  expect(setBeside({ cohorts, grain: 'month' }, '2026-04-01')!.sentence).toBe('Apr 2026 keeps better than Mar 2026 at 2 of 2 ages: 70.0% against 60.0% after 1 month, 60.0% against 20.0% after 2 months.');
});

test('fitted, the hue tells later ages apart and leaves the first plain', () => {
  const { rows, legend } = layoutHeatmap({ ...DATA, fit: true, today: '2027-01-01', cohorts: [{ start: '2026-01-01', size: 10, values: [1, 0.3, 0.1] }], mean: [1, 0.3, 0.1] }, LIGHT);
  expect(rows[0]!.cells.map((cell) => cell?.fill)).toEqual([LIGHT.page, LIGHT.heat[5], LIGHT.heat[2]]);
  expect(legend.map(({ text }) => text)).toEqual(['0%', '5%', '10%', '15%', '20%', '25%']);
});
