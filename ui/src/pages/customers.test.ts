import { expect, test } from 'vitest';
import { chosenOf, nextSort, statusWords, withValue } from './customers';

test('a filter takes a value in and out again', () => {
  expect(withValue({}, 'plan', 'team')).toEqual({ plan: 'team' });
  expect(withValue({ plan: 'team,starter' }, 'plan', 'team')).toEqual({ plan: 'starter' });
  expect(withValue({ plan: 'team' }, 'plan', 'team')).toEqual({ plan: '' });
  expect(chosenOf({ country: 'DE,FR' }, 'country')).toEqual(['DE', 'FR']);
});

test('the most paying first; a click turns the order, and again back', () => {
  expect([nextSort('-mrr', 'mrr'), nextSort('mrr', 'mrr'), nextSort('-mrr', 'name'), nextSort('name', 'name')]).toEqual(['mrr', '', 'name', '']);
});

test('a status nobody foresaw is still said in words', () => {
  expect([statusWords('past_due'), statusWords('incomplete_expired')]).toEqual(['Payment late', 'Incomplete expired']);
});
