import { expect, test } from 'vitest';
import { added, COLUMNS, inOrder, moved, packed, rowsOf, sized, stepped, type Place, type Way } from './board';

const at = (id: string, x: number, y: number, w: number, h: number): Place => ({ id, x, y, w, h });
const where = (tiles: readonly Place[]): Record<string, [number, number]> => Object.fromEntries(tiles.map(({ id, x, y }) => [id, [x, y]]));

/** The same numbers at every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

const covers = (one: Place, other: Place): boolean =>
  one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h;

/** The tiles that reach over the board or lie on another. */
const wrong = (tiles: readonly Place[]): Place[] =>
  tiles.filter((tile, index) => tile.x < 0 || tile.y < 0 || tile.x + tile.w > COLUMNS || tiles.slice(0, index).some((other) => covers(tile, other)));

test('whatever is done to a board, no tile lies on another, none is lost, and no gap is left above one', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const any = numbers(seed);
    let tiles: Place[] = [];
    for (let turn = 0; turn < 14; turn += 1) {
      const id = String(any(Math.max(1, tiles.length)));
      const ways: Way[] = ['left', 'right', 'up', 'down'];
      const before = tiles.map((tile) => tile.id).sort();
      switch (any(5)) {
        case 0:
          tiles = added(tiles, at(String(tiles.length), 0, 0, 1 + any(COLUMNS), 1 + any(6)));
          before.push(String(tiles.length - 1));
          break;
        case 1:
          tiles = moved(tiles, id, any(16) - 2, any(12) - 1);
          break;
        case 2:
          tiles = stepped(tiles, id, ways[any(4)]!);
          break;
        case 3:
          tiles = sized(tiles, id, any(15), any(15));
          break;
        default:
          tiles = packed(tiles);
      }
      expect(wrong(tiles)).toEqual([]);
      expect(tiles.map((tile) => tile.id).sort()).toEqual(before.sort());
      expect(where(packed(tiles))).toEqual(where(tiles));
    }
  }
});

test('a tile goes past its neighbour with one step, and back with another', () => {
  const tiles = [at('a', 0, 0, 6, 3), at('b', 0, 3, 6, 5), at('c', 6, 0, 6, 4)];
  const down = stepped(tiles, 'a', 'down');
  expect(where(down)).toEqual({ a: [0, 5], b: [0, 0], c: [6, 0] });
  expect(where(stepped(down, 'a', 'up'))).toEqual(where(tiles));
  expect(where(stepped(tiles, 'c', 'up'))).toEqual(where(tiles)); // nothing is above it
  expect(where(stepped(tiles, 'a', 'right'))).toEqual({ a: [1, 0], c: [6, 3], b: [0, 3] });
});

test('a tile that is dropped stands where it was let go, and the others make room', () => {
  const tiles = [at('a', 0, 0, 4, 2), at('b', 4, 0, 4, 2), at('c', 8, 0, 4, 2)];
  expect(where(moved(tiles, 'c', 0, 0))).toEqual({ c: [0, 0], a: [0, 2], b: [4, 0] });
  expect(where(moved(tiles, 'a', 4, 2))).toEqual({ b: [4, 0], a: [4, 2], c: [8, 0] });
  expect(moved(tiles, 'nobody', 1, 1)).toEqual(tiles);
});

test('a tile stays within the board, whatever its size is to be', () => {
  const tiles = [at('a', 8, 0, 4, 2)];
  expect(sized(tiles, 'a', 9, 99)).toEqual([at('a', 8, 0, 4, 12)]);
  expect(sized(tiles, 'a', 0, 0)).toEqual([at('a', 8, 0, 2, 2)]);
});

test('a new tile takes the highest room of its width; in one column they are read by rows', () => {
  const tiles = [at('a', 0, 0, 8, 4), at('b', 8, 0, 4, 2)];
  expect(where(added(tiles, at('c', 0, 0, 4, 2)))).toMatchObject({ c: [8, 2] });
  expect(where(added(tiles, at('c', 0, 0, 6, 2)))).toMatchObject({ c: [0, 4] });
  expect(inOrder(added(tiles, at('c', 0, 0, 4, 2))).map((tile) => tile.id)).toEqual(['a', 'b', 'c']);
  expect(rowsOf(tiles)).toBe(4);
  expect(rowsOf([])).toBe(0);
});
