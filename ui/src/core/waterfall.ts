// A waterfall: from a total over its changes to another total. What is drawn always adds up: what
// the changes leave open is a bar of its own, and the parts of a split bar fill it to the last digit.
import { scaleLinear } from 'd3-scale';
import type { Theme } from '../tokens/tokens';
import { amount } from './data';
import { isZero, negate, sum } from './decimal';
import { compact, exact } from './format';
import { round } from './path';
import { fitText, textWidth } from './text';

export interface WaterfallPart {
  readonly key: string;
  readonly label: string;
  /** Signed decimal. */
  readonly value: string;
}

export interface WaterfallBar extends WaterfallPart {
  readonly kind: 'total' | 'change';
  /** What the bar is made of; they need not be in order. */
  readonly parts?: readonly WaterfallPart[];
  /** Said on hover. */
  readonly notes?: readonly string[];
}

/** The first and last bars are totals, those between are changes. */
export interface WaterfallData {
  readonly bars: readonly WaterfallBar[];
  readonly currency: string;
  /** Key of the bar that is shown as its parts. */
  readonly split?: string | null;
  /** What no part claims, in words; default "Other". */
  readonly rest?: string;
}

export type BarTone = 'total' | 'up' | 'down' | 'none';

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface DrawnBar extends Box {
  /** "churn", or "churn/team" of a part. */
  readonly key: string;
  readonly of: string;
  /** Key of the part; null for a whole bar. */
  readonly part: string | null;
  /** Whole name, and the lines of it that fit. */
  readonly name: string;
  readonly lines: readonly string[];
  readonly labelX: number;
  readonly labelY: number;
  readonly text: string;
  readonly exact: string;
  readonly value: string;
  readonly valueX: number;
  readonly valueY: number;
  readonly tone: BarTone;
  readonly colour: string;
  readonly opacity: number;
  /** Where it is hit: more than the bar. */
  readonly slot: Box;
  /** Px of its foot that is cut off; 0 where the scale begins at nothing. */
  readonly cut: number;
  readonly notes: readonly string[];
}

