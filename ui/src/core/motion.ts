// A live change moves; a new question does not. Both decided on the data, so layouts stay pure.
import { amount, type Line, type Point } from './data';

const MOST_POINTS = 1500; // beyond this a frame would cost more than it shows

/** Whether `to` is the same picture as `from` with other values. */
export function isMove(from: readonly Line[], to: readonly Line[]): boolean {
  if (from === to || from.length !== to.length) return false;
  let points = 0;
  for (const [i, line] of to.entries()) {
    const before = from[i]!;
    const n = line.points.length;
    if (before.key !== line.key || before.points.length !== n) return false;
    if (before.points[0]?.start !== line.points[0]?.start || before.points[n - 1]?.start !== line.points[n - 1]?.start) return false;
    points += n;
  }
  return points <= MOST_POINTS;
}

/** The lines at share `t` (0 to 1) of the way; only values that differ are new objects. */
export function between(from: readonly Line[], to: readonly Line[], t: number): readonly Line[] {
  return to.map((line, i) => ({ ...line, points: line.points.map((point, n) => step(from[i]?.points[n], point, t)) }));
}

function step(from: Point | undefined, to: Point, t: number): Point {
  const [a, b] = [amount(from?.value), amount(to.value)];
  return a === null || b === null || a === b ? to : { ...to, value: a + (b - a) * t };
}

/** Fast away, slow to arrive. */
export const ease = (t: number): number => 1 - (1 - Math.min(1, Math.max(0, t))) ** 3;
