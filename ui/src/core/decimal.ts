// Sums of decimal strings, exact: what stands beside each other on a page adds up to the last digit.

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?$/;

/** The number as an integer of `places` decimals; throws on what is no decimal. */
function scaled(value: string, places: number): bigint {
  const match = DECIMAL.exec(value.trim());
  if (!match) throw new Error(`not a decimal: ${value}`);
  const [, sign, whole, fraction = ''] = match;
  const digits = BigInt(whole! + fraction.padEnd(places, '0'));
  return sign === '-' ? -digits : digits;
}

const places = (value: string): number => DECIMAL.exec(value.trim())?.[3]?.length ?? 0;

/** The sum, with as many decimals as the longest has. */
export function sum(values: readonly string[]): string {
  const most = Math.max(0, ...values.map(places));
  return written(values.reduce((all, value) => all + scaled(value, most), 0n), most);
}

/** An integer of `places` decimals as a decimal string. */
function written(units: bigint, decimals: number): string {
  const digits = String(units < 0n ? -units : units).padStart(decimals + 1, '0');
  const text = decimals ? `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}` : digits;
  return units < 0n ? `-${text}` : text;
}

const floor = (value: bigint, unit: bigint): bigint => (value - (((value % unit) + unit) % unit)) / unit;

/** With `decimals` digits after the point, a half to the even one; fewer are kept as they are. */
export function round(value: string, decimals: number): string {
  const most = places(value);
  if (most <= decimals) return value;
  const unit = 10n ** BigInt(most - decimals);
  const units = scaled(value, most);
  const down = floor(units, unit);
  const twice = 2n * (units - down * unit);
  const up = twice > unit || (twice === unit && down % 2n !== 0n);
  return written(up ? down + 1n : down, decimals);
}

/**
 * Each value rounded so that they still add up to `total`, which is rounded too: what is left of the
 * last digit goes to those that lost most. Values that never added up are rounded one by one.
 */
export function apportioned(values: readonly string[], total: string, decimals: number): string[] {
  const most = Math.max(decimals, places(total), ...values.map(places));
  if (most === decimals) return [...values];
  const unit = 10n ** BigInt(most - decimals);
  const units = values.map((value) => scaled(value, most));
  const downs = units.map((value) => floor(value, unit));
  const left = Number(scaled(round(total, decimals), decimals) - downs.reduce((all, one) => all + one, 0n));
  if (left < 0 || left > values.length) return values.map((value) => round(value, decimals));
  const lost = units.map((value, i) => ({ i, rest: value - downs[i]! * unit })).sort((a, b) => (a.rest === b.rest ? a.i - b.i : a.rest < b.rest ? 1 : -1));
  for (const { i } of lost.slice(0, left)) downs[i]! += 1n;
  return downs.map((value) => written(value, decimals));
}

export const negate = (value: string): string => {
  const bare = value.trim();
  if (bare.startsWith('-')) return bare.slice(1);
  return isZero(bare) ? bare : `-${bare.replace(/^\+/, '')}`;
};

export const isZero = (value: string): boolean => /^[+-]?0*(\.0*)?$/.test(value.trim());
