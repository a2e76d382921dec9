// Gains above a line and losses below it, bucket by bucket, with what they come to.
import { scaleLinear } from 'd3-scale';
import type { Theme } from '../tokens/tokens';
import { amount, type Grain, type Unit } from './data';
import { bucketName, GRAIN_WORDS, parseStart } from './dates';
import { sum } from './decimal';
import { exact } from './format';
import { hatchPath, round } from './path';
import { valueAxis, type ValueTick } from './scale';
import { textWidth } from './text';
import { timeTicks, type TimeTick } from './ticks';

export interface DivergingKind {
  readonly key: string;
  readonly label: string;
  readonly tone: 'up' | 'down' | 'none';
  /** 0 to 1: kinds of one tone are told apart by it, and by their place. */
  readonly strength: number;
}

export interface DivergingColumn {
  readonly start: string;
  readonly complete: boolean;
  /** Signed decimals, one for each kind. */
  /** null: nothing of it is known yet. */
  readonly values: readonly (string | null)[];
  /** What it comes to, where that is not the sum of the values. */
  readonly net?: string | null;
}

export interface DivergingData {
  readonly kinds: readonly DivergingKind[];
  /** Oldest first. */
  readonly columns: readonly DivergingColumn[];
  readonly unit: Unit;
  readonly currency?: string;
  readonly grain: Grain;
  /** What a column comes to is called. */
  readonly netLabel?: string;
}

export interface DivergingBlock {
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly colour: string;
  readonly strength: number;
}

export interface DrawnColumn {
  readonly start: string;
  readonly x: number;
  readonly width: number;
  /** Centre of the mark of what it comes to. */
  readonly netX: number;
  readonly netY: number | null;
  readonly title: string;
  readonly complete: boolean;
  readonly rows: readonly { readonly key: string; readonly label: string; readonly value: string }[];
  readonly net: string;
  readonly spoken: string;
}

export interface DivergingScene {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly baseline: number;
  readonly blocks: readonly DivergingBlock[];
  readonly columns: readonly DrawnColumn[];
  readonly yTicks: readonly ValueTick[];
  readonly xTicks: readonly TimeTick[];
  /** Strokes over the buckets that still run. */
  readonly hatch: string;
  readonly empty: boolean;
}

/** What the values of a column come to, as it is called. */
export const TOGETHER = 'Together';

const TOP = 10;
const WIDEST = 56;

/** Lays out gains and losses in `width` by `height` px. */
export function layoutDiverging(data: DivergingData, width: number, height: number, theme: Theme): DivergingScene {
  const { kinds, columns, unit, currency = '', grain, netLabel = TOGETHER } = data;
  const { size } = theme;
  const bottom = height - (size + 12);
  const values = columns.map((column) => column.values.map((value) => amount(value) ?? 0));
  const above = values.map((all) => all.reduce((total, value) => total + Math.max(0, value), 0));
  const below = values.map((all) => all.reduce((total, value) => total + Math.min(0, value), 0));
  const axis = valueAxis(Math.min(0, ...below), Math.max(0, ...above), height < 200 ? 3 : 5, unit, currency);
  const y = scaleLinear().domain(axis.domain).range([bottom, TOP]);
  const left = Math.ceil(Math.max(0, ...axis.ticks.map((tick) => textWidth(tick.label, size)))) + 12;
  const right = width - 4;
  const step = (right - left) / Math.max(1, columns.length);
  const thick = Math.min(WIDEST, step * 0.66);
  const base = round(y(0));

  const blocks: DivergingBlock[] = [];
  const drawn = columns.map((column, i): DrawnColumn => {
    const x = left + i * step + (step - thick) / 2;
    let [up, down] = [0, 0];
    kinds.forEach((kind, k) => {
      const value = values[i]![k]!;
      if (!value) return;
      const from = value > 0 ? up : down;
      if (value > 0) up += value;
      else down += value;
      const [top, foot] = [y(Math.max(from, from + value)), y(Math.min(from, from + value))];
      blocks.push({ key: `${column.start}/${kind.key}`, x: round(x), y: round(top), width: round(thick), height: round(foot - top), colour: colourOf(kind, theme), strength: kind.strength });
    });
    const net = column.net === undefined ? sum(column.values.map((value) => value ?? '0')) : column.net;
    const title = bucketName(column.start, grain);
    const say = (value: string | null): string => `${(amount(value) ?? 0) > 0 ? '+' : ''}${exact(value, unit, currency)}`;
    const rows = kinds.map((kind, k) => ({ key: kind.key, label: kind.label, value: say(column.values[k]!) }));
    const running = column.complete ? '' : `, not all of this ${GRAIN_WORDS[grain].one} is here yet`;
    return {
      start: column.start,
      x: round(left + i * step),
      width: round(step),
      netX: round(x + thick / 2),
      netY: net === null ? null : round(y(amount(net)!)),
      title,
      complete: column.complete,
      rows,
      net: say(net),
      spoken: `${title}${running}: ${netLabel.toLowerCase()} ${say(net)}, ${rows.filter((_, k) => values[i]![k] !== 0).map((row) => `${row.label} ${row.value}`).join(', ')}`,
    };
  });
  const starts = columns.map(({ start }) => ({ start, ...parseStart(start) }));
  return {
    width,
    height,
    left,
    right,
    top: TOP,
    bottom,
    baseline: base,
    blocks,
    columns: drawn,
    yTicks: axis.ticks.map((tick) => ({ ...tick, y: round(y(tick.value)) })),
    xTicks: timeTicks(starts, drawn.map((column) => column.netX), grain, left, right, size),
    hatch: drawn.filter((column) => !column.complete).map((column) => hatchPath(column.x, TOP, column.width, bottom - TOP)).join(''),
    empty: blocks.length === 0,
  };
}

function colourOf({ tone }: DivergingKind, { colours }: Theme): string {
  return { up: colours.series[0], down: colours.series[1], none: colours.rest }[tone];
}
