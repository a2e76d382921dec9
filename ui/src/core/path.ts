// Lines as SVG paths: gaps for what is not known, and never more detail than there are pixels.
import { curveLinear, line } from 'd3-shape';

export interface XY {
  readonly x: number;
  readonly y: number | null;
}

const draw = line<XY>()
  .defined((p) => p.y !== null)
  .x((p) => p.x)
  .y((p) => p.y!)
  .curve(curveLinear)
  .digits(1);

/** The line through the points; broken where y is null. */
export const linePath = (points: readonly XY[]): string => draw(thinned(points)) ?? '';

/** Points with nothing on either side: a line would not show them. */
export function lonePoints(points: readonly XY[]): XY[] {
  return points.filter((p, i) => p.y !== null && (points[i - 1]?.y ?? null) === null && (points[i + 1]?.y ?? null) === null);
}

/** The surface between the line and `base`, in one piece per unbroken stretch. */
export function areaPath(points: readonly XY[], base: number): string {
  const parts: string[] = [];
  let run: XY[] = [];
  const close = (): void => {
    if (run.length > 1) parts.push(`${linePath(run)}L${round(run.at(-1)!.x)},${round(base)}L${round(run[0]!.x)},${round(base)}Z`);
    run = [];
  };
  for (const point of points) {
    if (point.y === null) close();
    else run.push(point);
  }
  close();
  return parts.join('');
}

/** The surface between two edges, in one piece per unbroken stretch. */
export function bandPath(lower: readonly XY[], upper: readonly XY[]): string {
  const parts: string[] = [];
  let from = 0;
  for (let i = 0; i <= upper.length; i += 1) {
    if (i < upper.length && upper[i]!.y !== null && lower[i]!.y !== null) continue;
    if (i - from > 1) parts.push(`${linePath(upper.slice(from, i))}L${linePath(lower.slice(from, i).toReversed()).slice(1)}Z`);
    from = i + 1;
  }
  return parts.join('');
}

/**
 * At most four points for each pixel column (first, lowest, highest, last), so that ten thousand
 * hours look the same as if all were drawn.
 */
export function thinned(points: readonly XY[]): readonly XY[] {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last || points.length <= 4 * Math.max(1, last.x - first.x)) return points;
  const kept: XY[] = [];
  let from = 0;
  while (from < points.length) {
    const column = Math.floor(points[from]!.x);
    let to = from;
    let [low, high] = [-1, -1];
    while (to < points.length && Math.floor(points[to]!.x) === column) {
      const y = points[to]!.y;
      if (y !== null) {
        if (low < 0 || y < points[low]!.y!) low = to;
        if (high < 0 || y > points[high]!.y!) high = to;
      }
      to += 1;
    }
    const wanted = [...new Set([from, low, high, to - 1])].filter((i) => i >= 0).sort((a, b) => a - b);
    for (const index of wanted) kept.push(points[index]!);
    from = to;
  }
  return kept;
}

/** Slanted strokes that fill a box: the sign for "still running", drawn without patterns or clips. */
export function hatchPath(x: number, y: number, width: number, height: number, gap = 6): string {
  if (width <= 0 || height <= 0) return '';
  const parts: string[] = [];
  // Each stroke is the line px + py = offset, cut where it leaves the box.
  for (let offset = gap / 2; offset < width + height; offset += gap) {
    const [left, right] = [Math.max(0, offset - height), Math.min(width, offset)];
    parts.push(`M${round(x + left)},${round(y + offset - left)}L${round(x + right)},${round(y + offset - right)}`);
  }
  return parts.join('');
}

export const round = (value: number): number => Math.round(value * 10) / 10;
