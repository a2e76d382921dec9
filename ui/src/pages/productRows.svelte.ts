/** The table of products: what its columns ask, how its rows are sorted, and what it says as a chart. */
import { asksFor, productsAndDays, type Chart } from '../charts/chart';
import { amount } from '../core/data';
import { Asked, desk } from '../shell/desk.svelte';
import type { Span } from '../shell/dates';
import { against } from '../shell/words';
import type { Metric, Product, Question, Series } from '../wire';
import { scaled, type Scale } from './scales';
import { valuesOf } from './values';

export const FIGURES: readonly string[] = ['revenue', 'signups', 'dau', 'cancellations', 'activation_rate'];
const NO_SERIES = new Map<string, Series>();

export interface Column {
  readonly metric: Metric;
  readonly asked: Asked;
  readonly currency: string;
  readonly series: ReadonlyMap<string, Series>; // by product
}

/** What a place that shows the table has chosen. */
export interface Shown {
  readonly products: readonly Product[];
  readonly line: string; // the metric that is drawn; the first column's where it has none of that name
  readonly sort: string; // "name" or a metric, with "-" before it the largest first
  readonly scale: Scale;
  readonly ask: (metric: Metric) => Question | null; // none: the column is left out
}

export class ProductRows {
  #asked: ReadonlyMap<string, Asked>;
  #of: () => Shown;

  constructor(names: readonly string[], of: () => Shown) {
    this.#of = of;
    this.#asked = new Map(
      names.map((name) => [
        name,
        new Asked(() => {
          const metric = desk.metricByName.get(name);
          const question = metric && of().ask(metric);
          return question ? { ...question, by: 'product' } : null;
        }),
      ]),
    );
  }

  readonly #shown = $derived.by(() => this.#of());
  readonly columns = $derived.by((): readonly Column[] =>
    [...this.#asked].flatMap(([name, asked]) => {
      const metric = desk.metricByName.get(name);
      if (!metric || !this.#shown.ask(metric)) return [];
      const { answer } = asked;
      return [{ metric, asked, currency: answer?.currency ?? '', series: answer ? new Map(answer.series.map((one) => [one.key, one])) : NO_SERIES }];
    }),
  );
  readonly charted = $derived(this.columns.find(({ metric }) => metric.name === this.#shown.line) ?? this.columns[0]);
  readonly scale = $derived(this.#shown.scale);
  readonly down = $derived(this.#shown.sort.startsWith('-'));
  readonly sortedBy = $derived(this.#shown.sort.replace(/^-/, ''));

  readonly rows = $derived.by((): readonly Product[] => {
    const column = this.columns.find(({ metric }) => metric.name === this.sortedBy);
    const worth = (id: string): number => amount(column?.series.get(id)?.total) ?? -Infinity;
    const sign = this.down ? -1 : 1;
    return [...this.#shown.products].sort((a, b) => {
      const order = column ? worth(a.id) - worth(b.id) : a.name.localeCompare(b.name);
      return (Number.isNaN(order) ? 0 : order * sign) || a.name.localeCompare(b.name);
    });
  });
  readonly lines = $derived(
    scaled(
      this.rows.map(({ id }) => valuesOf(this.charted?.series.get(id)?.points)),
      this.scale,
    ),
  );

  readonly waiting = $derived(!desk.known || this.columns.every(({ asked }) => asked.waiting));
  /** What went wrong, where nothing at all can be shown. */
  readonly broken = $derived(this.columns.every(({ asked }) => asked.error && !asked.answer) ? (this.columns[0]?.asked.error ?? null) : null);
  retry = (): void => this.columns.forEach(({ asked }) => asked.retry());

  /** How it is sorted after its head of that name was chosen: figures the largest first, names from A. */
  turned(name: string): string {
    const first = name === 'name' ? name : `-${name}`;
    if (this.sortedBy !== name) return first;
    return this.down ? name : `-${name}`;
  }

  chart(id: string, products?: readonly string[], span?: Span): Chart {
    const answer = this.charted?.asked.answer;
    const heads = this.columns.map(({ metric, currency, series }) => ({ metric, currency, series, before: `${metric.name}, before`, compared: [...series.values()].some((one) => one.compare) }));
    return {
      id,
      columns: [
        { key: 'name', label: 'Product' },
        ...heads.flatMap(({ metric, currency, before, compared }) => [
          { key: metric.name, label: metric.title, unit: metric.unit, currency },
          ...(compared ? [{ key: before, label: `${metric.title}, ${against(desk.route.compare)}`, unit: metric.unit, currency }] : []),
        ]),
      ],
      rows: this.rows.map(({ id: key, name }) => ({
        name,
        ...Object.fromEntries(
          heads.flatMap(({ metric, series, before }) => [
            [metric.name, series.get(key)?.total ?? null],
            [before, series.get(key)?.compare?.total ?? null],
          ]),
        ),
      })),
      asked: answer ? asksFor(answer.question) : null,
      about: productsAndDays(products, span),
      ...(answer ? { asOf: answer.as_of } : {}),
    };
  }
}

/** What stands above a column. */
export const short = (metric: Metric): string => metric.title.replace('Daily active users', 'DAU').replace('Net revenue', 'Revenue');
