// @vitest-environment node
import { build, type Rolldown } from 'vite';
import { beforeAll, expect, test } from 'vitest';
import { runInNewContext } from 'node:vm';

let draw: (name: string, propsJson: string) => string;

beforeAll(async () => {
  const result = (await build({ configFile: 'vite.ssr.config.ts', logLevel: 'error', build: { write: false } })) as Rolldown.RolldownOutput;
  const [script] = result.output;
  // A bare context has no window, no timers, no TextEncoder: as in the report.
  draw = runInNewContext(`${script.code}; UpwellCharts.render`, {}) as typeof draw;
}, 60_000);

const pretty = (svg: string): string => svg.replaceAll('><', '>\n<');
const week = ['1200.00', '1350.50', null, '1610.00', '980.25'].map((value, i) => ({
  start: `2026-11-0${i + 1}`,
  value,
  complete: i < 4,
}));

test('a time series as it stands in a report', async () => {
  const props = {
    width: 320,
    height: 120,
    series: [{ key: '', label: 'Net revenue', points: week, compare: week.map((p) => ({ ...p, value: '1000.00' })) }],
    unit: 'money',
    currency: 'USD',
    grain: 'day',
    title: 'Net revenue',
  };
  await expect(pretty(draw('TimeSeries', JSON.stringify(props)))).toMatchFileSnapshot('goldens/time-series.svg');
});

test('a sparkline as it stands in a report', async () => {
  const props = { width: 96, height: 24, values: [4, 6, null, 5, 9, 7], incompleteLast: true, area: true, summary: 'Signups, rising' };
  await expect(pretty(draw('Sparkline', JSON.stringify(props)))).toMatchFileSnapshot('goldens/sparkline.svg');
});

test('a waterfall as it stands in a report', async () => {
  const bar = (key: string, label: string, value: string): object => ({ key, label, value, kind: key === 'opening' || key === 'closing' ? 'total' : 'change' });
  const bars = [bar('opening', 'MRR 30 Sep', '1000.00'), bar('new', 'New', '100.00'), bar('churn', 'Churn', '-60.00'), bar('closing', 'MRR 31 Oct', '1040.00')];
  await expect(pretty(draw('Waterfall', JSON.stringify({ width: 560, height: 200, bars, currency: 'USD', summary: 'From 1,000 to 1,040' })))).toMatchFileSnapshot('goldens/waterfall.svg');
});

test('gains and losses as they stand in a report', async () => {
  const kinds = [{ key: 'new', label: 'New', tone: 'up', strength: 1 }, { key: 'churn', label: 'Churn', tone: 'down', strength: 1 }];
  const columns = ['2026-09-01', '2026-10-01'].map((start, i) => ({ start, complete: i < 1, values: ['100.00', '-60.00'] }));
  await expect(pretty(draw('Diverging', JSON.stringify({ width: 320, height: 140, kinds, columns, unit: 'money', currency: 'USD', grain: 'month' })))).toMatchFileSnapshot('goldens/diverging.svg');
});

test('nothing in it needs a page', () => {
  const svg = draw('TimeSeries', JSON.stringify({ width: 200, height: 80, series: [], unit: 'count', grain: 'day' }));
  expect(svg).not.toMatch(/var\(|class=|style=|<!--|url\(/);
});

test('labels are text, whatever they hold', () => {
  const series = ['<script>', 'R&D "x"'].map((label, i) => ({ key: String(i), label, points: week }));
  const svg = draw('TimeSeries', JSON.stringify({ width: 600, height: 160, series, unit: 'money', currency: 'USD', grain: 'day' }));
  expect(svg).toContain('&lt;script');
  expect(svg).toContain('R&amp;D');
  expect(svg).not.toContain('<script');
});

test('a chart that does not exist is refused with those that do', () => {
  expect(() => draw('Pie', '{}')).toThrow("no chart is called 'Pie'; there are: TimeSeries, Sparkline, Waterfall, Diverging");
});
