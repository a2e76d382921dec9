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
  const total = values.reduce((all, value) => all + scaled(value, most), 0n);
  const digits = String(total < 0n ? -total : total).padStart(most + 1, '0');
  const text = most ? `${digits.slice(0, -most)}.${digits.slice(-most)}` : digits;
  return total < 0n ? `-${text}` : text;
}

export const negate = (value: string): string => {
  const bare = value.trim();
  if (bare.startsWith('-')) return bare.slice(1);
  return isZero(bare) ? bare : `-${bare.replace(/^\+/, '')}`;
};

export const isZero = (value: string): boolean => /^[+-]?0*(\.0*)?$/.test(value.trim());
