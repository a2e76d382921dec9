// Which part lost most, in a sentence.
import type { BridgePart } from '../wire';
import { amount } from './data';
import { isZero, sum } from './decimal';
import { compact } from './format';

export interface Loss {
  readonly part: BridgePart;
  /** What left and what shrank of it; and of all parts. */
  readonly lost: string;
  readonly all: string;
  /** What most of it was. */
  readonly movement: 'churn' | 'contraction';
}

const lostOf = ({ bridge }: BridgePart): string => sum([bridge.churn, bridge.contraction]);

/** The part that lost most by churn and contraction; null where none lost anything. */
export function lostMost(parts: readonly BridgePart[]): Loss | null {
  const [most] = parts.filter((part) => !isZero(lostOf(part))).sort((a, b) => amount(lostOf(b))! - amount(lostOf(a))!);
  if (!most) return null;
  const { churn, contraction } = most.bridge;
  return { part: most, lost: lostOf(most), all: sum(parts.map(lostOf)), movement: amount(churn)! >= amount(contraction)! ? 'churn' : 'contraction' };
}

/** "Docs lost the most MRR this month: $80 of the $131 lost, mostly by churn." */
export function lossSentence({ part, lost, all, movement }: Loss, currency: string, when: string): string {
  const money = (value: string): string => compact(value, 'money', currency);
  const other = part.bridge[movement === 'churn' ? 'contraction' : 'churn'];
  const share = amount(lost) === amount(all) ? `all of the ${money(all)} lost` : `${money(lost)} of the ${money(all)} lost`;
  return `${part.label} lost the most MRR${when ? ` ${when}` : ''}: ${share}, ${isZero(other) ? 'all' : 'mostly'} by ${movement}.`;
}
