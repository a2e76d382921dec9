/** The address of a page: everything a person chose, and nothing else. Pure. */
import { isDay, isPreset, type Range, type Span } from './shell/dates';
import type { Grain } from './wire';

export const PAGES = [
  'home',
  'products',
  'product',
  'explore',
  'revenue',
  'usage',
  'traffic',
  'customers',
  'customer',
  'boards',
  'board',
  'live',
  'alerts',
  'reports',
  'sources',
  'settings',
  'sign-in',
  'setup',
  'missing',
] as const;
export type Page = (typeof PAGES)[number];

/** Tabs of pages that have them; the first is the page itself. */
export const TABS: Partial<Record<Page, readonly string[]>> = {
  revenue: ['', 'retention', 'months', 'cash'],
  usage: ['', 'retention', 'engagement', 'lifecycle', 'paths', 'segments', 'saved'],
  settings: ['', 'products', 'counting-rules', 'first-steps'],
};

/** What numbers are set beside: the time before, or days of one's own, the second exclusive. */
export type Compare = 'previous' | 'week' | 'year' | `${string}..${string}`;

export interface Route {
  page: Page;
  id: string; // of the product, customer or alert, the tab of a page, or ""
  products: string[]; // empty: all
  range: Range;
  compare: Compare | 'off';
  grain: Grain | 'auto';
  own: Record<string, string>; // what only this page knows
}

export const START: Route = {
  page: 'home',
  id: '',
  products: [],
  range: '28d',
  compare: 'previous',
  grain: 'auto',
  own: {},
};

const COMPARES = new Set(['off', 'previous', 'week', 'year']);
const GRAINS = new Set(['auto', 'hour', 'day', 'week', 'month', 'quarter', 'year']);
const SHARED = new Set(['products', 'range', 'compare', 'grain']);

export function parse(path: string, search: string): Route {
  const params = new URLSearchParams(search);
  const [first = '', second = '', ...more] = path.split('/').filter(Boolean).map(decoded);
  const compare = params.get('compare') ?? '';
  const grain = params.get('grain') ?? '';
  const own: Record<string, string> = {};
  for (const [key, value] of params) if (!SHARED.has(key)) own[key] = value;
  return {
    ...pageOf(first, second, more.length > 0),
    products: (params.get('products') ?? '').split(',').filter(Boolean),
    range: rangeOf(params.get('range') ?? ''),
    compare: COMPARES.has(compare) || daysOf(compare) ? (compare as Route['compare']) : START.compare,
    grain: GRAINS.has(grain) ? (grain as Route['grain']) : START.grain,
    own,
  };
}

function pageOf(first: string, second: string, more: boolean): { page: Page; id: string } {
  const page = first === '' ? 'home' : first;
  if (more) return { page: 'missing', id: '' };
  if (page === 'products' && second) return { page: 'product', id: second };
  if (page === 'customers' && second) return { page: 'customer', id: second };
  if (page === 'boards' && second) return { page: 'board', id: second };
  if (page === 'alerts') return { page, id: second };
  const known = PAGES.includes(page as Page) && page !== 'customer' && page !== 'board';
  if (known && TABS[page as Page]?.includes(second)) return { page: page as Page, id: second };
  if (second || page === 'product' || page === 'customer' || page === 'board' || !PAGES.includes(page as Page)) return { page: 'missing', id: '' };
  return { page: page as Page, id: '' };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const rangeOf = (text: string): Range => (isPreset(text) ? text : (daysOf(text) ?? START.range));

/** "2026-01-01..2026-02-01" as days, the second exclusive; null where it is none. */
export function daysOf(text: string): Span | null {
  const [from = '', until = '', ...more] = text.split('..');
  return isDay(from) && isDay(until) && from < until && !more.length ? { from, to: until } : null;
}

/** The address; what is as it starts is left out, so that links stay short. */
export function format(route: Route): string {
  const params = new URLSearchParams();
  if (route.products.length) params.set('products', route.products.join(','));
  const range = typeof route.range === 'string' ? route.range : `${route.range.from}..${route.range.to}`;
  if (range !== START.range) params.set('range', range);
  if (route.compare !== START.compare) params.set('compare', route.compare);
  if (route.grain !== START.grain) params.set('grain', route.grain);
  for (const [key, value] of Object.entries(route.own)) if (value) params.set(key, value);
  const search = params.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
  return pathOf(route) + (search ? `?${search}` : '');
}

function pathOf({ page, id }: Route): string {
  if (page === 'home') return '/';
  if (page === 'product') return `/products/${encodeURIComponent(id)}`;
  if (page === 'customer') return `/customers/${encodeURIComponent(id).replaceAll('%3A', ':')}`;
  if (page === 'board') return `/boards/${encodeURIComponent(id)}`;
  return `/${page}${id ? `/${encodeURIComponent(id)}` : ''}`;
}

const OF_USERS = new Set<Page>(['home', 'product', 'explore', 'revenue', 'usage', 'customers']);
const OF_ALL = new Set(['months', 'cash']); // tabs that tell of every customer

/** The segment whose users a page is about; "" for everybody. */
export const segmentOf = ({ page, id, own }: Route): string => (OF_USERS.has(page) && !(page === 'revenue' && OF_ALL.has(id)) ? (own.segment ?? '') : '');

/** Another page with the same dates, comparison and products, of the same users where it is about any. */
export function to(route: Route, page: Page, id = '', own: Record<string, string> = {}): Route {
  const segment = OF_USERS.has(page) && OF_USERS.has(route.page) ? route.own.segment : '';
  return { ...route, page, id, own: { ...(segment ? { segment } : {}), ...own } };
}

/** The same page with some of its own choices changed; "" takes one away. */
export function withOwn(route: Route, changes: Record<string, string>): Route {
  const own = { ...route.own, ...changes };
  for (const key of Object.keys(own)) if (!own[key]) delete own[key];
  return { ...route, own };
}

/** The page's charts that are shown as tables. */
export const tabledCharts = (route: Route): string[] => (route.own.tables ?? '').split(',').filter(Boolean);

/** The same page with one of its charts as a table, or as a chart again. */
export function withTabled(route: Route, id: string, tabled: boolean): Route {
  const others = tabledCharts(route).filter((one) => one !== id);
  return withOwn(route, { tables: (tabled ? [...others, id] : others).join(',') });
}
