// Made-up lines with weeks, growth and bad days; the same every time.
import type { Line, Point } from '../src/core/data';

const DAY = 86_400_000;

export function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

export function days(first: string, n: number, level: number, seed: number, running = true): Point[] {
  const random = noise(seed);
  const begin = Date.parse(`${first}T00:00:00Z`);
  return Array.from({ length: n }, (_, i) => {
    const date = new Date(begin + i * DAY);
    const weekend = [0, 6].includes(date.getUTCDay()) ? 0.62 : 1;
    const last = running && i === n - 1;
    const value = level * weekend * (1 + (0.35 * i) / n) * (0.9 + 0.2 * random()) * (last ? 0.55 : 1);
    return { start: date.toISOString().slice(0, 10), value: value.toFixed(2), complete: !last };
  });
}

export function hours(n: number, level: number, seed: number): Point[] {
  const random = noise(seed);
  const begin = Date.parse('2026-10-31T00:00:00Z');
  return Array.from({ length: n }, (_, i) => {
    const summer = i < 26; // New York leaves summer time on 1 Nov at 02:00: the hour 01 comes twice
    const wall = new Date(begin + (summer ? i : i - 1) * 3_600_000);
    const share = Math.max(0.08, Math.sin(((wall.getUTCHours() - 5) / 24) * 2 * Math.PI) * 0.5 + 0.5);
    const value = Math.round(level * share * (0.8 + 0.4 * random()));
    return { start: `${wall.toISOString().slice(0, 19)}${summer ? '-04:00' : '-05:00'}`, value, complete: i < n - 1 };
  });
}

export function months(n: number, level: number, seed: number): Point[] {
  const random = noise(seed);
  return Array.from({ length: n }, (_, i) => ({
    start: new Date(Date.UTC(2024, 11 + i, 1)).toISOString().slice(0, 10),
    value: (level * (1 + i * 0.04) * (0.95 + 0.1 * random())).toFixed(2),
    complete: i < n - 1,
  }));
}

export const NAMES = ['Mail', 'Docs', 'Calendar', 'Boards', 'Forms', 'Notes', 'Chat', 'Meet', 'Drive', 'Sign', 'Desk', 'Analytics Suite'];

export const company = (n: number, count: number): Line[] =>
  NAMES.slice(0, count).map((label, i) => ({
    key: label.toLowerCase(),
    label,
    points: days('2026-08-25', n, 9000 / (i * 0.55 + 1), 7 + i),
  }));
