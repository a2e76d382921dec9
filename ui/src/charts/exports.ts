/** A chart as it stands on the page, as a picture of its own. Loaded when somebody asks for one. */
import latin from '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2?url';
import latinExt from '@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2?url';
import { hatchPath, round } from '../core/path';
import { resolved, sheet, textAt, type Drawing } from '../core/sheet';
import { fitText } from '../core/text';

/** Not drawn: what answers the pointer, and what only a screen reader hears. */
const UNDRAWN = '[data-undrawn], .hidden-but-read, script, style, input, select';
const SHARP = 2; // px of a PNG for each px of the page
const SETTLES = 200; // ms until a browser has told a chart that nothing points at it, and it is drawn so
const ASCENT = 0.8; // of the height of a line of Inter, down to its baseline

/** The figures inside `body` as one SVG document in the page's colours of now. */
export async function svgOf(body: HTMLElement, words: { title: string; about: string; foot: string }): Promise<string> {
  const root = getComputedStyle(document.documentElement);
  const of = (name: string): string => root.getPropertyValue(name);
  const figures = [...body.querySelectorAll<HTMLElement>('figure')];
  await unlooked(figures);
  const drawing = drawn(figures, of);
  const wide = /[\u0100-\u02ff\u1e00-\u1eff\u20a0-\u20ab\u20ad-\u20c0]/.test(drawing.inner + words.title + words.about);
  const faces = await Promise.all([face(latin, 'U+0000-00FF,U+0131,U+0152-0153,U+02C6,U+02DA,U+02DC,U+2000-206F,U+20AC,U+2122,U+2190-2193,U+2212'), ...(wide ? [face(latinExt, 'U+0100-02BA,U+1E00-1EFF,U+20A0-20AB,U+20AD-20C0')] : [])]);
  return sheet(drawing, words, { surface: of('--surface').trim(), ink: of('--ink').trim(), muted: of('--muted').trim(), font: of('--font').trim(), faces: faces.join('') });
}

/** Lets go of what is looked at: the pointer stands where the menu was, often over the chart. */
async function unlooked(figures: readonly HTMLElement[]): Promise<void> {
  for (const one of figures) one.style.pointerEvents = 'none';
  await new Promise((done) => setTimeout(done, SETTLES));
  for (const one of figures) one.style.pointerEvents = '';
}

/** The SVG as a PNG of twice its size. */
export async function pngOf(svg: string): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width * SHARP;
  canvas.height = image.height * SHARP;
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return await new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The browser makes no picture of this size.'))), 'image/png'));
}

async function face(url: string, range: string): Promise<string> {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return `@font-face{font-family:"Inter Variable";font-weight:100 900;unicode-range:${range};src:url(data:font/woff2;base64,${btoa(text)}) format("woff2")}`;
}

interface Ground {
  readonly left: number;
  readonly top: number;
  readonly of: (name: string) => string;
  readonly parts: string[];
  /** How far it reaches to each side. */
  least: number;
  right: number;
  bottom: number;
}

/** What is seen of some elements: their grounds, lines, words and pictures. */
function drawn(roots: readonly HTMLElement[], of: (name: string) => string): Drawing {
  // What was scrolled away is drawn too.
  const moved = roots.flatMap((root) => [root, ...root.querySelectorAll<HTMLElement>('*')]).filter((one) => one.scrollLeft > 0).map((one) => [one, one.scrollLeft] as const);
  for (const [one] of moved) one.scrollLeft = 0;
  const boxes = roots.map((root) => root.getBoundingClientRect());
  const ground: Ground = {
    left: Math.min(...boxes.map((box) => box.left)),
    top: Math.min(...boxes.map((box) => box.top)),
    of,
    parts: [],
    least: 0,
    right: 0,
    bottom: 0,
  };
  for (const root of roots) put(ground, root);
  for (const [one, left] of moved) one.scrollLeft = left;
  return { width: ground.right - ground.least, height: ground.bottom, inner: `<g transform="translate(${-ground.least},0)">${ground.parts.join('')}</g>` };
}

function put(ground: Ground, element: Element): void {
  if (element.matches(UNDRAWN)) return;
  const style = getComputedStyle(element);
  if (style.display === 'none' || style.visibility === 'hidden') return;
  if (element instanceof SVGSVGElement) {
    putPicture(ground, element);
    return;
  }
  const faint = Number(style.opacity) < 1;
  if (faint) ground.parts.push(`<g opacity="${style.opacity}">`);
  putBox(ground, element, style);
  for (const child of element.childNodes) {
    if (child instanceof Element) put(ground, child);
    else if (child instanceof Text) putText(ground, child, element, style);
  }
  if (faint) ground.parts.push('</g>');
}

