import { expect, test } from 'vitest';
import type { Line } from './data';
import { between, isMove } from './motion';
import { summarise } from './summary';
import { ordered, plainCell, tableOf, toCsv, toTsv } from './table';
import { tipOf } from './tooltip';

const revenue: Line = {
  key: '',
  label: 'Net revenue',
  points: [
    { start: '2026-11-01', value: '100.10', complete: true },
    { start: '2026-11-02', value: null, complete: true },
    { start: '2026-11-03', value: '300.00', complete: true },
    { start: '2026-11-04', value: '20.00', complete: false },
  ],
  compare: [
    { start: '2026-10-01', value: '80.00', complete: true },
    { start: '2026-10-02', value: '90.00', complete: true },
    { start: '2026-10-03', value: '400.00', complete: true },
    { start: '2026-10-04', value: '90.00', complete: true },
  ],
};

test('one sentence says what the lines show', () => {
  expect(summarise([revenue], 'money', 'day', 'USD')).toBe(
    'Net revenue by day, Sun 1 Nov 2026 to Wed 4 Nov 2026: latest $300.00 on Tue 3 Nov 2026, highest $300.00 on Tue 3 Nov 2026, ' +
      'lowest $100.10 on Sun 1 Nov 2026; the last day is still running.',
  );
  expect(summarise([], 'count', 'day')).toBe('Chart: no lines.');
});

test('a bucket in words: value, comparison, change', () => {
  const tip = tipOf({ series: [revenue], unit: 'money', grain: 'day', currency: 'USD', direction: 'up' }, '2026-11-03', []);
  expect(tip).toMatchObject({ title: 'Tue 3 Nov 2026', state: 'complete', against: 'Sat 3 Oct 2026' });
  expect(tip.rows[0]).toMatchObject({ value: '$300.00', before: '$400.00', change: { text: '↓ −25.0%', tone: 'bad' } });
});

test('part of a day is not compared with a whole one, nothing is not compared at all', () => {
  const told = { series: [revenue], unit: 'money', grain: 'day', currency: 'USD' } as const;
  expect(tipOf(told, '2026-11-04', [])).toMatchObject({ state: 'running', rows: [{ value: '$20.00', change: null }] });
  expect(tipOf(told, '2026-11-02', [])).toMatchObject({ rows: [{ value: '–', before: '$90.00', change: null }] });
});

test('a file holds the values as they came, and no cell starts a formula', () => {
  const { columns, rows } = tableOf([revenue], 'money', 'day', 'USD', 'Previous period');
  expect(toCsv(columns, rows)).toBe(
    'Day,Net revenue,Previous period,Complete\r\n' +
      '2026-11-04,20.00,90.00,no\r\n2026-11-03,300.00,400.00,yes\r\n2026-11-02,,90.00,yes\r\n2026-11-01,100.10,80.00,yes\r\n',
  );
  expect(['=1+1', '+A1', '@x', '-cmd', '\tx', '-12.50', 'a=b'].map(plainCell)).toEqual(["'=1+1", "'+A1", "'@x", "'-cmd", "'\tx", '-12.50', 'a=b']);
  expect(toCsv([{ key: 'a', label: '=A' }], [{ a: 'x,"y"\n' }])).toBe('\'=A\r\n"x,""y""\n"\r\n');
  expect(toTsv([{ key: 'a', label: 'A' }, { key: 'b', label: 'B' }], [{ a: 'x\ty', b: 2 }])).toBe('A\tB\nx y\t2');
});

test('tables sort money as numbers and keep the unknown last', () => {
  const columns = [{ key: 'v', label: 'V', unit: 'money' }, { key: 'n', label: 'N' }] as const;
  const rows = [{ v: '9.00', n: 'b' }, { v: null, n: 'A' }, { v: '10.00', n: 'c' }];
  expect(ordered(rows, columns, { key: 'v', down: true }).map((r) => r.v)).toEqual(['10.00', '9.00', null]);
  expect(ordered(rows, columns, { key: 'v', down: false }).map((r) => r.v)).toEqual(['9.00', '10.00', null]);
  expect(ordered(rows, columns, { key: 'n', down: false }).map((r) => r.n)).toEqual(['A', 'b', 'c']);
  expect(ordered(rows, columns, null)).toBe(rows);
});

test('a live value moves; another question, or thousands of points, do not', () => {
  const next: Line = { ...revenue, points: revenue.points.map((p, i) => (i === 3 ? { ...p, value: '40.00' } : p)) };
  expect(isMove([revenue], [next])).toBe(true);
  expect(between([revenue], [next], 0.5)[0]!.points.map((p) => p.value)).toEqual(['100.10', null, '300.00', 30]);
  expect(isMove([revenue], [{ ...next, key: 'other' }])).toBe(false);
  expect(isMove([revenue], [{ ...next, points: next.points.slice(1) }])).toBe(false);
});
