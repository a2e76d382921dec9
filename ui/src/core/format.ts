// Numbers as people read them. Text is made from the server's own digits where it must be exact.
import { formatLocale } from 'd3-format';
import { amount, type Direction, type Unit, type Value } from './data';
import { round } from './decimal';

export const NONE = '–';
const MINUS = '−';

const english = formatLocale({ decimal: '.', thousands: ',', grouping: [3], currency: ['', ''], minus: MINUS });
const grouped = [0, 1, 2, 3].map((digits) => english.format(`,.${digits}f`));

const SYMBOLS: Record<string, string> = {
  USD: '$', EUR: '€', GBP: '£', JPY: '¥', INR: '₹', CAD: 'CA$', AUD: 'A$', NZD: 'NZ$', MXN: 'MX$',
  BRL: 'R$', CNY: 'CN¥', KRW: '₩', ILS: '₪', VND: '₫', TRY: '₺', HKD: 'HK$', SGD: 'S$', TWD: 'NT$',
}; // prettier-ignore
const NO_MINOR = new Set('BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' '));
const THREE_MINOR = new Set('BHD IQD JOD KWD LYD OMR TND'.split(' '));

/** Decimals a currency is written with. */
export function minorDigits(currency: string): number {
  if (NO_MINOR.has(currency)) return 0;
  return THREE_MINOR.has(currency) ? 3 : 2;
}

function money(digits: string, currency: string): string {
  const negative = digits.startsWith(MINUS);
  const bare = negative ? digits.slice(1) : digits;
  const symbol = SYMBOLS[currency];
  const marked = symbol ? symbol + bare : currency ? `${currency}\u00a0${bare}` : bare;
  return negative ? MINUS + marked : marked;
}

/** The digits of a decimal string, grouped, with at least `least` decimals and none lost. */
export function groupDecimal(value: string, least: number): string {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(value.trim());
  if (!match) return value;
  const [, sign, whole = '', fraction = ''] = match;
  const significant = fraction.replace(/0+$/, '').padEnd(least, '0');
  const digits = whole.replace(/^0+(?=\d)/, '') || '0';
  const groups = digits.replace(/\B(?=(\d{3})+$)/g, ',');
  const zero = /^[0,]*$/.test(groups) && /^0*$/.test(significant);
  return (sign === '-' && !zero ? MINUS : '') + groups + (significant ? `.${significant}` : '');
}

const toCoins = (value: string, currency: string): string => (/^[+-]?\d+\.\d+$/.test(value) ? round(value, Math.max(2, minorDigits(currency))) : value);

/** A number's shortest exact digits, never in scientific notation. */
function plain(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(Math.abs(value) >= 1 ? 0 : 12) : text;
}

const two = (n: number): string => String(n).padStart(2, '0');

function seconds(total: number): string {
  const sign = total < 0 ? MINUS : '';
  const s = Math.abs(total);
  if (s === 0) return '0 s';
  if (s < 1) return `${sign}${Math.round(s * 1000)} ms`;
  if (s < 60) return `${sign}${s < 10 ? Math.round(s * 10) / 10 : Math.round(s)} s`;
  const whole = Math.round(s);
  if (whole < 3600) return `${sign}${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  if (whole < 86_400) return `${sign}${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
  return `${sign}${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3600)}h`;
}

/** The whole value: on hover and in tables. Money to the smallest coin; copies and files keep every digit. */
export function exact(value: Value | undefined, unit: Unit, currency = ''): string {
  if (amount(value) === null) return NONE;
  const given = value as string | number;
  switch (unit) {
    case 'money':
      return money(groupDecimal(toCoins(typeof given === 'string' ? given : plain(given), currency), minorDigits(currency)), currency);
    case 'count':
    case 'number':
      return groupDecimal(typeof given === 'string' ? given : plain(Math.round(given * 100) / 100), 0);
    case 'ratio':
      return `${grouped[2]!(Number(given) * 100)}%`;
    case 'seconds':
      return seconds(Number(given));
  }
}

/** A change in full: "+$4,210.00", "−$980.50". */
export const signedExact = (value: string, currency: string): string => `${amount(value)! > 0 ? '+' : ''}${exact(value, 'money', currency)}`;

const SCALES: readonly (readonly [number, string])[] = [
  [1e12, 'T'],
  [1e9, 'B'],
  [1e6, 'M'],
  [1e3, 'k'],
  [1, ''],
];

/** 999, 1.2k, 2.02k, 34.5k, 120k: three figures; fewer only where nothing is lost by it. */
export function short(value: number): string {
  const size = Math.abs(value);
  for (let index = 0; index < SCALES.length; index += 1) {
    const [scale, suffix] = SCALES[index]!;
    if (size < scale && index < SCALES.length - 1) continue;
    const scaled = value / scale;
    const after = Math.abs(scaled) >= 99.95 ? 0 : Math.abs(scaled) >= 9.995 ? 1 : 2;
    const digits = Math.min(after, figures(scaled));
    const rounded = Number(scaled.toFixed(digits));
    const larger = SCALES[index - 1];
    if (Math.abs(rounded) >= 1000 && larger) return `${grouped[0]!(Math.sign(value))}${larger[1]}`;
    return grouped[digits]!(rounded) + suffix;
  }
  return grouped[0]!(value);
}

/** Decimals a number has, three meaning three or more. */
const figures = (value: number): number => [0, 1, 2].find((digits) => Math.abs(value - Number(value.toFixed(digits))) < 1e-9) ?? 3;

/** The value in a tile or on an axis. */
export function compact(value: Value | undefined, unit: Unit, currency = ''): string {
  const number = amount(value);
  if (number === null) return NONE;
  switch (unit) {
    case 'money': {
      const small = Math.abs(number) < 1000 && !Number.isInteger(number) && minorDigits(currency) > 0;
      return money(small ? grouped[2]!(number) : short(number), currency);
    }
    case 'count':
      return short(number);
    case 'number':
      return short(Number(number.toFixed(1)));
    case 'ratio': {
      const percent = number * 100;
      return `${grouped[Math.abs(percent) >= 99.95 ? 0 : 1]!(percent)}%`;
    }
    case 'seconds':
      return seconds(number);
  }
}

/** Axis labels of one axis, all with as many decimals as the step between them needs. */
export function axisFormat(step: number, most: number, unit: Unit, currency = ''): (value: number) => string {
  if (unit === 'seconds') return (value) => (value === 0 ? '0' : seconds(value));
  if (unit === 'ratio') {
    const digits = decimals(step * 100);
    return (value) => `${grouped[digits]!(value * 100)}%`;
  }
  const [scale, suffix] = SCALES.find(([size]) => most >= size) ?? [1, ''];
  const digits = decimals(step / scale);
  return (value) => {
    if (value === 0) return unit === 'money' ? money('0', currency) : '0';
    const text = grouped[digits]!(value / scale) + suffix;
    return unit === 'money' ? money(text, currency) : text;
  };
}

function decimals(step: number): number {
  for (let digits = 0; digits < 3; digits += 1) {
    const scaled = step * 10 ** digits;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * Math.max(1, Math.abs(scaled))) return digits;
  }
  return 3;
}

export type Tone = 'good' | 'bad' | 'none';

export interface Change {
  /** With arrow and sign: "↑ +4.2%", "↓ −1.3 pp"; "–" where it is not defined. */
  readonly text: string;
  readonly tone: Tone;
  /** For a screen reader: "up 4.2%". */
  readonly spoken: string;
  readonly sign: -1 | 0 | 1;
}

const UNDEFINED: Change = { text: NONE, tone: 'none', spoken: 'no comparison', sign: 0 };

/** From `before` to `value`: percent, for rates percentage points, from nothing the plain amount. */
export function change(
  value: Value | undefined,
  before: Value | undefined,
  unit: Unit,
  direction: Direction,
  currency = '',
): Change {
  const [now, then] = [amount(value), amount(before)];
  if (now === null || then === null) return UNDEFINED;
  const difference = now - then;
  const sign = Math.sign(difference) as -1 | 0 | 1;
  const size = Math.abs(difference);
  const words = magnitude(size, then, unit, currency);
  if (sign === 0 || /^0(\.0+)?(%| pp)$/.test(words)) {
    return { text: unit === 'ratio' ? '0 pp' : '0%', tone: 'none', spoken: 'no change', sign: 0 };
  }
  const good = direction === 'none' ? 'none' : (direction === 'up') === sign > 0 ? 'good' : 'bad';
  return {
    text: sign > 0 ? `↑ +${words}` : `↓ ${MINUS}${words}`,
    tone: good,
    spoken: `${sign > 0 ? 'up' : 'down'} ${words}`,
    sign,
  };
}

function magnitude(size: number, before: number, unit: Unit, currency: string): string {
  if (unit === 'ratio') return `${grouped[1]!(size * 100)} pp`;
  if (before === 0) return size === 0 ? '0%' : compact(size, unit, currency);
  const percent = (size / Math.abs(before)) * 100;
  return `${grouped[percent >= 99.95 ? 0 : 1]!(percent)}%`;
}
