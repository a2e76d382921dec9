/** Many small lines beside each other: each on its own scale, all on one, or from 100. */
export type Scale = 'own' | 'one' | 'index';

export const SCALES: { id: Scale; label: string; hint: string }[] = [
  { id: 'own', label: 'Own scale', hint: 'Each product fills its row: shapes can be compared, sizes not' },
  { id: 'one', label: 'One scale', hint: 'All products on one scale: sizes can be compared' },
  { id: 'index', label: 'Index 100', hint: 'Each product begins at 100: growth can be compared' },
];

type Values = readonly (number | null)[];

/** The lines as they are drawn, and the scale they share; none where each has its own. */
export function scaled(lines: readonly Values[], scale: Scale): { lines: Values[]; domain: [number, number] | null } {
  const drawn = scale === 'index' ? lines.map(indexed) : [...lines];
  if (scale === 'own') return { lines: drawn, domain: null };
  let [low, high] = [0, 0];
  for (const line of drawn) {
    for (const value of line) {
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return { lines: drawn, domain: [low, high] };
}

/** Each value as a share of the first one that is not nothing, which is 100. */
function indexed(values: Values): Values {
  const base = values.find((value) => value !== null && value !== 0);
  if (base === null || base === undefined) return values.map(() => null);
  return values.map((value) => (value === null ? null : (value / base) * 100));
}
