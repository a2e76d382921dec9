// A funnel with branches as a flow: every user of a node goes on, leaves, or may still go on.
import type { FlowLink, FlowNode, FunnelStep } from '../wire';
import type { Theme } from '../tokens/tokens';
import { compact, exact } from './format';
import { hatchPath, round } from './path';
import type { Column, Row } from './table';
import { fitText, textWidth } from './text';

export interface FlowData {
  readonly steps: readonly FunnelStep[];
  readonly nodes: readonly FlowNode[];
  readonly links: readonly FlowLink[];
  readonly words?: FlowWords;
}

/** What is counted, and what becomes of it. */
export interface FlowWords {
  readonly one: string;
  readonly many: string;
  readonly left: string;
  readonly all: string;
  readonly time: string;
  readonly entered: string;
}

export const USERS: FlowWords = { one: 'user', many: 'users', left: 'went no further', all: 'of all who entered', time: 'median time', entered: 'entered' };
export const VISITS: FlowWords = { one: 'visit', many: 'visits', left: 'ended here', all: 'of all visits', time: 'mean time', entered: 'visits' };

export type FlowKind = 'node' | 'link' | 'left' | 'open';

/** What may be looked at, in the order in which keys go through them. */
export interface FlowItem {
  readonly id: string;
  readonly kind: FlowKind;
  readonly title: string;
  readonly rows: readonly { readonly label: string; readonly value: string }[];
  readonly spoken: string;
  /** Where the focus is drawn. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface FlowBox {
  readonly id: string;
  readonly kind: Exclude<FlowKind, 'link'>;
  readonly x: number;
  readonly y: number;
  readonly height: number;
  readonly label: string;
  readonly value: string;
  readonly labelX: number;
  readonly labelY: number;
  readonly hatch: string;
}

export interface FlowBand {
  readonly id: string;
  readonly kind: Exclude<FlowKind, 'node'>;
  readonly source: string;
  readonly target: string;
  readonly d: string;
  /** px at either end: the same for all users of the picture. */
  readonly thick: number;
  readonly sourceY: number;
  readonly targetY: number;
  readonly time: string;
  readonly timeX: number;
  readonly timeY: number;
}

export interface FlowHead {
  readonly key: number;
  readonly x: number;
  readonly name: string;
  readonly count: string;
  readonly share: string;
}

export interface FlowScene {
  readonly width: number;
  readonly height: number;
  readonly bar: number;
  readonly heads: readonly FlowHead[];
  readonly boxes: readonly FlowBox[];
  readonly bands: readonly FlowBand[];
  readonly items: readonly FlowItem[];
  readonly empty: boolean;
}

const BAR = 10;
const GAP = 10; // between boxes of a column
const HEAD = 68;
const TEXT = 12; // px between a box and its words

/** Room a flow of so many steps needs to be read. */
export const flowWidth = (steps: number): number => steps * 164;

/** Height a flow needs so that small boxes have room for their words and large ones still differ. */
export function flowHeight(data: FlowData, least: number): number {
  const boxes = Math.max(0, ...slotsOf(data).map((column) => column.length));
  return Math.max(least, HEAD + boxes * 42 + 220);
}

interface Slot {
  id: string;
  kind: Exclude<FlowKind, 'link'>;
  column: number;
  count: number;
  label: string;
  y: number;
}

interface Ribbon {
  id: string;
  kind: Exclude<FlowKind, 'node'>;
  source: Slot;
  target: Slot;
  count: number;
  median: number | null;
  from: number;
  to: number;
}

