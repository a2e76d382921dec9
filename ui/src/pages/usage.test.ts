import { expect, test } from 'vitest';
import type { EventName } from '../wire';
import { cohortsFrom, formatExcluded, formatSteps, funnelAsked, parseFunnel, parseSteps, shares, startingReturn, startingSteps, windowWords } from './usage';

const name = (type: string, called = type, events = 1): EventName => ({ name: called, type, events, last_seen: null });
const one = (...events: string[]) => ({ events, optional: false });

test.each(['session~signup~activation|invited~paid?', 'a%7Eb~50%25|why%3F?'])('%s is read and written back the same', (text) => {
  expect(formatSteps(parseSteps(text))).toBe(text);
});

test('what stands in the address twice or not at all is left out', () => {
  expect(parseSteps('a|a|~~b?')).toEqual([one('a'), { events: ['b'], optional: true }]);
  expect(parseSteps('')).toEqual([]);
});

test('the address becomes the question', () => {
  const choice = parseFunnel(
    { steps: 'signup~activation|invited~paid?', window: '30d', order: 'any', not: formatExcluded(['refund']), drops: '1', by: 'country', where: 'plan:team~plan:pro~country:DE' },
    [],
  );
  expect(funnelAsked(choice, { from: '2026-10-01', to: '2026-11-01' })).toEqual({
    from: '2026-10-01',
    to: '2026-11-01',
    steps: [{ event: 'signup' }, { any: [{ event: 'activation' }, { event: 'invited' }] }, { event: 'paid', optional: true }],
    window: '30d',
    order: 'any',
    exclude: [{ event: 'refund', mode: 'drop_actor' }],
    by: 'country',
    where: { plan: ['team', 'pro'], country: 'DE' },
  });
});

test('nonsense in the address is left at its start', () => {
  const choice = parseFunnel({ window: '0d', order: 'sideways' }, [one('a'), one('b')]);
  expect(choice).toMatchObject({ steps: [one('a'), one('b')], window: '14d', order: 'ordered', exclude: [], by: '' });
  expect(funnelAsked({ ...choice, steps: [one('a')] }, {})).toBeNull();
});

test('the first funnel goes from a visit to use, by what has come', () => {
  expect(startingSteps([name('page_view'), name('session'), name('signup'), name('activation'), name('engagement', 'sent')])).toEqual([
    one('session'),
    one('signup'),
    one('activation', 'engagement'),
    one('engagement'),
  ]);
  expect(startingSteps([name('signup'), name('engagement', 'sent')])).toEqual([one('signup'), one('engagement')]);
  expect(startingSteps([name('engagement', 'a'), name('engagement', 'b')])).toEqual([one('a'), one('b')]);
  expect(startingSteps([])).toEqual([]);
});

test('a window in words', () => {
  expect(['14d', '1h', '2w', '45m', '1w'].map(windowWords)).toEqual(['14 days', '1 hour', '2 weeks', '45 minutes', '1 week']);
});

test('cohorts begin with whole months, weeks or days', () => {
  expect([cohortsFrom('month', '2026-11-22'), cohortsFrom('week', '2026-11-22'), cohortsFrom('day', '2026-11-22')]).toEqual(['2025-12-01', '2026-09-06', '2026-11-09']);
});

test('who signs up is asked for and whether they use it again', () => {
  expect(startingReturn([name('signup'), name('session'), name('engagement', 'sent')])).toEqual({ start: 'signup', back: 'engagement' });
  expect(startingReturn([name('page_view')])).toEqual({ start: 'page_view', back: 'page_view' });
  expect(startingReturn([])).toEqual({ start: '', back: '' });
});

test('a table of counts, or of money, becomes shares of what it began with', () => {
  expect(shares([{ start: '2026-01-01', size: 4, values: [4, 2, null] }, { start: '2026-02-01', size: 2, values: ['200.00', '250.00'] }, { start: '2026-03-01', size: 0, values: [0, 0] }])).toEqual([
    { start: '2026-01-01', size: 4, values: [1, 0.5, null] },
    { start: '2026-02-01', size: '200.00', values: [1, 1.25] },
    { start: '2026-03-01', size: 0, values: [null, null] },
  ]);
});
