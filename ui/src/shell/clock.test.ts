import { expect, test } from 'vitest';
import { ago, clockIn, dayIn, fullIn, momentIn, minuteEnd } from './clock';

const AT = '2026-09-05T03:04:09Z';

test('an instant is read in the workspace’s zone', () => {
  expect(clockIn('America/New_York', AT)).toBe('23:04:09');
  expect(dayIn('America/New_York', AT)).toBe('2026-09-04');
  expect(dayIn('Asia/Tokyo', Date.parse(AT))).toBe('2026-09-05');
  expect(momentIn('UTC', AT)).toBe('5 Sep, 03:04');
  expect(fullIn('Asia/Kolkata', AT)).toBe('5 Sep 2026, 08:34:09');
});

test('midnight is 00, not 24', () => {
  expect(clockIn('UTC', '2026-01-01T00:00:00Z')).toBe('00:00:00');
});

test.each([
  [-3, 'now'],
  [1, 'now'],
  [59, '59 s ago'],
  [61, '1 min ago'],
  [3600, '1 h ago'],
  [47 * 3600, '47 h ago'],
  [49 * 3600, '2 days ago'],
])('%i seconds are %s', (seconds, words) => {
  expect(ago(0, seconds * 1000)).toBe(words);
});

test('what is asked of now holds for a minute, and never lies before it', () => {
  expect(minuteEnd(Date.parse('2026-11-22T12:00:00Z'))).toBe('2026-11-22T12:01:00Z');
  expect(minuteEnd(Date.parse('2026-11-22T23:59:59.999Z'))).toBe('2026-11-23T00:00:00Z');
});