/** Lays out a flow in `width` by `height` px; thickness is users, the same in every column. */
export function layoutFlow(data: FlowData, width: number, height: number, theme: Theme): FlowScene {
  const { size } = theme;
  const least = size * 2 + 8; // of a box with its two lines of words
  const columns = slotsOf(data);
  const scale = scaleOf(columns, height - HEAD - 8, least);
  for (const column of columns) {
    let y = HEAD;
    for (const slot of column) {
      slot.y = y;
      y += Math.max(slot.count * scale, least) + GAP;
    }
  }
  const step = width / Math.max(1, data.steps.length);
  const xOf = (slot: Slot): number => slot.column * step + 1;
  const ribbons = ribbonsOf(data, columns, scale);
  const time = (ribbon: Ribbon): string => (ribbon.median === null || ribbon.count * scale < size + 2 ? '' : compact(ribbon.median, 'seconds'));
  const bands = ribbons.map((ribbon): FlowBand => {
    const [x0, x1, thick] = [xOf(ribbon.source) + BAR, xOf(ribbon.target), ribbon.count * scale];
    const middle = (x0 + x1) / 2;
    const { from, to } = ribbon;
    return {
      id: ribbon.id,
      kind: ribbon.kind,
      source: ribbon.source.id,
      target: ribbon.target.id,
      d:
        `M${round(x0)},${round(from)}C${round(middle)},${round(from)} ${round(middle)},${round(to)} ${round(x1)},${round(to)}` +
        `V${round(to + thick)}C${round(middle)},${round(to + thick)} ${round(middle)},${round(from + thick)} ${round(x0)},${round(from + thick)}Z`,
      thick: round(thick),
      sourceY: round(from),
      targetY: round(to),
      time: time(ribbon),
      timeX: round(x1 - 8),
      timeY: round(to + thick / 2 + size * 0.35),
    };
  });
  const boxes = columns.flat().map((slot): FlowBox => {
    const times = ribbons.filter(({ source }) => source === slot).map((ribbon) => textWidth(time(ribbon), size));
    const room = step - BAR - TEXT - 16 - (times.length ? Math.max(...times) : 0);
    const tall = slot.count * scale;
    return {
      id: slot.id,
      kind: slot.kind,
      x: round(xOf(slot)),
      y: round(slot.y),
      height: round(Math.max(1.5, tall)),
      label: fitText(slot.label, room, size, slot.kind === 'node' ? 600 : 400),
      value: exact(slot.count, 'count'),
      labelX: round(xOf(slot) + BAR + TEXT - 4),
      labelY: round(slot.y + size),
      hatch: slot.kind === 'open' ? hatchPath(xOf(slot), slot.y, BAR, tall, 4) : '',
    };
  });
  return {
    width,
    height,
    bar: BAR,
    heads: data.steps.map((one, i) => headOf(one, i, data, i * step + 1, step - 12, size)),
    boxes,
    bands,
    items: itemsOf(data, columns, ribbons, bands, boxes),
    empty: data.nodes.length === 0,
  };
}

const titled = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);

const leftId = (step: number): string => `left/${step}`;
const openId = (step: number): string => `open/${step}`;

/** Boxes by column, from the top: who did the step, then who left or may still come to it. */
function slotsOf({ steps, nodes, words = USERS }: FlowData): Slot[][] {
  return steps.map((_, column) => {
    const here = nodes.filter((node) => node.step === column + 1).sort((a, b) => b.count - a.count);
    const before = nodes.filter((node) => node.step === column);
    const [left, open] = [total(before, 'dropped'), total(before, 'open')];
    return [
      ...here.map((node): Slot => ({ id: node.id, kind: 'node', column, count: node.count, label: node.label, y: 0 })),
      ...(left ? [{ id: leftId(column), kind: 'left' as const, column, count: left, label: words.left, y: 0 }] : []),
      ...(open ? [{ id: openId(column), kind: 'open' as const, column, count: open, label: 'may still go on', y: 0 }] : []),
    ];
  });
}

const total = (nodes: readonly FlowNode[], of: 'dropped' | 'open'): number => nodes.reduce((sum, node) => sum + node[of], 0);

/** px a user, so that the fullest column fits though small boxes take room for their words. */
function scaleOf(columns: readonly Slot[][], room: number, least: number): number {
  const taken = (scale: number): number =>
    Math.max(...columns.map((column) => column.reduce((sum, { count }) => sum + Math.max(count * scale, least) + GAP, -GAP)));
  const most = Math.max(1, ...columns.flat().map(({ count }) => count));
  let [low, high] = [0, room / most];
  for (let i = 0; i < 40; i += 1) {
    const middle = (low + high) / 2;
    if (taken(middle) <= room) low = middle;
    else high = middle;
  }
  return low || 1 / most;
}

