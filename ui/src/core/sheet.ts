// A picture to be looked at alone: its title, what it is of, how old it is, and its own ground.
import { round } from './path';
import { fitText, textWidth } from './text';

/** What was drawn: SVG inside a box that begins at 0, 0. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly inner: string;
}

export interface SheetLook {
  readonly surface: string;
  readonly ink: string;
  readonly muted: string;
  readonly font: string;
  /** `@font-face` rules that bring the font along. */
  readonly faces: string;
}

const PADDING = 24;
const TITLE = 16;
const TEXT = 12;
const LEAST = 360;

export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The drawing with its words as one SVG document that needs nothing else. */
export function sheet(drawing: Drawing, words: { title: string; about: string; foot: string }, look: SheetLook): string {
  const width = Math.ceil(Math.max(LEAST, drawing.width + 2 * PADDING));
  const room = width - 2 * PADDING;
  const parts: string[] = [];
  let y = PADDING;
  const put = (lines: readonly string[], size: number, fill: string, weight: number): void => {
    for (const line of lines) {
      y += size;
      parts.push(`<text x="${PADDING}" y="${y}" font-size="${size}" font-weight="${weight}" fill="${fill}">${escaped(line)}</text>`);
      y += Math.round(size / 2);
    }
  };
  put(wrapped(words.title, room, TITLE, 600), TITLE, look.ink, 600);
  put(wrapped(words.about, room, TEXT, 400), TEXT, look.muted, 400);
  y += 8;
  parts.push(`<g transform="translate(${PADDING},${y})">${drawing.inner}</g>`);
  y += Math.ceil(drawing.height) + 8;
  put(wrapped(words.foot, room, TEXT, 400), TEXT, look.muted, 400);
  const height = y + PADDING - 6;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${escaped(look.font)}" font-size="${TEXT}" role="img">`,
    `<title>${escaped(words.title)}</title><desc>${escaped(`${words.about}. ${words.foot}`)}</desc>`,
    `<style>${look.faces}text{font-variant-numeric:tabular-nums}</style>`,
    `<rect width="${width}" height="${height}" fill="${look.surface}"/>`,
    ...parts,
    '</svg>',
  ].join('');
}

/** Words in lines no wider than `room` px; a word that is wider is cut. */
export function wrapped(text: string, room: number, size: number, weight: 400 | 600): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const last = lines.at(-1);
    if (last !== undefined && textWidth(`${last} ${word}`, size, weight) <= room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(fitText(word, room, size, weight));
  }
  return lines;
}

/** `var(--name)` as what it stands for; the drawing leaves the page that knows it. */
export const resolved = (markup: string, of: (name: string) => string): string =>
  markup.replaceAll(/var\((--[\w-]+)\)/g, (_, name: string) => escaped(of(name).trim()));

/** A piece of text where a page had it. */
export function textAt(text: string, at: { x: number; y: number; anchor: 'start' | 'middle' | 'end'; size: number; weight: string; fill: string }): string {
  const anchor = at.anchor === 'start' ? '' : ` text-anchor="${at.anchor}"`;
  return `<text x="${round(at.x)}" y="${round(at.y)}"${anchor} font-size="${at.size}" font-weight="${at.weight}" fill="${escaped(at.fill)}">${escaped(text)}</text>`;
}
