/** Where the tiles of a board stand: packed upwards, none on another, moved and sized in whole steps. Pure. */

export const COLUMNS = 12;
export const TALLEST = 12;
const LEAST = { w: 2, h: 2 };

export interface Place {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export type Way = 'left' | 'right' | 'up' | 'down';

const beside = (one: Place, other: Place): boolean => one.x < other.x + other.w && other.x < one.x + one.w;

/** From the top, and from the left in a row: how tiles are read, and how they follow each other where there is one column. */
export const inOrder = <T extends Place>(tiles: readonly T[]): T[] => [...tiles].sort((a, b) => a.y - b.y || a.x - b.x);

/** Every tile as high up as those before it let it. */
function stacked<T extends Place>(ordered: readonly T[]): T[] {
  const placed: T[] = [];
  for (const tile of ordered) {
    const y = Math.max(0, ...placed.filter((other) => beside(tile, other)).map((other) => other.y + other.h));
    placed.push(y === tile.y ? tile : { ...tile, y });
  }
  return placed;
}

/** The tiles without gaps above them. */
export const packed = <T extends Place>(tiles: readonly T[]): T[] => stacked(inOrder(tiles));

/** One tile put elsewhere, before or after whatever begins in the row it is put in; the others make room. */
function put<T extends Place>(tiles: readonly T[], tile: T, row: number): T[] {
  const others = inOrder(tiles.filter((other) => other.id !== tile.id));
  const at = others.findIndex((other) => other.y > row);
  return stacked(at < 0 ? [...others, tile] : [...others.slice(0, at), tile, ...others.slice(at)]);
}

const found = <T extends Place>(tiles: readonly T[], id: string): T | undefined => tiles.find((tile) => tile.id === id);

/** A tile dropped with its corner at a column and a row. */
export function moved<T extends Place>(tiles: readonly T[], id: string, x: number, y: number): T[] {
  const tile = found(tiles, id);
  if (!tile) return [...tiles];
  const to = { ...tile, x: Math.min(Math.max(0, x), COLUMNS - tile.w), y: Math.max(0, y) };
  // Upwards it stands before what begins in its row, downwards after it.
  return put(tiles, to, to.y > tile.y ? to.y : to.y - 0.5);
}

/** A tile one step on; up and down that is past its neighbour there. */
export function stepped<T extends Place>(tiles: readonly T[], id: string, way: Way): T[] {
  const tile = found(tiles, id);
  if (!tile) return [...tiles];
  if (way === 'left' || way === 'right') return moved(tiles, id, tile.x + (way === 'left' ? -1 : 1), tile.y);
  const others = tiles.filter((other) => other.id !== id && beside(other, tile));
  if (way === 'up') {
    const above = Math.max(...others.filter((other) => other.y < tile.y).map((other) => other.y));
    return Number.isFinite(above) ? put(tiles, { ...tile, y: above }, above - 0.5) : [...tiles];
  }
  const below = Math.min(...others.filter((other) => other.y > tile.y).map((other) => other.y));
  return Number.isFinite(below) ? put(tiles, { ...tile, y: below }, below) : [...tiles];
}

/** A tile of another size, within the board. */
export function sized<T extends Place>(tiles: readonly T[], id: string, w: number, h: number): T[] {
  const tile = found(tiles, id);
  if (!tile) return [...tiles];
  const to = {
    ...tile,
    w: Math.min(Math.max(LEAST.w, w), COLUMNS - tile.x),
    h: Math.min(Math.max(LEAST.h, h), TALLEST),
  };
  return put(tiles, to, tile.y - 0.5);
}

/** A new tile, as high up as one of its width finds room. */
export function added<T extends Place>(tiles: readonly T[], tile: T): T[] {
  const lowest = (x: number): number =>
    Math.max(0, ...tiles.filter((other) => beside({ ...tile, x }, other)).map((other) => other.y + other.h));
  const columns = Array.from({ length: COLUMNS - tile.w + 1 }, (_, x) => x);
  const x = columns.reduce((best, one) => (lowest(one) < lowest(best) ? one : best), 0);
  return [...tiles, { ...tile, x, y: lowest(x) }];
}

/** How many rows the tiles take. */
export const rowsOf = (tiles: readonly Place[]): number => Math.max(0, ...tiles.map((tile) => tile.y + tile.h));
