import { expect, test } from 'vitest';
import type { EventName } from '../wire';
import { doingLabel, formatDoing, just, parseDoing, type Doing } from './doing';
import { behindFlow, chosenOptions, formatSteps, formatWithout, funnelAsked, parseFunnel, parseSteps, parseWithout, startingSteps, windowWords, valueId } from './funnel';

const name = (type: string, called = type, events = 1): EventName => ({ name: called, type, events, last_seen: '2026-11-22T10:00:00Z' });
const one = (...events: string[]) => ({ events: events.map(just), optional: false });
const DATES = { from: '2026-10-01', to: '2026-11-01' };

test.each(['session~signup~activation|invited~paid?', 'a%7Eb~50%25|why%3F?', 'signup@mail+docs{plan:team%7Eplan:pro}~paid@mail?'])('%s is read and written back the same', (text) => {
  expect(formatSteps(parseSteps(text))).toBe(text);
});

test('whatever an event, a product or a value is called, it comes back from the address', () => {
  const odd = ['a', '~', '%7E', 'x|y?', '50%', 'a@b{c}', '+!*1-2', ': ;', 'ü€', ''];
  for (const event of odd.filter(Boolean))
    for (const value of odd) {
      const doing: Doing = { event, products: [event, 'docs'], where: { [event]: [value, 'also'] } };
      expect(parseDoing(formatDoing(doing))).toEqual(doing);
      expect(parseSteps(formatSteps([{ events: [doing, just('b')], optional: true }]))).toEqual([{ events: [doing, just('b')], optional: true }]);
      const without = [{ doing: { ...doing, products: [] }, between: [1, 2] as const, drops: true }, { doing: just(event), between: null, drops: false }];
      expect(parseWithout(formatWithout(without))).toEqual(without);
    }
});

test('what stands in the address twice or not at all is left out', () => {
  expect(parseSteps('a|a|~~b?')).toEqual([one('a'), { events: [just('b')], optional: true }]);
  expect(parseSteps('')).toEqual([]);
  expect(parseWithout('|@x|!')).toEqual([]);
});

test('the address becomes the question', () => {
  const choice = parseFunnel(
    {
      steps: 'signup@mail{plan:team%7Eplan:pro}~activation|invited{how:mail}~shared?~paid',
      window: '30d',
      since: 'step',
      order: 'strict',
      entry: 'first',
      not: 'refund*2-3!|churn{why:price}',
      by: 'country',
      whose: 'step:2',
      where: 'plan:team~plan:pro~country:DE',
    },
    [],
  );
  expect(chosenOptions(choice)).toBe(5);
  expect(funnelAsked(choice, DATES, (id) => id.toUpperCase())).toEqual({
    ...DATES,
    steps: [
      { event: 'signup', product: ['mail'], where: { plan: ['team', 'pro'] }, label: 'Signup (plan: team or pro; in MAIL)' },
      { any: [{ event: 'activation' }, { event: 'invited', where: { how: 'mail' } }], label: 'Activation or Invited (how: mail)' },
      { event: 'shared', optional: true },
      { event: 'paid' },
    ],
    window: '30d',
    order: 'strict',
    entry: 'first',
    window_scope: 'step',
    exclude: [
      { event: 'refund', between: [2, 3], mode: 'drop_actor' },
      { event: 'churn', where: { why: 'price' } },
    ],
    by: 'country',
    attribution: 'step:2',
    where: { plan: ['team', 'pro'], country: 'DE' },
  });
});

test('what does not fit the order or the steps is kept in the address, and not asked for', () => {
  const own = { steps: 'a?~b?~c?', order: 'any', since: 'step', not: 'x*2-3|y*3-9', by: 'plan', whose: 'step:7' };
  const asked = funnelAsked(parseFunnel(own, []), {});
  expect(asked).toEqual({ steps: [{ event: 'a' }, { event: 'b' }, { event: 'c' }], window: '14d', order: 'any', exclude: [{ event: 'x' }, { event: 'y' }], by: 'plan' });
  const ordered = funnelAsked(parseFunnel({ ...own, order: '' }, []), {});
  expect(ordered).toMatchObject({ steps: [{ event: 'a' }, { event: 'b', optional: true }, { event: 'c' }], window_scope: 'step', exclude: [{ event: 'x', between: [2, 3] }, { event: 'y' }] });
});

test('nonsense in the address is left at its start', () => {
  const choice = parseFunnel({ window: '0d', order: 'sideways', entry: 'some', whose: 'mine' }, [one('a'), one('b')]);
  expect(choice).toMatchObject({ steps: [one('a'), one('b')], window: '14d', order: 'ordered', entry: 'latest', exclude: [], by: '', attribution: 'first_touch' });
  expect(chosenOptions(choice)).toBe(0);
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

test('a window, and what narrows an event, in words', () => {
  expect(['14d', '1h', '2w', '45m', '1w', '30s'].map(windowWords)).toEqual(['14 days', '1 hour', '2 weeks', '45 minutes', '1 week', '30 seconds']);
  expect(doingLabel({ event: 'reply_sent', products: [], where: { plan: ['', 'team'] } })).toBe('Reply sent (plan: not said or team)');
});

test('a place in the flow, a step, a day and a part lead to their users', () => {
  const funnel = { steps: [{ event: 'a' }, { event: 'b' }] };
  expect(behindFlow('2.1', funnel)).toEqual({ funnel, node: '2.1' });
  expect(behindFlow('1.0>2.1', funnel)).toEqual({ funnel, node: '1.0', target: '2.1' });
  expect(behindFlow('1.0>left/1', funnel)).toEqual({ funnel, node: '1.0', state: 'dropped' });
  expect(behindFlow('open/1', funnel)).toEqual({ funnel, step: 1, state: 'open' });
  expect(behindFlow('step/2', funnel)).toEqual({ funnel, step: 2 });
  expect(behindFlow('entered/2026-11-02', funnel)).toEqual({ funnel, bucket: '2026-11-02' });
  expect(behindFlow('done/2026-11-02', funnel)).toEqual({ funnel, bucket: '2026-11-02', state: 'converted' });
  expect(behindFlow('part/2/is=D/E', funnel)).toEqual({ funnel, step: 2, part: { key: 'D/E' } });
  expect(behindFlow('part/1/is', funnel)).toEqual({ funnel, step: 1, part: {} });
  expect(behindFlow('part/1/other', funnel)).toEqual({ funnel, step: 1, part: { other: true } });
  expect(behindFlow('done/2026-11-01', funnel, 'is=DE')).toEqual({ funnel, bucket: '2026-11-01', state: 'converted', part: { key: 'DE' } });
  expect(behindFlow('1.0>2.1', { ...funnel, trend: 'day' }, 'none')).toEqual({ funnel: { ...funnel, between: 8 }, node: '1.0', target: '2.1', between: {} });
  for (const part of [{ key: 'a=b', other: false }, { key: null, other: false }, { key: null, other: true }])
    expect(behindFlow(`part/1/${valueId(part)}`, funnel).part).toEqual(part.other ? { other: true } : part.key === null ? {} : { key: part.key });
});
