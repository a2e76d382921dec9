/** What a tile tells of its chart, so that its menu can show it as a table and hand it out. */
import type { Column, Row } from '../core/table';
import type { What } from '../pages/boards';
import { spanLabel, type Span } from '../shell/dates';
import { desk } from '../shell/desk.svelte';
import type { Call } from '../shell/fetched.svelte';
import type { Question } from '../wire';

export interface Chart {
  /** Names it within its page: in links, and among the charts that are shown as tables. */
  readonly id: string;
  /** Names its files, in few words; its title where that is short. */
  readonly name?: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** Where the server has the same numbers as Parquet. */
  readonly asked?: Call | null;
  /** What the picture is of beside its title: dates, products. */
  readonly about: string;
  /** When each source was last heard, where the answer says so. */
  readonly asOf?: Readonly<Record<string, string>>;
  /** Whether it is shown as a table, where the page has a switch for that; else the address says. */
  readonly tabled?: boolean;
  readonly ontable?: (tabled: boolean) => void;
  /** A row of the table was opened. */
  readonly onrow?: (row: Row) => void;
  /** It on a board; null where something narrows it, which a board cannot say. */
  readonly tile?: What | null;
  /** What else can be done with it. */
  readonly acts?: readonly Act[];
}

export interface Act {
  readonly label: string;
  readonly run: () => void;
  /** Why it cannot be done. */
  readonly reason?: string;
}

/** Which products the page is about, in words. */
export function productsOf(product: string | readonly string[] = ''): string {
  const ids = typeof product === 'string' ? (product ? [product] : desk.route.products) : product;
  return ids.map((id) => desk.productById.get(id)?.name ?? id).join(', ') || 'All products';
}

/** The same with the days. */
export const productsAndDays = (product: string | readonly string[] = '', span: Span = desk.span): string => `${productsOf(product)}, ${spanLabel(span)}`;

/** A question over time as an address asks it. */
export function asksFor(question: Question): Call {
  const { product, where, over, ...others } = question;
  // In an answer, what was not asked is null.
  const plain = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== null && value !== undefined));
  const filters = Object.entries(where ?? {}).flatMap(([key, values]) => values.map((value) => `${key}:${value}`));
  return {
    path: '/v1/query',
    params: {
      ...plain,
      ...(product?.length ? { product: product.join(',') } : {}),
      ...(filters.length ? { where: filters.join(',') } : {}),
      ...(over ? { over: `${over}m` } : {}),
    },
  };
}
