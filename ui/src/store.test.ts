import { describe, expect, test } from 'vitest';
import { apply, EMPTY, FEED_KEPT, idOf, pruned, type State } from './store';
import type { Answer, FeedEvent, Frame, Series } from './wire';

const series = (key: string, values: (number | null)[]): Series => ({
  key,
  points: values.map((value, index) => ({
    start: `2026-11-0${index + 1}`,
    value,
    complete: index < values.length - 1,
  })),
  total: 6,
});

const answer = (...all: Series[]): Answer => ({
  question: { metric: 'signups' },
  series: all,
  as_of: { mail: '2026-11-03T10:00:00Z' },
  behind: [],
  policy: 'upwell',
  position: '0-1',
  unit: 'count',
  currency: null,
  scanned: false,
  unconverted: [],
  unlinked: null,
  note: '',
});

const after = (...frames: Frame[]): State =>
  frames.reduce((state, frame, index) => apply(state, frame, 1000 + index), EMPTY);

const snapshot: Frame = {
  id: 'a',
  answer: answer(series('mail', [1, 2, 3]), series('docs', [4, 5, 6])),
  position: '0-1',
};

const event = (n: number): FeedEvent => ({
  product: 'mail',
  type: 'signup',
  name: null,
  actor: null,
  value: 1,
  currency: null,
  at: new Date(1_000_000 + n * 1000).toISOString(),
  country: null,
  plan: null,
});

describe('apply', () => {
  test('a snapshot becomes the tile', () => {
    const state = after(snapshot);
    expect(state.tiles.get('a')?.answer?.series).toHaveLength(2);
    expect(state.position).toBe('0-1');
  });

  test('a changed point moves alone; all else keeps its identity', () => {
    const before = after(snapshot, { ...snapshot, id: 'b' });
    const state = apply(
      before,
      {
        id: 'a',
        position: '0-2',
        points: [{ key: 'mail', start: '2026-11-03', value: 9, complete: false }],
        totals: { mail: 12 },
        as_of: { mail: '2026-11-03T10:00:05Z' },
      },
      2000,
    );
    const [mail, docs] = state.tiles.get('a')!.answer!.series;
    const [oldMail, oldDocs] = before.tiles.get('a')!.answer!.series;
    expect(mail!.points.map((point) => point.value)).toEqual([1, 2, 9]);
    expect(mail!.points[2]).toEqual({ start: '2026-11-03', value: 9, complete: false });
    expect(mail!.total).toBe(12);
    expect(mail!.points[0]).toBe(oldMail!.points[0]);
    expect(docs).toBe(oldDocs);
    expect(state.tiles.get('b')).toBe(before.tiles.get('b'));
    expect(state.tiles.get('a')!.answer!.as_of).toEqual({ mail: '2026-11-03T10:00:05Z' });
    expect(oldMail!.points[2]!.value).toBe(3);
    expect(state.position).toBe('0-2');
  });

  test('a bucket that has just begun is added at its place', () => {
    const state = after(snapshot, {
      id: 'a',
      position: '0-2',
      points: [
        { key: 'mail', start: '2026-11-05', value: 1, complete: false },
        { key: 'mail', start: '2026-11-04', value: 7, complete: true },
      ],
    });
    const points = state.tiles.get('a')!.answer!.series[0]!.points;
    expect(points.map((point) => [point.start.slice(-2), point.value])).toEqual([
      ['01', 1],
      ['02', 2],
      ['03', 3],
      ['04', 7],
      ['05', 1],
    ]);
  });

  test('hours are ordered by instant where the clock goes back', () => {
    const hours: Series = {
      key: '',
      points: [
        { start: '2026-10-25T02:00:00+02:00', value: 1, complete: true },
        { start: '2026-10-25T03:00:00+01:00', value: 3, complete: false },
      ],
      total: 4,
    };
    const state = after(
      { id: 'a', answer: answer(hours), position: '0-1' },
      {
        id: 'a',
        position: '0-2',
        points: [{ key: '', start: '2026-10-25T02:00:00+01:00', value: 2, complete: true }],
      },
    );
    expect(state.tiles.get('a')!.answer!.series[0]!.points.map((point) => point.value)).toEqual([1, 2, 3]);
  });

  test('a breakdown value seen for the first time becomes a series', () => {
    const state = after(snapshot, {
      id: 'a',
      position: '0-2',
      points: [{ key: 'chat', start: '2026-11-03', value: 1, complete: false }],
      totals: { chat: 1 },
    });
    expect(state.tiles.get('a')!.answer!.series.map((one) => one.key)).toEqual(['mail', 'docs', 'chat']);
    expect(state.tiles.get('a')!.answer!.series[2]!.total).toBe(1);
  });

  test('null is a value: a total that is no longer defined does not stay', () => {
    const state = after(snapshot, { id: 'a', position: '0-2', points: [], totals: { mail: null } });
    expect(state.tiles.get('a')!.answer!.series[0]!.total).toBeNull();
  });

  test('points for a tile that is gone change nothing but the position', () => {
    const state = after(snapshot, {
      id: 'gone',
      position: '0-2',
      points: [{ key: '', start: '2026-11-03', value: 1, complete: false }],
    });
    expect(state.tiles.has('gone')).toBe(false);
    expect(state.position).toBe('0-2');
  });

  test('an error belongs to its tile, keeps the old picture, and goes with the next answer', () => {
    const error = { id: 'a', code: 'late', message: 'Took too long.', fix: '', where: '' };
    const failed = after(snapshot, { error });
    expect(failed.tiles.get('a')?.error?.message).toBe('Took too long.');
    expect(failed.tiles.get('a')?.answer).not.toBeNull();
    expect(apply(failed, snapshot, 3000).tiles.get('a')?.error).toBeNull();
  });

  test('the feed is newest first and bounded', () => {
    let state = EMPTY;
    for (let n = 0; n < FEED_KEPT; n += 2) {
      state = apply(state, { feed: { events: [event(n), event(n + 1)], per_second: n } }, n);
    }
    state = apply(state, { feed: { events: [event(FEED_KEPT)], per_second: 3 } }, 1);
    expect(state.feed.events).toHaveLength(FEED_KEPT);
    expect(state.feed.events[0]).toEqual(event(FEED_KEPT));
    expect(state.feed.events[1]).toEqual(event(FEED_KEPT - 1));
    expect(state.feed.perSecond).toBe(3);
  });
});

test('questions that mean the same have one id, others have another', () => {
  expect(idOf({ metric: 'dau', product: ['b', 'a'], where: { plan: ['x', 'y'] } })).toBe(
    idOf({ where: { plan: ['y', 'x'] }, product: ['a', 'b'], metric: 'dau', grain: 'day' }),
  );
  expect(idOf({ metric: 'dau' })).not.toBe(idOf({ metric: 'dau', by: 'plan' }));
});

test('pruning keeps what is watched and the newest of the rest', () => {
  const state = after(...['a', 'b', 'c', 'd'].map((id) => ({ ...snapshot, id })));
  expect([...pruned(state, new Set(['a']), 1).tiles.keys()]).toEqual(['a', 'd']);
  expect(pruned(state, new Set(['a']), 3)).toBe(state);
});