function ribbonsOf({ nodes, links, steps }: FlowData, columns: readonly Slot[][], scale: number): Ribbon[] {
  const slots = new Map(columns.flat().map((slot) => [slot.id, slot]));
  const ribbons = links.flatMap((link): Ribbon[] => {
    const [source, target] = [slots.get(link.source), slots.get(link.target)];
    return source && target ? [{ id: `${link.source}>${link.target}`, kind: 'link', source, target, count: link.count, median: link.median_seconds, from: 0, to: 0 }] : [];
  });
  for (const node of nodes) {
    if (node.step === steps.length) continue;
    const source = slots.get(node.id)!;
    const ends = [
      { kind: 'left', count: node.dropped, target: slots.get(leftId(node.step)) },
      { kind: 'open', count: node.open, target: slots.get(openId(node.step)) },
    ] as const;
    for (const { kind, count, target } of ends) if (count && target) ribbons.push({ id: `${node.id}>${target.id}`, kind, source, target, count, median: null, from: 0, to: 0 });
  }
  const place = (side: 'source' | 'target', other: 'source' | 'target', put: 'from' | 'to'): void => {
    for (const slot of slots.values()) {
      let y = slot.y;
      const own = ribbons.filter((ribbon) => ribbon[side] === slot).sort((a, b) => a[other].y - b[other].y || a[other].column - b[other].column);
      for (const ribbon of own) {
        ribbon[put] = y;
        y += ribbon.count * scale;
      }
    }
  };
  place('source', 'target', 'from');
  place('target', 'source', 'to');
  return ribbons;
}

function headOf(step: FunnelStep, i: number, { steps, words = USERS }: FlowData, x: number, room: number, size: number): FlowHead {
  // Of a step after an optional one: those of the last that had to be done.
  const before = steps.findLastIndex(({ count }, j) => j < i && count > 0 && Math.abs(step.count / count - (step.step_conversion ?? -1)) < 1e-9);
  const share = i === 0 ? words.entered : before <= 0 ? `${compact(step.conversion, 'ratio')} of ${compact(steps[0]!.count, 'count')}` : `${compact(step.conversion, 'ratio')}, ${compact(step.step_conversion, 'ratio')} of step ${before + 1}`;
  return {
    key: i,
    x: round(x),
    name: fitText(`${i + 1}. ${step.label}`, room, size, 600),
    count: exact(step.count, 'count'),
    share: fitText(share, room, size),
  };
}

const counted = (count: number, { one, many }: FlowWords): string => `${exact(count, 'count')} ${count === 1 ? one : many}`;
const part = (count: number, of: number): string => compact(of ? count / of : null, 'ratio');

function itemsOf({ nodes, steps, words = USERS }: FlowData, columns: readonly Slot[][], ribbons: readonly Ribbon[], bands: readonly FlowBand[], boxes: readonly FlowBox[]): FlowItem[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const boxOf = new Map(boxes.map((box) => [box.id, box]));
  const entered = steps[0]?.count ?? 0;
  const made = (id: string, kind: FlowKind, title: string, rows: FlowItem['rows'], place: Pick<FlowItem, 'x' | 'y' | 'width' | 'height'>): FlowItem => ({
    id,
    kind,
    title,
    rows,
    spoken: `${title}: ${rows.map(({ label, value }) => `${value} ${label}`).join(', ')}`,
    ...place,
  });
  return columns.flat().flatMap((slot): FlowItem[] => {
    const box = boxOf.get(slot.id)!;
    const at = { x: box.x - 2, y: box.y - 2, width: BAR + 4, height: Math.max(16, box.height + 4) };
    const node = byId.get(slot.id);
    if (!node) {
      const about = steps[slot.column - 1]?.label ?? '';
      return [made(slot.id, slot.kind, slot.kind === 'left' ? `${titled(words.left)}: ${about}` : `After ${about}, window not over`, [{ label: words.many, value: exact(slot.count, 'count') }, { label: words.all, value: part(slot.count, entered) }], at)];
    }
    const last = node.step === steps.length;
    const rows = [
      { label: words.many, value: exact(node.count, 'count') },
      { label: words.all, value: part(node.count, entered) },
      ...(last ? [] : [{ label: words.left, value: exact(node.dropped, 'count') }]),
      ...(node.open ? [{ label: 'may still go on', value: exact(node.open, 'count') }] : []),
    ];
    const out = ribbons.filter(({ source }) => source === slot);
    return [
      made(slot.id, 'node', `${node.step}. ${node.label}`, rows, at),
      ...out.map((ribbon) => {
        const band = bands.find(({ id }) => id === ribbon.id)!;
        return made(
          ribbon.id,
          ribbon.kind,
          `${slot.label} → ${ribbon.target.label}`,
          [
            { label: ribbon.count === 1 ? words.one : words.many, value: exact(ribbon.count, 'count') },
            { label: `of ${counted(node.count, words)} there`, value: part(ribbon.count, node.count) },
            ...(ribbon.median === null ? [] : [{ label: words.time, value: exact(ribbon.median, 'seconds') }]),
          ],
          { x: round((box.x + BAR + boxOf.get(ribbon.target.id)!.x) / 2) - 8, y: round((band.sourceY + band.targetY) / 2), width: 16, height: Math.max(16, band.thick) },
        );
      }),
    ];
  });
}

