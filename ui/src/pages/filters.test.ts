import { expect, test } from 'vitest';
import { conditionsOf, filterWords, formatFilters, OPERATORS, parseFilters, toggled, whereOf, withCondition } from './filters';

test.each([
  {},
  { plan: ['team', 'starter'], country: ['DE'] },
  { plan: ['a:b~c%d', ''], 'odd:name': ['~'] },
])('%o is written and read back the same', (filters) => {
  expect(parseFilters(formatFilters(filters))).toEqual(filters);
});

test('the form is short where it can be', () => {
  expect(formatFilters({ plan: ['team'], country: ['DE'] })).toBe('plan:team~country:DE');
});

test('what is no filter is left out', () => {
  expect(parseFilters('nonsense~:x~plan:team~%E0%A4%A:x')).toEqual({ plan: ['team'], '%E0%A4%A': ['x'] });
});

test('a value goes in, and out again', () => {
  const once = toggled({}, 'plan', 'team');
  expect(once).toEqual({ plan: ['team'] });
  expect(toggled(toggled(once, 'plan', 'starter'), 'plan', 'team')).toEqual({ plan: ['starter'] });
  expect(toggled(once, 'plan', 'team')).toEqual({});
});

test('comparisons stand beside values, and all of them must hold', () => {
  let filters = toggled({}, 'plan', 'team');
  expect(whereOf(filters)).toEqual({ where: { plan: 'team' } });
  filters = withCondition(withCondition(toggled(filters, 'plan', 'solo'), 'seats', 'gte', '3'), 'seats', 'lt', '10.5');
  filters = withCondition(withCondition(filters, 'email', 'contains', 'acme:~'), 'coupon', 'exists:no', '');
  filters = withCondition(filters, 'seats', 'is', '4');
  expect(parseFilters(formatFilters(filters))).toEqual(filters);
  expect(whereOf(filters)).toEqual({
    where: { plan: ['team', 'solo'], seats: { equals: '4', gte: 3, lt: 10.5 }, email: { contains: 'acme:~' }, coupon: { exists: false } },
  });
  expect(Object.entries(filters).map(([by, keys]) => filterWords(by, keys))).toEqual([
    'Plan: team or solo',
    'Seats at least 3',
    'Seats less than 10.5',
    'Email contains acme:~',
    'Coupon is not there',
    'Seats: 4',
  ]);
});

test.each(OPERATORS.map(({ id }) => id))('%s is given once, given anew, and taken away', (id) => {
  const once = withCondition({}, 'seats', id, '3');
  expect(withCondition(once, 'seats', id, '3')).toEqual(once);
  if (id === 'is') return;
  const [one] = conditionsOf(withCondition(once, 'seats', id, id.startsWith('exists') ? '' : '4'), 'seats');
  expect(toggled({ [one!.by]: [one!.key] }, one!.by, one!.key)).toEqual({});
});

test('a comparison with what is no number is none', () => {
  expect(whereOf({ 'seats[gte]': ['many'] })).toEqual({});
  expect(whereOf({ 'seats[lt]': [''] })).toEqual({});
});
