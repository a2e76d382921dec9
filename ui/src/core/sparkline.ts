// A line without axes: the shape of a number's recent past, beside the number.
import type { Theme } from '../tokens/tokens';
import { areaPath, linePath, lonePoints, round, type XY } from './path';

export interface SparklineData {
  readonly values: readonly (number | null)[];
  readonly compare?: readonly (number | null)[];
  /** The last bucket is still running. */
  readonly incompleteLast?: boolean;
  /** One scale for several rows; default this line's own. */
  readonly domain?: readonly [number, number];
  readonly area?: boolean;
  readonly colour?: string;
}

export interface SparklineScene {
  readonly width: number;
  readonly height: number;
  readonly colour: string;
  readonly path: string;
  readonly running: string;
  readonly compare: string;
  readonly area: string;
  readonly dots: readonly { readonly x: number; readonly y: number }[];
  readonly end: { readonly x: number; readonly y: number; readonly running: boolean } | null;
  readonly at: readonly XY[];
}

const LEVEL = 0.25;

/** Scale of a value that stays near a level, where a scale from nothing would show a straight line; null elsewhere. */
export function levelDomain(lines: readonly (readonly (number | null)[])[]): readonly [number, number] | null {
  const known = lines.flat().filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const spread = high - low;
  if (known.length < 3 || low <= 0 || spread === 0 || spread > LEVEL * high) return null;
  return [low - spread * 0.15, high + spread * 0.15];
}

const INSET = 3; // room for the end's dot
const LEFT = 1; // flush with the text above it

/** Lays out a sparkline in `width` by `height` px. */
export function layoutSparkline(data: SparklineData, width: number, height: number, theme: Theme): SparklineScene {
  const known = [...data.values, ...(data.compare ?? [])].filter((value) => value !== null);
  const [low, high] = data.domain ?? [Math.min(0, ...known), Math.max(0, ...known)];
  const n = data.values.length;
  const x = (i: number): number => round(LEFT + (width - LEFT - INSET) * (n > 1 ? i / (n - 1) : 0.5));
  const y = (value: number): number => {
    const share = high === low ? (high === 0 ? 0 : 0.5) : (value - low) / (high - low);
    return round(height - INSET - Math.max(0, Math.min(1, share)) * (height - 2 * INSET));
  };
  const place = (values: readonly (number | null)[]): XY[] =>
    values.slice(0, n).map((value, i) => ({ x: x(i), y: value === null ? null : y(value) }));
  const at = place(data.values);
  const cut = data.incompleteLast && n > 0 ? n - 1 : n;
  const last = at.findLastIndex((p) => p.y !== null);
  return {
    width,
    height,
    colour: data.colour ?? theme.colours.series[0],
    path: linePath(at.slice(0, cut)),
    running: cut < n ? linePath(at.slice(Math.max(0, cut - 1))) : '',
    compare: data.compare ? linePath(place(data.compare)) : '',
    area: data.area ? areaPath(at, height - INSET) : '',
    dots: lonePoints(at).map((p) => ({ x: p.x, y: p.y! })),
    end: last >= 0 ? { x: at[last]!.x, y: at[last]!.y!, running: last >= cut } : null,
    at,
  };
}
