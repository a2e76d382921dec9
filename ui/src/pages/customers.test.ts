import { expect, test } from 'vitest';
import { nextSort, statusWords, withValue } from './customers';

test('a filter holds one value, and the same again gives it up', () => {
  expect(withValue({}, 'plan', 'team')).toEqual({ plan: 'team' });
  expect(withValue({ plan: 'starter' }, 'plan', 'team')).toEqual({ plan: 'team' });
  expect(withValue({ plan: 'team' }, 'plan', 'team')).toEqual({ plan: '' });
});

test('the most paying first; a click turns the order, and again back', () => {
  expect([nextSort('-mrr', 'mrr'), nextSort('mrr', 'mrr'), nextSort('-mrr', 'name'), nextSort('name', 'name')]).toEqual(['mrr', '', 'name', '']);
});

test('a status nobody foresaw is still said in words', () => {
  expect([statusWords('past_due'), statusWords('incomplete_expired')]).toEqual(['Payment late', 'Incomplete expired']);
});
