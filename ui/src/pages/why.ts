/** Why a number changed, in words and in links. Pure. */
import { amount, type Direction, type Unit } from '../core/data';
import { exact } from '../core/format';
import type { ChangePart, ChangeSplit, Explanation, Metric, Question, Value } from '../wire';
import { dimensionWords } from '../shell/words';

const MOVES: Record<string, { label: string; done: (customers: string, plural: boolean) => string }> = {
  new: { label: 'New', done: (who) => `${who} came` },
  expansion: { label: 'Expansion', done: (who, plural) => `${who} ${plural ? 'pay' : 'pays'} more` },
  reactivation: { label: 'Reactivation', done: (who) => `${who} came back` },
  contraction: { label: 'Contraction', done: (who, plural) => `${who} ${plural ? 'pay' : 'pays'} less` },
  churn: { label: 'Churn', done: (who) => `${who} left` },
  fx: { label: 'Exchange rates', done: (who) => who },
  restatement: { label: 'Changes to past months', done: (who) => who },
};
const MOST = 0.4; // of the change, from which a part is worth a word
const FILTERS = new Set(['plan', 'interval', 'country', 'currency', 'source']); // what revenue can be narrowed to
const TOGETHER = new Set(['movement', 'product']);

const COUNTRIES = new Intl.DisplayNames('en', { type: 'region' });

export function countryName(code: string): string {
  return /^[A-Z]{2}$/.test(code) ? (COUNTRIES.of(code) ?? code) : code;
}

/** What a part of a split is called; "" is what the events do not say. */
export function partName(by: string, part: ChangePart): string {
  switch (part.kind ?? 'part') {
    case 'other':
      return `${part.others ?? 0} more`;
    case 'overlap':
      return 'In several of them';
    case 'rest':
      return 'In none of them';
    case 'part':
  }
  if (by === 'movement') return MOVES[part.key]?.label ?? part.key;
  const name = part.label || part.key;
  if (name === '' || name === '(none)') return 'Not said';
  return by === 'country' ? countryName(name) : by === 'cause' ? dimensionWords(name) : name;
}

/** A change in full, of a rate in points: "+$4,210.00", "−0.40 pp", "+12". */
export function signedChange(value: Value, unit: Unit, currency: string): string {
  const number = amount(value) ?? 0;
  const text = unit === 'ratio' ? `${exact(number, 'ratio').replace('%', '')} pp` : exact(value, unit, currency);
  return number > 0 ? `+${text}` : text;
}

/** Good, bad or neither, as the metric's direction has it. */
export function toneOf(value: Value, direction: Direction): 'good' | 'bad' | 'none' {
  const number = amount(value) ?? 0;
  if (!number || direction === 'none') return 'none';
  return (direction === 'up') === number > 0 ? 'good' : 'bad';
}

/** In one sentence: what changed by how much, mostly where, by whom. */
export function finding(metric: Pick<Metric, 'title'>, found: Explanation): string {
  const change = amount(found.change);
  if (change === null) return found.note ?? '';
  const unit = found.unit;
  const currency = found.currency ?? '';
  const size = signedChange(found.change, unit, currency).replace(/^[+−]/, '');
  const values = `from ${exact(found.before, unit, currency)} to ${exact(found.after, unit, currency)}`;
  if (!change) return `${metric.title} did not change: ${exact(found.after, unit, currency)} in both.`;
  const sayings = [`${metric.title} ${change < 0 ? 'fell' : 'rose'} by ${size}, ${values}`];
  const product = leading(found.splits.find((split) => split.by === 'product'), change);
  if (product) sayings.push(`of which ${partName('product', product)} ${signedChange(product.change, unit, currency)}`);
  const detail = found.lead ? movedBy(found) : whereMost(found, change, currency);
  return `${sayings.join(', ')}${detail && (found.lead ? ': ' : ', ')}${detail}.`;
}

/** The part with most of the change, in its direction, where it has enough of it to be named. */
function leading(split: ChangeSplit | undefined, change: number): ChangePart | null {
  const found = split?.parts.find((part) => (part.kind ?? 'part') === 'part' && Math.sign(amount(part.change) ?? 0) === Math.sign(change));
  return found && Math.abs(amount(found.change) ?? 0) >= MOST * Math.abs(change) ? found : null;
}

function movedBy({ lead }: Explanation): string {
  if (!lead) return '';
  const who = `${exact(lead.customers, 'count')} ${lead.customers === 1 ? 'customer' : 'customers'}`;
  const where = [lead.plan, lead.country && countryName(lead.country)].filter(Boolean).join(', ');
  const said = MOVES[lead.movement]?.done(who, lead.customers !== 1) ?? who;
  return where ? `${said} (${lead.customers > 1 ? 'mostly ' : ''}${where})` : said;
}

function whereMost(found: Explanation, change: number, currency: string): string {
  const parts = found.splits
    .filter((split) => !TOGETHER.has(split.by) && split.parts.length > 1)
    .flatMap((split) => {
      const part = leading(split, change);
      return part && partName(split.by, part) !== 'Not said' ? [{ by: split.by, part }] : [];
    })
    .sort((a, b) => Math.abs(amount(b.part.change)!) - Math.abs(amount(a.part.change)!));
  const most = parts[0];
  return most ? `by ${most.by.replaceAll('_', ' ')} mostly ${partName(most.by, most.part)} ${signedChange(most.part.change, found.unit, currency)}` : '';
}

/** Whether the question can be asked about this part alone. */
export function narrows(metric: Pick<Metric, 'name' | 'dimensions'>, by: string, part: ChangePart, billed: boolean): boolean {
  if ((part.kind ?? 'part') !== 'part') return false;
  return by === 'product' || (metric.dimensions.includes(by) && (!billed || FILTERS.has(by)));
}

/** The question as the address of the answer has it. */
export function paramsOf(question: Question): Record<string, string | undefined> {
  const { metric, product, from, to, grain, where, compare, known_at, policy, currency, segment } = question;
  const filters = Object.entries(where ?? {}).flatMap(([key, values]) => values.map((value) => `${key}:${value}`));
  return {
    metric,
    product: product?.length ? product.join(',') : undefined,
    from: from ?? undefined,
    to: to ?? undefined,
    grain: grain ?? undefined,
    where: filters.length ? filters.join(',') : undefined,
    compare: compare ?? undefined,
    known_at: known_at ?? undefined,
    policy: policy ?? undefined,
    currency: currency ?? undefined,
    segment: segment ?? undefined,
  };
}