/** The routes that pass through a box or a band, back to the start and forth to the end. */
export function traced(bands: readonly Pick<FlowBand, 'id' | 'source' | 'target'>[], id: string): ReadonlySet<string> {
  const found = new Set([id]);
  const start = bands.find((band) => band.id === id);
  const follow = (from: string, near: 'source' | 'target', far: 'source' | 'target'): void => {
    for (const band of bands) {
      if (band[near] !== from) continue;
      found.add(band.id).add(band[far]);
      follow(band[far], near, far);
    }
  };
  if (start) found.add(start.source).add(start.target);
  follow(start?.target ?? id, 'source', 'target');
  follow(start?.source ?? id, 'target', 'source');
  return found;
}

/** A row a route between two steps, and a row for those who went no further or may still go on. */
export function flowTable({ nodes, links, steps, words = USERS }: FlowData): { columns: Column[]; rows: Row[] } {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const rows = nodes.flatMap((node): Row[] => {
    const out = links.filter(({ source }) => source === node.id).map((link) => ({ to: byId.get(link.target)?.label ?? '', count: link.count, median: link.median_seconds as number | null }));
    const ends = node.step === steps.length ? [{ to: words === USERS ? 'Did every step' : 'Ended or went on', count: node.count }] : [{ to: titled(words.left), count: node.dropped }, { to: 'May still go on', count: node.open }];
    return [...out, ...ends.map((end) => ({ ...end, median: null }))]
      .filter(({ count }) => count > 0)
      .map(({ to, count, median }) => ({ key: `${node.id}>${to}`, step: node.step, from: node.label, to, count, share: node.count ? count / node.count : null, median }));
  });
  return {
    columns: [
      { key: 'step', label: 'Step', unit: 'count' },
      { key: 'from', label: 'From' },
      { key: 'to', label: 'To' },
      { key: 'count', label: titled(words.many), unit: 'count' },
      { key: 'share', label: 'Of those there', unit: 'ratio' },
      { key: 'median', label: titled(words.time), unit: 'seconds' },
    ],
    rows,
  };
}

/** A row a step. */
export function stepTable(steps: readonly FunnelStep[]): { columns: Column[]; rows: Row[] } {
  return {
    columns: [
      { key: 'label', label: 'Step' },
      { key: 'count', label: 'Users', unit: 'count' },
      { key: 'conversion', label: 'Of all', unit: 'ratio' },
      { key: 'matured_conversion', label: 'Of all, window finished', unit: 'ratio' },
      { key: 'step_conversion', label: 'Of the step before', unit: 'ratio' },
      { key: 'dropped', label: 'Went no further', unit: 'count' },
      { key: 'open', label: 'May still go on', unit: 'count' },
      { key: 'median_seconds', label: 'Median time', unit: 'seconds' },
      { key: 'mean_seconds', label: 'Mean time', unit: 'seconds' },
    ],
    rows: steps.map((step, i) => {
      const last = i === steps.length - 1;
      return { ...step, key: String(i), label: `${i + 1}. ${step.label}`, dropped: last ? null : step.dropped, open: last ? null : step.open };
    }),
  };
}

/** How it is on the other branches of the step at which most leave. */
function branches(nodes: readonly FlowNode[], worst: FlowNode): string {
  const others = nodes.filter((node) => node.step === worst.step && node.id !== worst.id && node.count);
  return others.length ? ` (${others.map((node) => `after ${node.label} ${part(node.dropped, node.count)}`).join(', ')})` : '';
}

/** The finding in one sentence. */
export function funnelSentence({ steps, nodes }: FlowData): string {
  const [first, last] = [steps[0], steps.at(-1)];
  if (!first || !last || !first.count) return 'Nobody did the first step in these dates.';
  const worst = nodes.filter((node) => node.step < steps.length).reduce<FlowNode | null>((most, node) => (node.dropped > (most?.dropped ?? 0) ? node : most), null);
  const most = worst ? `; most leave after ${worst.label}: ${exact(worst.dropped, 'count')}, ${part(worst.dropped, worst.count)} of those there${branches(nodes, worst)}` : '';
  return `${exact(last.count, 'count')} of ${counted(first.count, USERS)} did all ${steps.length} steps, ${compact(last.conversion, 'ratio')}${most}.`;
}
