/** Shapes of the revenue routes. Money is a decimal string in major units; null: not defined. */
export type Movement = 'new' | 'expansion' | 'reactivation' | 'contraction' | 'churn';

/** Opening to closing; contraction and churn are positive and are taken away. */
export interface Bridge {
  opening: string;
  new: string;
  expansion: string;
  reactivation: string;
  contraction: string;
  churn: string;
  fx: string;
  restatement: string;
  closing: string;
}

export interface BridgeCause {
  movement: Movement;
  cause: string;
  amount: string;
  customers: number;
}

export interface BridgePart {
  key: string;
  label: string;
  bridge: Bridge;
}

export interface BridgeBucket {
  start: string;
  complete: boolean;
  bridge: Bridge;
}

export interface Bridged {
  currency: string;
  policy: string;
  as_of: Record<string, string>;
  position: string;
  complete: boolean;
  provisional: boolean;
  bridge: Bridge;
  causes: BridgeCause[];
  cross: { cross_sell: string; product_drop: string } | null;
  parts?: BridgePart[];
  buckets: BridgeBucket[];
}

/** One customer's share of a movement; `delivery` is what brought it. */
export interface Moved {
  id: string;
  name: string;
  email: string;
  country: string;
  product: string;
  plan: string;
  amount: string;
  at: string;
  cause: string;
  delivery?: number | null;
}

export interface MovedPage {
  customers: Moved[];
  cursor: string | null;
}

export type Status = 'active' | 'trialing' | 'past_due' | 'paused' | 'canceled';

export interface Customer {
  id: string;
  name: string;
  email: string;
  country: string;
  products: string[];
  plans: string[];
  status: Status;
  mrr: string;
  since: string | null;
  ltv: string | null;
}

export interface CustomerPage {
  customers: Customer[];
  cursor: string | null;
  total: number;
  currency?: string;
}

export interface SubscriptionLine {
  id: string;
  source: string;
  product: string;
  plan: string;
  interval: string;
  status: string;
  mrr: string;
  started: string | null;
  trial_end: string | null;
  cancel_at: string | null;
  canceled_at: string | null;
  ended_at: string | null;
  reason: string | null;
}

export interface MovementLine {
  at: string;
  day: string;
  product: string;
  plan: string;
  kind: Movement;
  cause: string;
  amount: string;
  mrr_after: string;
  delivery: number | null;
}

export interface PaymentLine {
  id: string;
  at: string;
  amount: string;
  status: string;
  product: string;
  refunded: string | null;
  currency?: string;
}

export interface Profile {
  customer: {
    id: string;
    name: string;
    email: string;
    country: string;
    since: string | null;
    status: Status;
    mrr: string;
    lifetime_value: string | null;
    /** Every account that is this customer; `rule` joined it with the others. */
    sources: { source: string; id: string; name: string; rule?: string | null }[];
  };
  currency?: string;
  subscriptions: SubscriptionLine[];
  movements: MovementLine[];
  payments: PaymentLine[];
  mrr: { start: string; value: string }[];
}

/** Values as shares of the first; `size` is customers or money. */
export interface Cohort {
  start: string;
  size: number | string;
  values: (number | null)[];
}

export interface Cohorts {
  grain: 'week' | 'month' | 'quarter' | 'year';
  currency?: string | null;
  cohorts: Cohort[];
  mean: (number | null)[];
}

export interface Rule {
  name: string;
  value: string | number | boolean | string[] | null;
  title: string;
  definition: string;
}

export interface Ruleset {
  name: string;
  title: string;
  version: string | number;
  fields: Rule[];
}

export interface Rulesets {
  workspace: string;
  policies: Ruleset[];
}

export interface Why {
  currency?: string;
  ours: string;
  theirs: string;
  difference: string;
  causes: { cause: string; sentence: string; amount: string; customers: number }[];
}

export interface Change {
  amount: string;
  cause: string;
  customer: string;
  delivery: number | null;
  recorded_at: string;
}

export interface Changes {
  before: string;
  after: string;
  currency?: string;
  changes: Change[];
}
