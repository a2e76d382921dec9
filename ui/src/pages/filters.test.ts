import { expect, test } from 'vitest';
import { formatFilters, parseFilters, toggled } from './filters';

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
