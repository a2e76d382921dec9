import { expect, test } from 'vitest';
import type { EventName, ReadSource } from '../wire';
import { askedWords, behindWords, cohortsFrom, lifecycleBars, lifecycleSentence, pathFlow, shares, startingReturn, throughDay } from './usage';

const name = (type: string, called = type, events = 1): EventName => ({ name: called, type, events, last_seen: '2026-11-22T10:00:00Z' });

test('cohorts begin with whole months, weeks or days', () => {
  const calendar = { today: '2026-11-22', weekStart: 0 };
  expect((['month', 'week', 'day'] as const).map((grain) => cohortsFrom(grain, calendar))).toEqual(['2025-12-01', '2026-08-31', '2026-11-09']);
});

test('who signs up is asked for and whether they visit again', () => {
  expect(startingReturn([name('signup'), name('session'), name('engagement', 'sent')])).toEqual({ start: 'signup', back: 'session' });
  expect(startingReturn([name('page_view')])).toEqual({ start: 'page_view', back: 'page_view' });
  expect(startingReturn([])).toEqual({ start: '', back: '' });
});

test('a table of counts, or of money, is shown by its shares and what each cohort began with', () => {
  const counts = { start: '2026-01-01', size: 4, values: [4, 2, null], shares: [1, 0.5, null] };
  const money = { start: '2026-02-01', size: 2, values: ['200.00', '250.00'], shares: [1, 1.25] };
  expect(shares([counts, money])).toEqual([
    { start: '2026-01-01', size: 4, values: [1, 0.5, null] },
    { start: '2026-02-01', size: '200.00', values: [1, 1.25] },
  ]);
});

test('every visit at a node of a path goes on or ends', () => {
  const node = (id: string, step: number, label: string, visits: number, ends: number, other = false) => ({ id, step, label, visits, ends, other, between: false });
  const flow = pathFlow({
    rule: '',
    position: '',
    behind: [],
    note: '',
    nodes: [node('1_session', 1, 'session', 10, 4), node('2_page_view', 2, 'page_view', 5, 5), node('2*', 2, '*', 1, 1, true)],
    edges: [
      { source: '1_session', target: '2_page_view', transitions: 5, actors: 3, mean_seconds: 20 },
      { source: '1_session', target: '2*', transitions: 1, actors: 1, mean_seconds: 5 },
    ],
  });
  expect(flow.steps.map(({ label, count, conversion }) => [label, count, conversion])).toEqual([['First', 10, 1], ['Second', 6, 0.6]]);
  expect(flow.nodes.map(({ label }) => label)).toEqual(['Session', 'Page view', 'Other']);
  for (const made of flow.nodes) {
    const out = flow.links.filter(({ source }) => source === made.id).reduce((sum, { count }) => sum + count, 0);
    expect(out + made.dropped).toBe(made.count);
  }
});

const point = (start: string, rest: object = {}) => ({ start, new: 2, returning: 3, resurrecting: 1, dormant: 4, active: 6, complete: true, ...rest });

test('a lifecycle stacks the active above and the quiet below; the change leaves out who stayed', () => {
  const bars = lifecycleBars([point('2026-11-02')], 'week');
  expect(bars.columns[0]).toMatchObject({ values: ['3', '1', '2', '-4'], net: '-1' });
  expect(lifecycleSentence([point('2026-11-02'), point('2026-11-09', { complete: false })], 'week')).toBe(
    'Week of 2 Nov 2026: 6 active users, 1 fewer than the week before; 3 came, 4 went quiet',
  );
});

test('who is in a segment, in words', () => {
  expect(behindWords({ did: { event: 'reply_sent', at_least: 3, from: '2026-11-01' } })).toBe('Did Reply sent 3 times or more, from 1 Nov 2026');
  expect(behindWords({ funnel: { steps: [{ event: 'signup' }, { any: [{ event: 'a' }, { event: 'b' }] }] }, state: 'dropped' })).toBe('Went no further in the funnel Signup → A or B');
  expect(behindWords({ lifecycle: { grain: 'week' }, kind: 'dormant', start: '2026-11-02' })).toBe('Gone quiet users of Week of 2 Nov 2026');
});

test('a saved question, in words', () => {
  expect(askedWords({ funnel: { steps: [{ event: 'signup', label: 'Signup (plan: team)' }, { any: [{ event: 'a' }, { event: 'b_c' }] }] } })).toBe('Signup (plan: team) → A or B c');
  expect(askedWords({ retention: { start: { event: 'signup' }, return: { event: 'session' }, grain: 'week' } })).toBe('Signup, then Session, by week');
  expect(askedWords({ paths: { start: 'signup' } })).toBe('from Signup');
  expect(askedWords({ paths: {} })).toBe('From anywhere');
  expect(askedWords({ stickiness: { event: 'reply_sent' } })).toBe('Active by Reply sent');
  expect(askedWords({ lifecycle: {} })).toBe('Any activity');
});

test('what has come of no late source is neither nothing nor a change', () => {
  const hidden = point('2026-11-09', { new: null, returning: null, resurrecting: null, dormant: null, active: null, complete: false });
  const { columns } = lifecycleBars([point('2026-11-02'), hidden], 'week');
  expect(columns[1]).toMatchObject({ values: [null, null, null, null], net: null });
});

test('cohorts are final up to the slowest source behind them', () => {
  const source = (through: string | null): ReadSource => ({ source: 'a', through, late: '' });
  const dayAt = (at: string): string => at.slice(0, 10);
  expect(throughDay([], '2026-11-23', dayAt)).toBe('2026-11-23');
  expect(throughDay([source('2026-11-22T23:00:00.000Z'), source('2026-11-20T01:00:00.000Z')], '2026-11-23', dayAt)).toBe('2026-11-20');
  expect(throughDay([source(null)], '2026-11-23', dayAt)).toBe('');
});
