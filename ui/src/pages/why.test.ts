import { describe, expect, it } from 'vitest';
import type { ChangePart, Explanation } from '../wire';
import { finding, narrows, paramsOf, partName, signedChange, toneOf } from './why';

const part = (key: string, change: string | number, more: Partial<ChangePart> = {}): ChangePart => ({ key, label: key, change, ...more });

const found = (more: Partial<Explanation>): Explanation => ({
  question: { metric: 'mrr', from: '2026-11-01', to: '2026-11-23' },
  against: { from: '2026-10-01', to: '2026-10-23', until: null },
  unit: 'money',
  currency: 'USD',
  policy: 'upwell',
  position: '1',
  as_of: {},
  before: '10120.00',
  after: '6000.00',
  change: '-4120.00',
  complete: true,
  splits: [],
  customers: [],
  lead: null,
  note: '',
  unconverted: [],
  ...more,
});

const products = { by: 'product', parts: [part('mail', '-3900.00', { label: 'Mail' }), part('docs', '-220.00', { label: 'Docs' })], note: '' };

describe('why a number changed', () => {
  it('is said in one sentence, with the product that moved most and what it did', () => {
    const lead = { product: 'mail', movement: 'churn', customers: 12, plan: 'Team', country: 'DE' };
    expect(finding({ title: 'MRR' }, found({ splits: [products], lead }))).toBe(
      'MRR fell by $4,120.00, from $10,120.00 to $6,000.00, of which Mail −$3,900.00: 12 customers left (mostly Team, Germany).',
    );
    const one = { ...lead, customers: 1, country: '' };
    expect(finding({ title: 'MRR' }, found({ splits: [products], lead: one }))).toContain('Mail −$3,900.00: 1 customer left (Team).');
  });

  it('names another part where there is no product, and none that has little of it', () => {
    const splits = [{ by: 'plan', parts: [part('team', -40), part('solo', 10)], note: '' }];
    const counts = { unit: 'count' as const, currency: null, before: 50, after: 20, change: -30, splits };
    expect(finding({ title: 'Signups' }, found(counts))).toBe('Signups fell by 30, from 50 to 20, by plan mostly team −40.');
    const small = [{ by: 'plan', parts: [part('team', -10), part('solo', -9), part('plus', -11)], note: '' }];
    expect(finding({ title: 'Signups' }, found({ ...counts, splits: small }))).toBe('Signups fell by 30, from 50 to 20.');
    expect(finding({ title: 'Signups' }, found({ ...counts, after: 50, change: 0 }))).toBe('Signups did not change: 50 in both.');
    expect(finding({ title: 'MRR' }, found({ change: null, note: 'Nothing was known then.' }))).toBe('Nothing was known then.');
  });

  it('writes changes with their sign, rates in points', () => {
    expect(signedChange(-0.013, 'ratio', '')).toBe('−1.30 pp');
    expect(signedChange('4210', 'money', 'USD')).toBe('+$4,210.00');
    expect(signedChange(0, 'count', '')).toBe('0');
    expect([toneOf(-3, 'up'), toneOf(-3, 'down'), toneOf(3, 'none'), toneOf(0, 'up')]).toEqual(['bad', 'good', 'none', 'none']);
  });

  it('calls parts by their names', () => {
    expect(partName('country', part('DE', 1))).toBe('Germany');
    expect(partName('plan', part('(none)', 1))).toBe('Not said');
    expect(partName('movement', part('fx', 1))).toBe('Exchange rates');
    expect(partName('plan', part('', 1, { label: '', kind: 'other', others: 7 }))).toBe('7 more');
    expect(partName('product', part('', 1, { label: '', kind: 'overlap' }))).toBe('In several of them');
  });

  it('leads on only where a question can be asked', () => {
    const mrr = { name: 'mrr', dimensions: ['plan', 'interval', 'cohort'] };
    expect(narrows(mrr, 'plan', part('team', 1), true)).toBe(true);
    expect(narrows(mrr, 'cohort', part('2026-01', 1), true)).toBe(false);
    expect(narrows(mrr, 'product', part('', 1, { kind: 'other' }), true)).toBe(false);
    expect(paramsOf({ metric: 'mrr', product: ['mail', 'docs'], where: { plan: ['team', 'solo'], country: ['DE'] } })).toMatchObject({
      product: 'mail,docs',
      where: 'plan:team,plan:solo,country:DE',
    });
  });
});
