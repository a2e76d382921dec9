import { expect, test } from 'vitest';
import { ruleMeaning, ruleWords } from './rules';

test('a value is said in plain words, with its unit', () => {
  expect(ruleWords('fx', 'period_end')).toBe("The period's last rates");
  expect(ruleWords('ltv_churn_months', 6)).toBe('6 months');
  expect(ruleWords('retention_months', 1)).toBe('1 month');
  expect(ruleWords('reactivation_days', null)).toBe('Always a reactivation');
  expect(ruleWords('past_due_days', null)).toBe('Until the billing system ends it');
  expect(ruleWords('ignore_same_month_roundtrip', false)).toBe('No');
});

test('several values stand beside each other, none is never', () => {
  expect(ruleWords('pause_zero', ['void', 'keep_as_draft'])).toBe('Where invoices are void, Where invoices stay drafts');
  expect([ruleWords('pause_zero', []), ruleWords('pause_zero', '')]).toEqual(['Never', 'Never']);
  expect(ruleWords('pause_zero', 'void, keep_as_draft')).toBe('Where invoices are void, Where invoices stay drafts');
});

test('what nobody foresaw is said as it stands', () => {
  expect([ruleWords('fx', 'last_friday'), ruleWords('new_rule', 4), ruleWords('new_rule', null)]).toEqual(['Last friday', '4', 'Without limit']);
});

test('an explanation leaves out the values that are said beside it', () => {
  expect(ruleMeaning('Which discounts count. all: every one. none: not one.')).toBe('Which discounts count.');
  expect(ruleMeaning('exact: a year is 12 months. four_weeks: a month is 4 weeks.')).toBe('');
});
