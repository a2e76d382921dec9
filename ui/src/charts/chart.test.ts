import { expect, test } from 'vitest';
import { toCsv } from '../core/table';
import type { Question } from '../wire';
import { asksFor } from './chart';
import { fileName } from './files';

test('a question is asked again as it was, without what it did not say', () => {
  const answered = `{"metric": "mrr", "product": ["mail", "docs"], "from": "2026-01-01", "to": "2026-02-01", "grain": "day",
    "where": {"plan": ["team", "pro"], "country": ["DE"]}, "compare": null, "by": null, "over": null}`;
  const { path, params } = asksFor(JSON.parse(answered) as Question);
  expect(path).toBe('/v1/query');
  expect(params).toEqual({ metric: 'mrr', product: 'mail,docs', from: '2026-01-01', to: '2026-02-01', grain: 'day', where: 'plan:team,plan:pro,country:DE' });
  expect(asksFor({ metric: 'nrr', over: 3, product: [] }).params).toEqual({ metric: 'nrr', over: '3m' });
});

test('files are named in letters that every system takes', () => {
  expect(fileName('MRR by plan, 1 – 31 Jan', 'csv')).toBe('mrr-by-plan-1-31-jan.csv');
  expect(fileName('…', 'png')).toBe('chart.png');
});

test('numbers go into a file as they are, also tiny and negative ones, and words never as formulas', () => {
  const columns = [{ key: 'v', label: 'Value', unit: 'count' as const }];
  const rows = [-1e-7, 12345678.123456, '-0.10', '=1+1', '-x', '\n=1', null].map((v) => ({ v }));
  expect(toCsv(columns, rows)).toBe('Value\r\n-1e-7\r\n12345678.123456\r\n-0.10\r\n\'=1+1\r\n\'-x\r\n"\'\n=1"\r\n\r\n');
});
