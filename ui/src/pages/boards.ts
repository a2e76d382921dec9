/** Tiles of boards: what kinds there are, what they are called, which days they are of, how a first board begins. Pure. */
import { added } from '../core/board';
import { parse } from '../router';
import { isPreset, PRESETS, resolve, type Calendar, type Range, type Span } from '../shell/dates';
import { dimensionWords } from '../shell/words';
import type { EventName, Metric, NewBoard, OneAsked, Tile, TileKind } from '../wire';
import { funnelAsked, parseFunnel, startingSteps } from './funnel';
import { KINDS as USES, startingReturn } from './usage';
import { doingAsked, just } from './doing';

/** What a tile shows, wherever it stands. */
export type What = Omit<Tile, 'id' | 'x' | 'y' | 'w' | 'h'>;

type Drawn = Exclude<TileKind, 'hidden'>;

export const KINDS: readonly { readonly id: Drawn; readonly label: string; readonly hint: string; readonly w: number; readonly h: number }[] = [
  { id: 'number', label: 'Number', hint: 'One figure, its change and its recent past', w: 3, h: 2 },
  { id: 'series', label: 'Chart', hint: 'A metric over time, whole or split', w: 6, h: 5 },
  { id: 'bars', label: 'Bars', hint: 'A metric by plan, country or product', w: 6, h: 5 },
  { id: 'products', label: 'Products', hint: 'A row per product: its line, its figure and its change', w: 12, h: 6 },
  { id: 'bridge', label: 'MRR bridge', hint: 'From opening to closing MRR', w: 12, h: 6 },
  { id: 'retention', label: 'Retention', hint: 'Who comes back, by when they began', w: 12, h: 7 },
  { id: 'funnel', label: 'Funnel', hint: 'How far users get, and by which route', w: 12, h: 6 },
  { id: 'lifecycle', label: 'Lifecycle', hint: 'Who is new, stays, comes back and goes quiet', w: 6, h: 6 },
  { id: 'text', label: 'Text', hint: 'A heading, or what to look at', w: 12, h: 2 },
];
export const LOOKS = [
  { id: 'lines', label: 'Lines' },
  { id: 'areas', label: 'Stacked' },
  { id: 'shares', label: 'Shares' },
] as const;

export const measured = (kind: TileKind): boolean => kind === 'number' || kind === 'series' || kind === 'bars' || kind === 'products';
export const walked = (kind: TileKind): kind is 'retention' | 'funnel' | 'lifecycle' => kind === 'retention' || kind === 'funnel' || kind === 'lifecycle';

/** The dates of a tile: its own, or the page's. */
export function rangeOf(tile: Pick<Tile, 'range'>, page: Range): Range {
  return tile.range ? parse('/', `?range=${tile.range}`).range : page;
}
export const spanOf = (tile: Pick<Tile, 'range'>, page: Range, calendar: Calendar): Span => resolve(rangeOf(tile, page), calendar);

const rangeName = (range: string): string => (isPreset(range) ? (PRESETS.find((one) => one.id === range)?.label ?? range) : range.replace('..', ' to '));

/** What a tile is called: its own title, or what it shows. */
export function titleOf(tile: Tile, metrics: ReadonlyMap<string, Metric>, nameOf: (product: string) => string): string {
  if (tile.title) return tile.title;
  if (tile.kind === 'text') return (tile.text ?? '').split('\n')[0]!.slice(0, 60);
  const kind = KINDS.find((one) => one.id === tile.kind);
  const what = measured(tile.kind) ? (metrics.get(tile.metric ?? '')?.title ?? tile.metric ?? '') : (kind?.label ?? 'Hidden');
  const split = tile.kind === 'products' ? 'product' : tile.kind === 'number' ? '' : tile.by;
  const by = split ? ` by ${dimensionWords(split).toLowerCase()}` : '';
  const of = tile.products?.length ? `, ${tile.products.map(nameOf).join(' and ')}` : '';
  return `${what}${by}${of}${tile.range ? `, ${rangeName(tile.range).toLowerCase()}` : ''}`;
}

/** Where a tile stands, as it is said aloud. */
export const placeOf = ({ x, y, w, h }: Tile): string => `column ${x + 1}, row ${y + 1}, ${w} wide, ${h} high`;

/** A question about use for whoever has saved none, of the events that have come; its days are put in when it is asked. */
export function usualOf(kind: 'retention' | 'funnel' | 'lifecycle', names: readonly EventName[]): OneAsked | null {
  if (kind === 'lifecycle') return { lifecycle: {} };
  if (kind === 'retention') {
    const { start, back } = startingReturn(names);
    return start && back ? { retention: { start: doingAsked(just(start)), return: doingAsked(just(back)), grain: 'month' } } : null;
  }
  const funnel = funnelAsked(parseFunnel({}, startingSteps(names)), {});
  return funnel && { funnel };
}

/** A saved question without what the board gives: its days and products. */
export function bareOf(of: OneAsked, kind: 'retention' | 'funnel' | 'lifecycle'): OneAsked {
  const { from: _, to: __, product: ___, ...question } = of[kind]! as Record<string, unknown>;
  return { [kind]: question };
}

export const usageWords = (of: OneAsked | undefined): string => (of ? (Object.entries(USES).find(([kind]) => of[kind as keyof OneAsked])?.[1] ?? '') : '');

export const freshId = (tiles: readonly Tile[]): string => String(1 + Math.max(0, ...tiles.map((tile) => Number(tile.id) || 0)));

/** A new tile on a board, where it finds room. */
export function withTile(tiles: readonly Tile[], tile: What): Tile[] {
  const { w, h } = KINDS.find((one) => one.id === tile.kind)!;
  return added(tiles, { ...tile, id: freshId(tiles), x: 0, y: 0, w, h });
}

/** A board to begin with, of what the company has: money where money comes, use where use does. */
export function morning(metrics: ReadonlyMap<string, Metric>, billed: boolean, names: readonly EventName[]): NewBoard {
  const figures = billed ? ['mrr', 'net_new_mrr', 'cancellations', 'signups'] : ['revenue', 'signups', 'dau', 'visitors'];
  const retention = names.length ? usualOf('retention', names) : null;
  const tiles: What[] = [
    ...figures.filter((name) => metrics.has(name)).map((metric) => ({ kind: 'number' as const, metric })),
    { kind: 'series', metric: 'revenue', by: 'product', look: 'areas' },
    { kind: 'bars', metric: 'signups', by: 'product' },
    ...(billed ? [{ kind: 'bridge' as const }] : []),
    ...(retention ? [{ kind: 'retention' as const, of: retention }] : []),
  ];
  return { name: 'Morning', tiles: tiles.reduce<Tile[]>(withTile, []) };
}
