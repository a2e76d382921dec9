// Rows of bars on one scale: products, countries, plans.
import type { Theme } from '../tokens/tokens';
import { round } from './path';

export interface BarRow {
  readonly key: string;
  readonly label: string;
  readonly value: number | null;
  readonly compare?: number | null;
}

export interface BarScene {
  readonly width: number;
  readonly height: number;
  readonly zero: number;
  readonly bars: readonly {
    readonly key: string;
    readonly label: string;
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly colour: string;
    /** Where the comparison stood; null without one. */
    readonly before: number | null;
  }[];
}

/** Lays out one horizontal bar for each row, `height` shared evenly. */
export function layoutBars(rows: readonly BarRow[], width: number, height: number, theme: Theme): BarScene {
  const values = rows.flatMap((row) => [row.value ?? 0, row.compare ?? 0]);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const span = high - low || 1;
  const at = (value: number): number => ((value - low) / span) * width;
  const pitch = height / Math.max(1, rows.length);
  const thick = Math.min(16, Math.max(4, pitch - 8));
  return {
    width,
    height,
    zero: round(at(0)),
    bars: rows.map((row, index) => {
      const value = row.value ?? 0;
      return {
        key: row.key,
        label: row.label,
        x: round(Math.min(at(0), at(value))),
        y: round(index * pitch + (pitch - thick) / 2),
        width: round(Math.abs(at(value) - at(0))),
        height: round(thick),
        colour: value < 0 ? theme.colours.bad : theme.colours.series[0],
        before: row.compare === null || row.compare === undefined ? null : round(at(row.compare)),
      };
    }),
  };
}
