import { expect, test } from 'vitest';
import type { TableKey } from '../wire';
import { answered, asksOf, keyTrouble, readingWords, secretTrouble, slugOf, titleOf } from './connect';

test('a name becomes an id that nobody has', () => {
  expect(slugOf('Acme Mail', [])).toBe('acme-mail');
  expect(slugOf('Çafé & Söhne', [])).toBe('cafe-sohne');
  expect(slugOf('Stripe', ['stripe', 'stripe-2'])).toBe('stripe-3');
  expect(slugOf('日本', [])).toBe('stripe');
});

test('a key that cannot work is told before it is sent', () => {
  expect(keyTrouble('pk_live_1')).toContain('publishable');
  expect(keyTrouble('whsec_1')).toContain('webhook');
  expect(keyTrouble('hello')).toContain('rk_ or sk_');
  expect([keyTrouble(''), keyTrouble(' rk_live_1 '), keyTrouble('sk_test_1')]).toEqual(['', '', '']);
});

test('a signing secret is no key', () => {
  expect(secretTrouble('rk_live_1')).toContain('whsec_');
  expect([secretTrouble(''), secretTrouble(' whsec_1 ')]).toEqual(['', '']);
});

test('how far it is, and how long it takes', () => {
  const reading = { label: 'Invoices', done: 1200, total: 4000, rows: 0, rate: 0, share: 0.3, seconds_left: 170 };
  expect(readingWords(reading)).toBe('Invoices, 1,200 of 4,000; about 3 min left');
  expect(readingWords({ ...reading, total: 0, seconds_left: null })).toBe('Invoices');
  expect(readingWords({ ...reading, seconds_left: 20 })).toContain('less than a minute left');
  expect(readingWords({ ...reading, seconds_left: 9000 })).toContain('about 3 h left');
});

const key = (name: string, type: TableKey['type'], more: Partial<TableKey> = {}): TableKey => ({ name, type, description: '', required: false, secret: false, default: '', choices: [], ...more });

test('what was typed into the form of a source is what its table holds', () => {
  const keys = [key('url', 'text'), key('limit', 'number'), key('paths', 'list'), key('events', 'map'), key('region', 'choice')];
  const given = { url: ' https://a.example ', limit: '20', paths: 'a, b,', events: 'Sign Up = signup\nA=B = activation\nno pair', region: '' };
  expect(answered(keys, given)).toEqual({ url: 'https://a.example', limit: 20, paths: ['a', 'b'], events: { 'Sign Up': 'signup', 'A=B': 'activation' } });
});

test('what a source cannot do without is asked for first', () => {
  const keys = [key('product', 'text'), key('secret', 'text', { required: true, secret: true }), key('project_id', 'text'), key('every', 'text', { default: '5m' }), key('queries', 'tables')];
  const { first, later } = asksOf(keys);
  expect(first.map((one) => one.name)).toEqual(['secret', 'project_id']);
  expect(later.map((one) => one.name)).toEqual(['every']);
  expect(titleOf('project_id')).toBe('Project id');
});
