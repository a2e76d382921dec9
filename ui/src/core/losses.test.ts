import { expect, test } from 'vitest';
import type { Bridge } from '../wire';
import { lossSentence, lostMost } from './losses';

const NONE: Bridge = { opening: '100.00', new: '0', expansion: '0', reactivation: '0', contraction: '0.00', churn: '0.00', fx: '0', restatement: '0', closing: '100.00' };
const part = (label: string, churn: string, contraction = '0.00') => ({ key: label.toLowerCase(), label, bridge: { ...NONE, churn, contraction } });

test('the product that lost most, of all that was lost, and by what', () => {
  const loss = lostMost([part('Mail', '19.00'), part('Docs', '60.00', '20.00'), part('Desk', '0.00', '32.00'), part('Sign', '0.00')])!;
  expect([loss.part.key, loss.lost, loss.all, loss.movement]).toEqual(['docs', '80.00', '131.00', 'churn']);
  expect(lossSentence(loss, 'USD', 'this month')).toBe('Docs lost the most MRR this month: $80 of the $131 lost, mostly by churn.');
});

test('where one product lost everything, or nothing was lost', () => {
  expect(lossSentence(lostMost([part('Mail', '0'), part('Desk', '0', '32.00')])!, 'USD', '')).toBe('Desk lost the most MRR: all of the $32 lost, all by contraction.');
  expect(lostMost([part('Mail', '0.00')])).toBeNull();
  expect(lostMost([])).toBeNull();
});

test('more is lost than by a number as text', () => {
  expect(lostMost([part('Mail', '9.00'), part('Docs', '80.00')])!.part.key).toBe('docs');
});
