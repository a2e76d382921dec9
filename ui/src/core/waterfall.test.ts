import { expect, test } from 'vitest';
import { PRINT_THEME, SCREEN_THEME } from '../tokens/tokens';
import { sum } from './decimal';
import { betweenWaterfalls, layoutWaterfall, OTHER, partsOf, UNEXPLAINED, type WaterfallBar, type WaterfallScene } from './waterfall';

const bar = (key: string, value: string, parts: Record<string, string> = {}): WaterfallBar => ({
  key,
  label: key,
  value,
  kind: key === 'opening' || key === 'closing' ? 'total' : 'change',
  parts: Object.entries(parts).map(([part, of]) => ({ key: part, label: part, value: of })),
});

// Stripe's published example: 1000 + 100 new + 50 expansion - 40 contraction - 60 churn - 5 exchange rates.
const STRIPE = [bar('opening', '1000'), bar('new', '100'), bar('expansion', '50'), bar('contraction', '-40'), bar('churn', '-60', { team: '-45', starter: '-15' }), bar('fx', '-5'), bar('closing', '1045')];
const lay = (bars: readonly WaterfallBar[], split: string | null = null, width = 1000): WaterfallScene => layoutWaterfall({ bars, currency: 'USD', split }, width, 320, SCREEN_THEME);

/** Px from one end of each change to the other, signed, upwards or to the right. */
const steps = (scene: WaterfallScene): number[] =>
  scene.bars.filter((one) => one.tone === 'up' || one.tone === 'down').map((one) => (one.tone === 'up' ? 1 : -1) * (scene.upright ? one.height : one.width));

test.each([1000, 390])('it adds up in pixels at %i px', (width) => {
  const scene = lay(STRIPE, null, width);
  const [first, last] = [scene.bars[0]!, scene.bars.at(-1)!];
  const gain = scene.upright ? first.y - last.y : last.x + last.width - first.x - first.width;
  expect(Math.abs(gain - steps(scene).reduce((a, b) => a + b, 0))).toBeLessThan(1.5); // a tenth of a px for each bar
  expect(gain).toBeGreaterThan(20);
});

test('each bar begins where the one before ended', () => {
  const scene = lay(STRIPE);
  for (const link of scene.connectors) expect(link.y1).toBe(link.y2);
  expect(scene.connectors.map((link) => link.key)).toEqual(['opening', 'new', 'expansion', 'contraction', 'churn', 'fx']);
});

test('small changes of a large total are seen, and the cut is said', () => {
  const scene = lay(STRIPE);
  expect(scene.cut).toBe(true);
  expect(scene.bars.filter((one) => one.cut > 0).map((one) => one.key)).toEqual(['opening', 'closing']);
  expect(scene.bars.find((one) => one.key === 'new')!.height).toBeGreaterThan(60);
  expect(lay([bar('opening', '10'), bar('new', '90'), bar('closing', '100')]).cut).toBe(false);
});

test('what the changes leave open is a bar of its own', () => {
  const scene = lay([bar('opening', '1000.00'), bar('new', '100.00'), bar('closing', '1100.01')]);
  const open = scene.bars.find((one) => one.key === UNEXPLAINED)!;
  expect([open.name, open.value, open.exact]).toEqual(['Not explained', '0.01', '+$0.01']);
  expect(lay(STRIPE).bars.some((one) => one.key === UNEXPLAINED)).toBe(false);
});

test('a bar comes apart in place: its parts stand between its neighbours and add up to it', () => {
  const scene = lay(STRIPE, 'churn');
  expect(scene.bars.map((one) => one.key)).toEqual(['opening', 'new', 'expansion', 'contraction', 'churn/team', 'churn/starter', 'fx', 'closing']);
  expect(scene.brace).toMatchObject({ key: 'churn', text: 'churn −$60' });
  const gone = scene.bars.filter((one) => one.of === 'churn').reduce((all, one) => all + one.height, 0);
  expect(Math.abs(gone - lay(STRIPE).bars.find((one) => one.key === 'churn')!.height)).toBeLessThan(0.3);
});

test('parts may go both ways, the rest is one, and the sum is the bar to the last digit', () => {
  // A customer goes from one product to another: expansion 50 is -100 here and +150 there.
  expect(partsOf(bar('expansion', '50.00', { docs: '150.00', mail: '-100.00' })).map((part) => part.key)).toEqual(['docs', 'mail']);
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`p${i}`, `${i}.10`]));
  const parts = partsOf(bar('new', '70.00', many));
  expect(parts.map((part) => part.key)).toEqual(['p11', 'p10', 'p9', 'p8', 'p7', OTHER]);
  expect(sum(parts.map((part) => part.value))).toBe('70.00');
  expect(partsOf(bar('new', '70.00', { a: '40.00' })).at(-1)).toMatchObject({ key: OTHER, value: '30.00' });
});

test('a total comes apart from nothing, so that its parts can be compared', () => {
  const scene = lay([bar('opening', '1000', { a: '700', b: '300' }), bar('new', '10'), bar('closing', '1010')], 'opening');
  expect(scene.cut).toBe(false);
  const [a, b] = scene.bars;
  expect(a!.height / b!.height).toBeCloseTo(7 / 3, 1);
});

test('nothing falls below nothing: a company that lost everything, and one that began', () => {
  const lost = lay([bar('opening', '100'), bar('churn', '-100'), bar('closing', '0')]);
  for (const one of lost.bars) expect(one.y + one.height).toBeLessThanOrEqual(lost.base + 2);
  expect(lay([bar('opening', '0'), bar('closing', '0')]).empty).toBe(true);
});

test('on a phone bars lie, with names and values beside them and inside the width', () => {
  const scene = lay(STRIPE, 'churn', 340);
  expect(scene.upright).toBe(false);
  for (const one of scene.bars) {
    expect(one.x).toBeGreaterThanOrEqual(0);
    expect(one.x + one.width).toBeLessThanOrEqual(340);
    expect(one.lines).toHaveLength(1);
  }
});

test('names and values stay inside the picture', () => {
  const scene = layoutWaterfall({ bars: STRIPE, currency: 'USD' }, 760, 200, PRINT_THEME);
  for (const one of scene.bars) {
    expect(one.valueY).toBeGreaterThan(0);
    expect(one.labelY).toBeLessThanOrEqual(200);
    expect(one.height).toBeGreaterThanOrEqual(0);
  }
});

test('a split is a move: parts begin where their bar was, and what stays keeps its key', () => {
  const [from, to] = [lay(STRIPE), lay(STRIPE, 'churn')];
  const start = betweenWaterfalls(from, to, 0);
  const churn = from.bars.find((one) => one.key === 'churn')!;
  for (const part of start.bars.filter((one) => one.of === 'churn')) expect([part.x, part.width]).toEqual([churn.x, churn.width]);
  expect(betweenWaterfalls(from, to, 1)).toBe(to);
  const back = betweenWaterfalls(to, from, 0).bars.find((one) => one.key === 'churn')!;
  expect(back.width).toBeGreaterThan(churn.width);
});
