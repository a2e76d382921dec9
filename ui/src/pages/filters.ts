/**
 * Filters as they stand in the address: "plan:team~plan:starter~country:DE". A comparison stands in
 * the name: "seats[gte]:10", "email[contains]:acme", "coupon[exists]:no". Pure.
 */
import { dimensionWords } from '../shell/words';
import type { Condition, FunnelAsked } from '../wire';

export type Filters = Record<string, string[]>;

export function parseFilters(text: string): Filters {
  const filters: Filters = {};
  for (const part of text.split('~')) {
    const colon = part.indexOf(':');
    if (colon < 1) continue;
    const by = unescaped(part.slice(0, colon));
    const key = unescaped(part.slice(colon + 1));
    filters[by] = [...(filters[by] ?? []), key];
  }
  return filters;
}

export function formatFilters(filters: Filters): string {
  return Object.entries(filters)
    .flatMap(([by, keys]) => keys.map((key) => `${escaped(by)}:${escaped(key)}`))
    .join('~');
}

/** With the value taken in, or out again where it was in. */
export function toggled(filters: Filters, by: string, key: string): Filters {
  const had = filters[by] ?? [];
  const keys = had.includes(key) ? had.filter((other) => other !== key) : [...had, key];
  const next = { ...filters, [by]: keys };
  if (!keys.length) delete next[by];
  return next;
}

type Test = 'contains' | 'gte' | 'lte' | 'gt' | 'lt' | 'exists';
const ANY = ['text', 'number', 'boolean'];

/** How a property can be compared, by what it holds; the first is offered first. */
export const OPERATORS: readonly { readonly id: string; readonly label: string; readonly kinds: readonly string[] }[] = [
  { id: 'gte', label: 'at least', kinds: ['number'] },
  { id: 'lte', label: 'at most', kinds: ['number'] },
  { id: 'gt', label: 'more than', kinds: ['number'] },
  { id: 'lt', label: 'less than', kinds: ['number'] },
  { id: 'contains', label: 'contains', kinds: ['text'] },
  { id: 'is', label: 'is', kinds: ['text', 'number'] },
  { id: 'exists:yes', label: 'is there', kinds: ANY },
  { id: 'exists:no', label: 'is not there', kinds: ANY },
];

function testOf(by: string): { name: string; test: Test | null } {
  const found = /^([^]+)\[(contains|gte|lte|gt|lt|exists)\]$/.exec(by);
  return found ? { name: found[1]!, test: found[2] as Test } : { name: by, test: null };
}

/** With a comparison of a property: one of each kind, several values. */
export function withCondition(filters: Filters, name: string, operator: string, value: string): Filters {
  if (operator === 'is') return (filters[name] ?? []).includes(value) ? filters : toggled(filters, name, value);
  const [test = '', fixed] = operator.split(':');
  return { ...filters, [`${name}[${test}]`]: [fixed ?? value] };
}

/** The comparisons of one property. */
export const conditionsOf = (filters: Filters, name: string): { by: string; key: string }[] =>
  Object.entries(filters).flatMap(([by, keys]) => (testOf(by).test && testOf(by).name === name ? keys.map((key) => ({ by, key })) : []));

export const conditionCount = (filters: Filters): number => Object.values(filters).reduce((sum, keys) => sum + keys.length, 0);

/** "at least 10", "is not there". */
export function conditionWords(by: string, key: string): string {
  const { test } = testOf(by);
  const operator = OPERATORS.find(({ id }) => id === (test === 'exists' ? `exists:${key}` : test));
  return operator ? (test === 'exists' ? operator.label : `${operator.label} ${key}`) : key || 'not said';
}

/** A filter in words: "Plan: team or solo", "Seats at least 10". */
export function filterWords(by: string, keys: readonly string[]): string {
  const { name, test } = testOf(by);
  return `${dimensionWords(name)}${test ? '' : ':'} ${keys.map((key) => conditionWords(by, key)).join(' or ')}`;
}

/** Filters as a question about use has them; nothing of a comparison with what is no number. */
export function whereOf(filters: Filters): { where?: NonNullable<FunnelAsked['where']> } {
  const where: NonNullable<FunnelAsked['where']> = {};
  for (const name of new Set(Object.keys(filters).map((by) => testOf(by).name))) {
    const values = filters[name] ?? [];
    const tests: Condition = Object.assign({}, ...conditionsOf(filters, name).map(({ by, key }) => asCondition(testOf(by).test!, key)));
    const only = values.length > 1 ? { in: values } : values.length ? { equals: values[0]! } : {};
    if (Object.keys(tests).length) where[name] = { ...only, ...tests };
    else if (values.length) where[name] = values.length === 1 ? values[0]! : values;
  }
  return Object.keys(where).length ? { where } : {};
}

function asCondition(test: Test, key: string): Condition {
  if (test === 'exists') return { exists: key === 'yes' };
  if (test === 'contains') return { contains: key };
  return key.trim() && Number.isFinite(Number(key)) ? { [test]: Number(key) } : {};
}

const escaped = (text: string): string => text.replaceAll(/[%~:]/g, (mark) => encodeURIComponent(mark).replace('~', '%7E'));

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
