// The value axis: few round ticks that enclose what is drawn.
import { scaleLinear } from 'd3-scale';
import { axisFormat } from './format';
import type { Unit } from './data';

export interface ValueTick {
  readonly value: number;
  readonly y: number;
  readonly label: string;
}

export interface ValueAxis {
  readonly domain: readonly [number, number];
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
}

/** Ticks for values between `low` and `high`; about `count` of them, whole where people are counted. */
export function valueAxis(low: number, high: number, count: number, unit: Unit, currency: string): ValueAxis {
  let [bottom, top] = low <= high ? [low, high] : [0, 1];
  if (bottom === top) {
    if (bottom === 0) top = unit === 'ratio' ? 0.1 : 1;
    else [bottom, top] = bottom > 0 ? [0, top] : [bottom, 0];
  }
  const scale = scaleLinear().domain([bottom, top]).nice(count);
  let values = scale.ticks(count);
  if (unit === 'count') values = values.filter(Number.isInteger);
  const [from, to] = scale.domain() as [number, number];
  const step = values.length > 1 ? values[1]! - values[0]! : to - from;
  const label = axisFormat(step, Math.max(Math.abs(from), Math.abs(to)), unit, currency);
  return { domain: [from, to], ticks: values.map((value) => ({ value, label: label(value) })) };
}
