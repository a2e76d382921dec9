import { expect, test } from 'vitest';
import { format, parse, segmentOf, START, to, withOwn, type Route } from './router';

const read = (address: string): Route => {
  const url = new URL(address, 'http://upwell.test');
  return parse(url.pathname, url.search);
};

test.each([
  '/',
  '/products',
  '/products/mail?range=ytd&compare=year&grain=week&metric=signups&by=plan',
  '/products/a%2Fb',
  '/?products=mail,docs&range=2026-01-01..2026-02-01&compare=off',
  '/?compare=2025-12-24..2026-01-02',
  '/live?feed=signup',
  '/alerts/inc_1',
  '/reports',
  '/sources?range=all',
  '/setup?token=abc',
  '/revenue?range=12m&split=churn&by=country&known=2026-02-03',
  '/revenue/retention?of=mrr',
  '/usage?steps=signup%7Eactivation%7Cinvited&window=7d',
  '/usage/retention?grain=month',
  '/customers?q=gmbh&sort=name&status=past_due',
  '/customers/main:cus_1?seq=4',
  '/settings/counting-rules?month=2026-10',
])('%s is read and written back the same', (address) => {
  expect(format(read(address))).toBe(address);
});

test('what is not understood is left at its start', () => {
  expect(read('/?range=someday&compare=2026-02-01..2026-01-01&grain=minute')).toEqual(START);
  expect(read('/?range=2026-02-30..2026-03-01').range).toBe('28d');
  expect(read('/?range=2026-03-01..2026-02-01').range).toBe('28d');
});

test('an address that is no page is missing, not home', () => {
  expect(read('/nowhere').page).toBe('missing');
  expect(read('/products/mail/more').page).toBe('missing');
  expect(read('/live/7').page).toBe('missing');
  expect(read('/revenue/tomorrow').page).toBe('missing');
  expect(read('/customer').page).toBe('missing');
  expect(read('/settings/counting-rules/more').page).toBe('missing');
  expect(read('/products/%E0%A4%A').id).toBe('%E0%A4%A');
});

test('another page keeps dates, comparison and products, and drops what was its own', () => {
  const route = read('/products/mail?range=mtd&compare=year&metric=dau');
  expect(format(to(route, 'home'))).toBe('/?range=mtd&compare=year');
  expect(format(to(route, 'product', 'docs', { metric: 'dau' }))).toBe(
    '/products/docs?range=mtd&compare=year&metric=dau',
  );
});

test('the users of a segment go along where figures can be theirs', () => {
  const route = read('/revenue?segment=seg_1&by=plan');
  expect(segmentOf(route)).toBe('seg_1');
  expect(format(to(route, 'explore', '', { metric: 'mrr' }))).toBe('/explore?segment=seg_1&metric=mrr');
  expect(format(to(route, 'usage', '', { segment: 'seg_2' }))).toBe('/usage?segment=seg_2');
  expect(format(to(route, 'settings'))).toBe('/settings');
  for (const all of ['/revenue/months?segment=seg_1', '/revenue/cash?segment=seg_1', '/products?segment=seg_1']) expect(segmentOf(read(all))).toBe('');
});

test("a page's own choices can be set and taken away", () => {
  const route = withOwn(read('/products/mail?metric=dau&by=plan'), { by: '', where: 'plan:team' });
  expect(format(route)).toBe('/products/mail?metric=dau&where=plan:team');
});
