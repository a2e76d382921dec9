import { describe, expect, it } from 'vitest';
import type { Source } from '../wire';
import { moodOf, paceOf, stateWords, stillSince, triedWords, waitsFor } from './sources';

const source = (changes: Partial<Source>): Source => ({ id: 's', kind: 'sql', state: 'live', failed: '', late: '', read: true, complete_to: null, since: null, ...changes }) as Source;

describe('how a source is doing', () => {
  it('names each failure', () => {
    const said = ['sign-in', 'permissions', 'query', 'quota', 'truncated', 'refused', 'unreachable', 'inside'].map((failed) => stateWords(source({ state: 'failed', failed })));
    expect(new Set(said).size).toBe(8);
    expect(said).not.toContain('Failing');
    expect(stateWords(source({ state: 'failed', failed: 'something new' }))).toBe('Failing');
  });

  it('tells late from paused and quiet', () => {
    expect(stateWords(source({ late: 'late' }))).toBe('Late');
    expect(stateWords(source({ state: 'paused', late: 'paused' }))).toBe('Paused');
    expect(stateWords(source({ state: 'quiet' }))).toBe('Nothing new for a day');
    expect(stateWords(source({ state: 'quiet', read: false }))).toBe('Quiet');
    expect(moodOf(source({ late: 'late' }))).toBe('bad');
    expect(moodOf(source({ state: 'paused', late: 'paused' }))).toBe('none');
  });

  it('knows since when numbers stand still', () => {
    expect(stillSince(source({}))).toBe(null);
    expect(stillSince(source({ late: 'failed', complete_to: '2026-11-22T14:05:00Z', since: '2026-11-22T15:00:00Z' }))).toBe('2026-11-22T14:05:00Z');
    expect(stillSince(source({ late: 'failed', since: '2026-11-22T15:00:00Z' }))).toBe('2026-11-22T15:00:00Z');
  });

  it('names what a number waits for', () => {
    const behind = [
      { source: 'mixpanel', through: '2026-11-22T14:05:00Z', late: 'late' as const },
      { source: 'stripe', through: '2026-11-22T15:00:00Z', late: '' as const },
      { source: 'db', through: null, late: 'failed' as const },
    ];
    expect(waitsFor(behind, (at) => at.slice(11, 16))).toEqual(['mixpanel is late: read up to 14:05', 'db cannot be read: nothing was read yet']);
  });

  it('says what came of trying again', () => {
    expect(triedWords({ tried: 0, still_unusable: 0, added: 0 })).toBe('There is nothing to try again.');
    expect(triedWords({ tried: 3, still_unusable: 3, added: 0 })).toContain('still not usable');
    expect(triedWords({ tried: 1, still_unusable: 0, added: 1 })).toBe('1 record tried: 1 event counted, nothing is left.');
    expect(triedWords({ tried: 5, still_unusable: 2, added: 3 })).toBe('5 records tried: 3 events counted, 2 still not usable.');
  });

  it('says how fast', () => {
    expect(paceOf({ label: 'a', done: 1, total: 2, rows: 0, rate: 0, share: 0, seconds_left: null })).toBe('');
    expect(paceOf({ label: 'a', done: 1, total: 2, rows: 1200, rate: 44.6, share: 0, seconds_left: 4 })).toBe('1,200 rows, 45 a second');
  });
});
