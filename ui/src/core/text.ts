// How wide text is, without a browser: Inter's advance widths, kerning left out.
import { WIDTHS_400, WIDTHS_600 } from './text-widths';

export type Weight = 400 | 600;

const table = (rows: readonly (readonly [number, string])[]): Map<string, number> =>
  new Map(rows.flatMap(([width, characters]) => [...characters].map((c) => [c, width] as const)));

const TABLES: Record<Weight, Map<string, number>> = { 400: table(WIDTHS_400), 600: table(WIDTHS_600) };
const UNKNOWN = 700; // wider than most letters: text outside Latin is given room, not cut

/** Width in px of `text` at `size` px. */
export function textWidth(text: string, size: number, weight: Weight = 400): number {
  const widths = TABLES[weight];
  let sum = 0;
  for (const character of text) sum += widths.get(character) ?? UNKNOWN;
  return (sum * size) / 1000;
}

/** `text`, or as much of it as fits into `room` px with an ellipsis. */
export function fitText(text: string, room: number, size: number, weight: Weight = 400): string {
  if (textWidth(text, size, weight) <= room) return text;
  const characters = [...text];
  while (characters.length > 0) {
    characters.pop();
    const cut = `${characters.join('').trimEnd()}…`;
    if (textWidth(cut, size, weight) <= room) return cut;
  }
  return '';
}
