/** The values of points for drawing. The same points give the same array, so what did not move is not drawn again. */
import { amount } from '../core/data';
import type { Point, Series } from '../wire';

const made = new WeakMap<readonly Point[], readonly (number | null)[]>();
const NOTHING: readonly (number | null)[] = [];

export function valuesOf(points: readonly Point[] | undefined): readonly (number | null)[] {
  if (!points) return NOTHING;
  let values = made.get(points);
  if (!values) {
    values = points.map((point) => amount(point.value));
    made.set(points, values);
  }
  return values;
}

/** Whether there is a change to speak of: from nothing to nothing, or from what nobody knows, there is none. */
export const changes = ({ total, compare }: Series): boolean => compare !== undefined && compare !== null && compare.total !== null && !(Number(total ?? 0) === 0 && Number(compare.total) === 0);