export interface Connector {
  readonly key: string;
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** The bar that was split, over its parts. */
export interface Brace {
  readonly key: string;
  readonly name: string;
  readonly text: string;
  readonly textX: number;
  readonly textY: number;
  readonly x1: number;
  readonly x2: number;
  readonly y: number;
}

export interface WaterfallScene {
  readonly width: number;
  readonly height: number;
  readonly upright: boolean;
  readonly bars: readonly DrawnBar[];
  readonly connectors: readonly Connector[];
  readonly brace: Brace | null;
  /** Place of zero, or of the cut. */
  readonly base: number;
  readonly cut: boolean;
  readonly anchor: 'middle' | 'end';
  readonly empty: boolean;
}

export const UNEXPLAINED = 'unexplained';
export const OTHER = '…';
const UPRIGHT = 60; // letters' heights; on less, bars lie: their names are read without turning the head
const MOST_PARTS = 6;
const WIDEST = 92; // px of a bar
const TOP = 44; // the brace, and the highest bar's value
const ROW = 40;
const PART_ROW = 32;
const CUT = 8;

interface Item {
  readonly bar: WaterfallBar;
  readonly part: WaterfallPart | null;
  readonly from: number;
  readonly to: number;
}

/** Lays out a waterfall in `width` px; lying bars take the height they need. */
export function layoutWaterfall(data: WaterfallData, width: number, height: number, theme: Theme): WaterfallScene {
  const bars = whole(data.bars);
  const split = bars.find((bar) => bar.key === data.split && partsOf(bar).length > 0) ?? null;
  const items = itemsOf(bars, split, data.rest);
  const upright = width >= UPRIGHT * theme.size;
  const [low, high, cut] = range(items, split);
  const draw = upright ? columns : rows;
  return { ...draw(items, split, { low, high, cut }, width, height, data.currency, theme), cut, empty: bars.every((bar) => isZero(bar.value)) };
}

/** With a bar for what the changes leave open, so that opening and changes give the closing. */
function whole(bars: readonly WaterfallBar[]): readonly WaterfallBar[] {
  const closing = bars.at(-1);
  if (!closing) return bars;
  const open = sum([closing.value, ...bars.slice(0, -1).map((bar) => negate(bar.value))]);
  if (isZero(open)) return bars;
  const unexplained: WaterfallBar = { key: UNEXPLAINED, label: 'Not explained', value: open, kind: 'change' };
  return [...bars.slice(0, -1), unexplained, closing];
}

/** The largest parts in order, the rest and what no part claims as one. */
export function partsOf(bar: WaterfallBar, other = 'Other'): readonly WaterfallPart[] {
  const parts = (bar.parts ?? []).filter((part) => !isZero(part.value));
  if (!parts.length) return [];
  const ranked = [...parts].sort((a, b) => Math.abs(amount(b.value)!) - Math.abs(amount(a.value)!));
  const kept = ranked.length > MOST_PARTS ? ranked.slice(0, MOST_PARTS - 1) : ranked;
  const rest = sum([bar.value, ...kept.map((part) => negate(part.value))]);
  return isZero(rest) ? kept : [...kept, { key: OTHER, label: other, value: rest }];
}

function itemsOf(bars: readonly WaterfallBar[], split: WaterfallBar | null, other = 'Other'): Item[] {
  const items: Item[] = [];
  let level = 0;
  for (const bar of bars) {
    if (bar.kind === 'total') level = 0;
    const end = level + amount(bar.value)!;
    if (bar === split) {
      let at = level;
      for (const part of partsOf(bar, other)) {
        const to = at + amount(part.value)!;
        items.push({ bar, part, from: at, to });
        at = to;
      }
    } else items.push({ bar, part: null, from: level, to: end });
    level = end;
  }
  return items;
}

/** Lowest and highest level drawn; small changes of a large total are seen by cutting its foot off. */
function range(items: readonly Item[], split: WaterfallBar | null): [number, number, boolean] {
  const moves = items.filter(({ bar, part }) => bar.kind === 'change' || part);
  const levels = [...items.map(({ to }) => to), ...moves.map(({ from }) => from)];
  const [low, high] = [Math.min(...levels), Math.max(...levels)];
  const spread = high - low;
  if (split?.kind === 'total' || low <= 0 || spread === 0 || spread > 0.5 * high) return [Math.min(0, low), Math.max(0, high) || 1, false];
  return [low - 0.35 * spread, high, true];
}

interface Scale {
  readonly low: number;
  readonly high: number;
  readonly cut: boolean;
}
type Drawn = Omit<WaterfallScene, 'cut' | 'empty'>;

function toneOf({ bar, part, from, to }: Item): BarTone {
  if (bar.kind === 'total') return 'total';
  const value = part ? to - from : amount(bar.value)!;
  return value > 0 ? 'up' : value < 0 ? 'down' : 'none';
}

function colourOf(tone: BarTone, { colours }: Theme): string {
  return { total: colours.muted, up: colours.series[0], down: colours.series[1], none: colours.line }[tone];
}

/** "+$4.2k", "−$980", a total without a sign. */
export function signedText(value: string, total: boolean, currency: string): string {
  const text = compact(value, 'money', currency);
  return !total && amount(value)! > 0 ? `+${text}` : text;
}

function named(item: Item, currency: string, theme: Theme): Pick<DrawnBar, 'key' | 'of' | 'part' | 'name' | 'text' | 'exact' | 'value' | 'tone' | 'colour' | 'opacity' | 'notes'> {
  const { bar, part } = item;
  const { value } = part ?? bar;
  const tone = toneOf(item);
  const sign = bar.kind === 'change' && amount(value)! > 0 ? '+' : '';
  return {
    key: part ? `${bar.key}/${part.key}` : bar.key,
    of: bar.key,
    part: part?.key ?? null,
    name: (part ?? bar).label,
    text: signedText(value, bar.kind === 'total', currency),
    exact: sign + exact(value, 'money', currency),
    value,
    tone,
    colour: colourOf(tone, theme),
    opacity: 1,
    notes: part ? [] : (bar.notes ?? []),
  };
}

function columns(items: readonly Item[], split: WaterfallBar | null, scale: Scale, width: number, height: number, currency: string, theme: Theme): Drawn {
  const { size } = theme;
  const line = size + 4;
  const slot = width / Math.max(1, items.length);
  const names = items.map(({ bar, part }) => wrapped((part ?? bar).label, slot - 6, size));
  const base = height - Math.max(1, ...names.map((lines) => lines.length)) * line - 8;
  const room = line + 2; // a falling bar's value stands under it
  const y = scaleLinear().domain([scale.low, scale.high]).range([base - (scale.cut ? 0 : items.some((item) => item.to < 0 || item.from < 0) ? room : 0), TOP]);
  const bar = Math.min(WIDEST, slot * 0.72);
  const bars = items.map((item, i): DrawnBar => {
    const of = named(item, currency, theme);
    const x = i * slot + (slot - bar) / 2;
    const from = item.bar.kind === 'total' && !item.part && scale.cut ? scale.low : item.from;
    const [top, foot] = [y(Math.max(from, item.to)), y(Math.min(from, item.to))];
    const tall = Math.max(of.tone === 'none' ? 1 : 2, foot - top);
    const falls = of.tone === 'down';
    return {
      ...of,
      x: round(x),
      y: round(top),
      width: round(bar),
      height: round(tall),
      lines: names[i]!,
      labelX: round(i * slot + slot / 2),
      labelY: round(base + line + 2),
      valueX: round(i * slot + slot / 2),
      valueY: round(falls ? top + tall + size + 3 : top - 6),
      slot: { x: round(i * slot), y: TOP - 20, width: round(slot), height: height - TOP + 20 },
      cut: of.tone === 'total' && !item.part && scale.cut ? CUT : 0,
    };
  });
  const connectors = items.slice(0, -1).map((item, i): Connector => {
    const [here, next] = [bars[i]!, bars[i + 1]!];
    const level = round(y(item.to));
    return { key: here.key, x1: here.x + here.width, y1: level, x2: next.x, y2: level };
  });
  return { width, height, upright: true, bars, connectors, base: round(y(scale.cut ? scale.low : 0)), anchor: 'middle', brace: braceOf(bars, split, currency, theme) };
}

function braceOf(bars: readonly DrawnBar[], split: WaterfallBar | null, currency: string, { size }: Theme): Brace | null {
  const inside = bars.filter((bar) => bar.part !== null);
  if (!split || !inside.length) return null;
  const [x1, x2] = [inside[0]!.x, inside.at(-1)!.x + inside.at(-1)!.width];
  const text = `${split.label} ${signedText(split.value, split.kind === 'total', currency)}`;
  const half = textWidth(text, size, 600) / 2;
  const textX = Math.max(half, (x1 + x2) / 2);
  return { key: split.key, name: split.label, text, textX: round(textX), textY: size, x1, x2, y: size + 8 };
}

function rows(items: readonly Item[], split: WaterfallBar | null, scale: Scale, width: number, _: number, currency: string, theme: Theme): Drawn {
  const { size } = theme;
  const texts = items.map((item) => named(item, currency, theme));
  const left = Math.min(width * 0.36, Math.ceil(Math.max(...texts.map(({ name, part }) => textWidth(name, size) + (part === null ? 0 : 10)))) + 10);
  const right = width - Math.ceil(Math.max(...texts.map(({ text }) => textWidth(text, size, 600)))) - 10;
  const x = scaleLinear().domain([scale.low, scale.high]).range([left, right]);
  let at = 0;
  let brace: Brace | null = null;
  const bars = items.map((item, i): DrawnBar => {
    const of = texts[i]!;
    if (item.part && item.bar === split && !brace) {
      const text = signedText(split.value, split.kind === 'total', currency);
      brace = { key: split.key, name: split.label, text: `${split.label} ${text}`, textX: 0, textY: round(at + ROW / 2 + size * 0.35), x1: left, x2: right, y: at + ROW / 2 };
      at += ROW - 4;
    }
    const tall = item.part ? PART_ROW : ROW;
    const from = item.bar.kind === 'total' && !item.part && scale.cut ? scale.low : item.from;
    const [start, end] = [x(Math.min(from, item.to)), x(Math.max(from, item.to))];
    const thick = tall * 0.55;
    const drawn: DrawnBar = {
      ...of,
      x: round(start),
      y: round(at + (tall - thick) / 2),
      width: round(Math.max(of.tone === 'none' ? 1 : 2, end - start)),
      height: round(thick),
      lines: [fitText(of.name, left - 8 - (item.part ? 10 : 0), size)],
      labelX: item.part ? 10 : 0,
      labelY: round(at + tall / 2 + size * 0.35),
      valueX: width,
      valueY: round(at + tall / 2 + size * 0.35),
      slot: { x: 0, y: round(at), width, height: tall },
      cut: of.tone === 'total' && !item.part && scale.cut ? CUT : 0,
    };
    at += tall;
    return drawn;
  });
  const connectors = items.slice(0, -1).map((item, i): Connector => {
    const [here, next] = [bars[i]!, bars[i + 1]!];
    const level = round(x(item.to));
    return { key: here.key, x1: level, y1: here.y + here.height, x2: level, y2: next.y };
  });
  return { width, height: at, upright: false, bars, connectors, base: round(x(scale.cut ? scale.low : 0)), anchor: 'end', brace };
}

/** At most two lines of words; what does not fit ends in an ellipsis. */
function wrapped(text: string, room: number, size: number): string[] {
  if (textWidth(text, size) <= room) return [text];
  const words = text.split(' ');
  let first = words[0]!;
  let n = 1;
  while (n < words.length && textWidth(`${first} ${words[n]}`, size) <= room) first += ` ${words[n++]}`;
  const rest = words.slice(n).join(' ');
  return rest ? [fitText(first, room, size), fitText(rest, room, size)] : [fitText(first, room, size)];
}

/** The scene at share `t` (0 to 1) of the way: a split bar comes apart, and its parts come together again. */
export function betweenWaterfalls(from: WaterfallScene, to: WaterfallScene, t: number): WaterfallScene {
  if (t >= 1) return to;
  const before = new Map(from.bars.map((bar) => [bar.key, bar]));
  const links = new Map(from.connectors.map((link) => [link.key, link]));
  return {
    ...to,
    height: mix(from.height, to.height, t),
    bars: to.bars.map((bar) => mixed(before.get(bar.key) ?? origin(bar, from.bars), bar, t)),
    // What joins bars that are only just coming apart is drawn when they have arrived.
    connectors: to.connectors.flatMap((link) => {
      const was = links.get(link.key);
      if (!was) return [];
      return [{ key: link.key, x1: mix(was.x1, link.x1, t), y1: mix(was.y1, link.y1, t), x2: mix(was.x2, link.x2, t), y2: mix(was.y2, link.y2, t) }];
    }),
  };
}

/** Where a fresh bar comes from: the bar it is a part of, its parts together, or its own place out of nothing. */
function origin(bar: DrawnBar, before: readonly DrawnBar[]): DrawnBar {
  const kin = before.filter((one) => one.of === bar.of);
  if (!kin.length) return { ...bar, opacity: 0 };
  const x = Math.min(...kin.map((one) => one.x));
  const y = Math.min(...kin.map((one) => one.y));
  return {
    ...bar,
    x,
    y,
    width: Math.max(...kin.map((one) => one.x + one.width)) - x,
    height: Math.max(...kin.map((one) => one.y + one.height)) - y,
    opacity: 0.4,
  };
}

const mix = (a: number, b: number, t: number): number => round(a + (b - a) * t);

function mixed(from: DrawnBar, to: DrawnBar, t: number): DrawnBar {
  const at = (key: 'x' | 'y' | 'width' | 'height' | 'labelX' | 'labelY' | 'valueX' | 'valueY'): number => mix(from[key], to[key], t);
  return {
    ...to,
    x: at('x'),
    y: at('y'),
    width: at('width'),
    height: at('height'),
    labelX: at('labelX'),
    labelY: at('labelY'),
    valueX: at('valueX'),
    valueY: at('valueY'),
    opacity: from.opacity + (to.opacity - from.opacity) * t,
  };
}
