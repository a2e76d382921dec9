import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DARK, LIGHT, SCREEN, type Palette } from './tokens';

const css = readFileSync('src/tokens/tokens.css', 'utf8');

/** The custom properties of one block of tokens.css. */
function block(opening: string): Map<string, string> {
  const from = css.indexOf(`${opening} {`);
  expect(from, opening).toBeGreaterThanOrEqual(0);
  const body = css.slice(from, css.indexOf('}', from));
  return new Map([...body.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/g)].map(([, name, value]) => [name!, value!]));
}

const light = block(':root');
const dark = block(":root[data-theme='dark']");

function channels(hex: string): number[] {
  return [1, 3, 5].map((at) => {
    const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
}

const luminance = (hex: string): number => {
  const [r, g, b] = channels(hex) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

/** WCAG 2 contrast, 1 to 21. */
function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

// Viénot, Brettel and Mollon 1999: how linear colours look without the long or the middle cones.
const BLIND = {
  protan: [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
  deutan: [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
} satisfies Record<string, readonly (readonly number[])[]>; // prettier-ignore

const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);

/** CIE 1976 difference as someone with that vision sees it. */
function difference(a: string, b: string, vision: keyof typeof BLIND): number {
  const lab = (hex: string): number[] => {
    const [r, g, bl] = BLIND[vision].map((row) => row.reduce((sum, w, i) => sum + w * channels(hex)[i]!, 0)) as [number, number, number];
    const x = f((0.4124 * r + 0.3576 * g + 0.1805 * bl) / 0.9505);
    const y = f(0.2126 * r + 0.7152 * g + 0.0722 * bl);
    const z = f((0.0193 * r + 0.1192 * g + 0.9505 * bl) / 1.089);
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
  };
  return Math.hypot(...lab(a).map((v, i) => v - lab(b)[i]!));
}

describe.each([
  ['light', light],
  ['dark', dark],
])('%s', (_, colour) => {
  const get = (name: string): string => colour.get(name)!;
  const surfaces = ['surface', 'page', 'raised', 'hover'].map(get);

  test.each(['ink', 'muted', 'faint', 'good', 'bad', 'amber', 'accent'])('%s reads as text on every surface (4.5:1)', (name) => {
    for (const surface of surfaces) {
      expect(contrast(get(name), surface), `${name} on ${surface}`).toBeGreaterThanOrEqual(4.5);
    }
  });
  test('text on a filled control reads', () => expect(contrast(get('accent-ink'), get('accent'))).toBeGreaterThanOrEqual(4.5));
  test('bad reads on its soft ground', () => expect(contrast(get('bad'), get('bad-soft'))).toBeGreaterThanOrEqual(4.5));
  test.each(['series-1', 'series-2', 'series-3', 'series-4', 'series-rest', 'focus'])('%s is seen on the surface (3:1)', (name) =>
    expect(contrast(get(name), get('surface'))).toBeGreaterThanOrEqual(3),
  );
  test('the four series stay apart for colour-blind eyes', () => {
    const series = [1, 2, 3, 4].map((n) => get(`series-${n}`));
    for (const vision of ['protan', 'deutan'] as const) {
      series.forEach((a, i) =>
        series.slice(i + 1).forEach((b) => expect(difference(a, b, vision), `${a} and ${b}, ${vision}`).toBeGreaterThan(15)),
      );
      expect(difference(get('good'), get('bad'), vision)).toBeGreaterThan(40);
    }
  });
  test('text reads on each step of heat', () => {
    for (const n of [1, 2, 3, 4, 5, 6]) expect(contrast(get(`heat-ink-${n}`), get(`heat-${n}`)), `step ${n}`).toBeGreaterThanOrEqual(4.5);
  });
  test('each step of heat is darker, or lighter, than the one before', () => {
    const steps = [1, 2, 3, 4, 5, 6].map((n) => luminance(get(`heat-${n}`)));
    const sign = Math.sign(steps[1]! - steps[0]!);
    steps.slice(1).forEach((step, i) => expect(sign * (step - steps[i]!)).toBeGreaterThan(0));
  });
});

test('the system setting and the choice give the same dark', () => {
  expect(block(":root:not([data-theme='light'])")).toEqual(dark);
  expect([...dark.keys()].sort()).toEqual([...light.keys()].sort());
});

test('charts without a style sheet have the same colours', () => {
  for (const [palette, sheet] of [
    [LIGHT, light],
    [DARK, dark],
  ] as const) {
    for (const key of Object.keys(SCREEN) as (keyof Palette)[]) {
      const names = [SCREEN[key]].flat().map((name) => name.slice('var(--'.length, -1));
      expect([palette[key]].flat(), key).toEqual(names.map((name) => sheet.get(name)));
    }
  }
});
