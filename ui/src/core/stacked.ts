// Lines on top of each other, and the few of many that get a colour.
import { amount, type Line, type Point } from './data';
import { sum } from './decimal';

/** Lower and upper edge of a line in each bucket; null where nothing is known. */
export interface Edges {
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
}

/** Each line on those before it, the first at the foot. */
export function stack(lines: readonly Line[], indexOf: ReadonlyMap<string, number>, buckets: number): Map<string, Edges> {
  const tops: number[] = Array.from({ length: buckets }, () => 0);
  const known = new Set<number>(); // buckets in which any line says something
  for (const line of lines) for (const point of line.points) if (amount(point.value) !== null) known.add(indexOf.get(point.start)!);
  return new Map(
    lines.map((line) => {
      const values = new Map(line.points.map((point) => [indexOf.get(point.start)!, amount(point.value) ?? 0]));
      const low = tops.map((top, i) => (known.has(i) ? top : null));
      values.forEach((value, i) => (tops[i]! += value));
      const high = tops.map((top, i) => (known.has(i) ? top : null));
      return [line.key, { low, high }];
    }),
  );
}

/** Each line as its share of all of them in each bucket; null where they come to nothing. */
export function shares(lines: readonly Line[]): Line[] {
  const totals = new Map<string, number>();
  for (const line of lines) {
    for (const point of line.points) totals.set(point.start, (totals.get(point.start) ?? 0) + (amount(point.value) ?? 0));
  }
  return lines.map(({ key, label, points }) => ({
    key,
    label,
    points: points.map((point) => {
      const [value, total] = [amount(point.value), totals.get(point.start)!];
      return { ...point, value: value === null || total <= 0 ? null : value / total };
    }),
  }));
}

export const REST = '…';

/** The `most` lines that are largest at their ends, in order; the others together, exactly. */
export function largest(lines: readonly Line[], most: number): Line[] {
  const end = (line: Line): number => Math.abs(amount(line.points.findLast((point) => amount(point.value) !== null)?.value) ?? 0);
  return gathered([...lines].sort((a, b) => end(b) - end(a)), most);
}

/** The first `most` lines; the others together, exactly. */
export function gathered(lines: readonly Line[], most: number): Line[] {
  if (lines.length <= most + 1) return [...lines];
  const rest = lines.slice(most);
  return [...lines.slice(0, most), { key: REST, label: `${rest.length} others`, points: together(rest) }];
}

function together(lines: readonly Line[]): Point[] {
  const all = new Map<string, Point[]>();
  for (const line of lines) for (const point of line.points) all.set(point.start, [...(all.get(point.start) ?? []), point]);
  return [...all].map(([start, points]) => {
    const values = points.filter((point) => amount(point.value) !== null).map((point) => String(point.value));
    return { start, value: values.length ? sum(values) : null, complete: points.every((point) => point.complete) };
  });
}
