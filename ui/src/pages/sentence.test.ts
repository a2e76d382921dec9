import { expect, test } from 'vitest';
import type { Alert } from '../wire';
import { said, saidOf } from './sentence';

const alert = (sentence: string, customers: string[]): Alert =>
  ({ title: 'Cancellations in Mail', sentence, customers }) as Partial<Alert> as Alert;
const SENTENCE = 'Cancellations in Mail: 21 today by 14:05, expected 2–7. 19 on plan starter.';

test('customers stand apart from what happened', () => {
  const customers = ['Ahorn GmbH', 'Customers: Ltd'];
  expect(said(alert(`${SENTENCE} Customers: Ahorn GmbH, Customers: Ltd and 3 more.`, customers)).text).not.toContain('3 more');
  expect(said(alert(`${SENTENCE} Customers: Ahorn GmbH and 3 more.`, ['Ahorn GmbH']))).toEqual({ text: SENTENCE, customers: ['Ahorn GmbH'] });
});

test('without customers, or where they may not be seen, it is all said', () => {
  expect(said(alert(SENTENCE, [])).text).toBe(SENTENCE);
  expect(said(alert(`${SENTENCE} Customers: Ahorn GmbH.`, [])).text).toContain('Ahorn');
});

test('under its title a sentence does not say it again', () => {
  expect(said(alert(SENTENCE, []), true).text).toBe('21 today by 14:05, expected 2–7. 19 on plan starter.');
  expect(said(alert('Signups in Mail: none today.', []), true).text).toBe('Signups in Mail: none today.');
});

test('what several answers say is said once', () => {
  const sampled = 'Google counted only a sample of the visits.';
  expect(saidOf([`Of 1,000 of these 1,028 days no report was read yet. ${sampled}`, sampled, ''])).toEqual([
    'Of 1,000 of these 1,028 days no report was read yet.',
    sampled,
  ]);
});