function placed(ground: Ground, box: DOMRect): { x: number; y: number; width: number; height: number } {
  const [x, y] = [box.left - ground.left, box.top - ground.top];
  ground.least = Math.min(ground.least, round(x));
  ground.right = Math.max(ground.right, x + box.width);
  ground.bottom = Math.max(ground.bottom, y + box.height);
  return { x: round(x), y: round(y), width: round(box.width), height: round(box.height) };
}

function putPicture(ground: Ground, picture: SVGSVGElement): void {
  const { x, y } = placed(ground, picture.getBoundingClientRect());
  const copy = picture.cloneNode(true) as SVGSVGElement;
  for (const one of [copy, ...copy.querySelectorAll('*')]) {
    for (const name of ['class', 'role', 'aria-label', 'aria-hidden']) one.removeAttribute(name);
  }
  copy.setAttribute('x', String(x));
  copy.setAttribute('y', String(y));
  copy.setAttribute('overflow', 'visible');
  ground.parts.push(resolved(new XMLSerializer().serializeToString(copy).replaceAll(/<!--.*?-->/g, ''), ground.of));
}

const seen = (colour: string): boolean => !/^(transparent|rgba\(.*, 0\))$/.test(colour);

function putBox(ground: Ground, element: Element, style: CSSStyleDeclaration): void {
  const hatched = style.backgroundImage.includes('repeating-linear-gradient');
  const lined = (['Top', 'Right', 'Bottom', 'Left'] as const).filter((side) => parseFloat(style[`border${side}Width`]) > 0 && seen(style[`border${side}Color`]));
  if (!seen(style.backgroundColor) && !hatched && !lined.length) return;
  const { x, y, width, height } = placed(ground, element.getBoundingClientRect());
  if (width < 0.5 || height < 0.5) return;
  const whole = lined.length === 4;
  const rounding = Math.min(parseFloat(style.borderRadius) || 0, width / 2, height / 2);
  const fill = seen(style.backgroundColor) ? style.backgroundColor : 'none';
  ground.parts.push(`<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${rounding}" fill="${fill}"${whole ? ` stroke="${style.borderTopColor}"` : ''}/>`);
  if (hatched) ground.parts.push(`<path transform="translate(${x},${y})" d="${hatchPath(0, 0, width, height)}" stroke="${ground.of('--line').trim()}" fill="none"/>`);
  if (whole) return;
  const edges = { Top: `M${x},${y}h${width}`, Right: `M${x + width},${y}v${height}`, Bottom: `M${x},${y + height}h${width}`, Left: `M${x},${y}v${height}` };
  for (const side of lined) ground.parts.push(`<path d="${edges[side]}" stroke="${style[`border${side}Color`]}" fill="none"/>`);
}

function putText(ground: Ground, node: Text, element: Element, style: CSSStyleDeclaration): void {
  const size = parseFloat(style.fontSize);
  const cut = style.textOverflow === 'ellipsis' && element.scrollWidth > element.clientWidth;
  for (const line of linesOf(node)) {
    const box = placed(ground, cut ? new DOMRect(line.left, line.top, element.clientWidth, line.bottom - line.top) : new DOMRect(line.left, line.top, line.right - line.left, line.bottom - line.top));
    const anchor = style.textAlign === 'center' ? 'middle' : ['right', 'end'].includes(style.textAlign) ? 'end' : 'start';
    ground.parts.push(
      textAt(cut ? fitText(line.text, element.clientWidth, size, Number(style.fontWeight) > 500 ? 600 : 400) : line.text, {
        x: anchor === 'start' ? box.x : anchor === 'end' ? box.x + box.width : box.x + box.width / 2,
        y: box.y + box.height * ASCENT,
        anchor,
        size,
        weight: style.fontWeight,
        fill: style.color,
      }),
    );
  }
}

/** A text as the lines that it takes, each with its box. */
function linesOf(node: Text): { text: string; left: number; right: number; top: number; bottom: number }[] {
  const found: { text: string; left: number; right: number; top: number; bottom: number }[] = [];
  const range = document.createRange();
  for (const word of node.data.matchAll(/\S+/g)) {
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    const box = range.getBoundingClientRect();
    if (box.width === 0) continue;
    const last = found.at(-1);
    if (last && Math.abs(last.top - box.top) < 2) {
      last.text += ` ${word[0]}`;
      last.right = box.right;
    } else found.push({ text: word[0], left: box.left, right: box.right, top: box.top, bottom: box.bottom });
  }
  return found;
}
