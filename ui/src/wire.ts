/** The server's shapes, made by `python -m upwell.web.wire`; change them there. */

/** Money is a decimal string; null: not defined, or nothing known. */
export type Value = string | number | null;
export type Grain = 'hour' | 'day' | 'week' | 'month' | 'quarter' | 'year';
export type Unit = 'money' | 'count' | 'ratio' | 'number' | 'seconds';
export type Direction = 'up' | 'down' | 'none';
export type SourceState = 'live' | 'quiet' | 'backfilling' | 'failed' | 'paused';
export type Lateness = '' | 'late' | 'failed' | 'paused';
export type DriftKind = 'new_field' | 'vanished_field' | 'changed_type' | 'volume' | 'silent';
export type AlertAct = 'ack' | 'mute' | 'resolve';
export type CustomerStatus = 'active' | 'past_due' | 'trialing' | 'paused' | 'canceled';
export type DayGrain = 'day' | 'week' | 'month' | 'quarter' | 'year';
export type AnnotationKind = 'note' | 'release' | 'launch' | 'campaign' | 'outage';
export type TileKind = 'number' | 'series' | 'bars' | 'products' | 'bridge' | 'retention' | 'funnel' | 'lifecycle' | 'text' | 'hidden';
export type TileLook = 'lines' | 'areas' | 'shares';
export type GoalState = 'reached' | 'on_pace' | 'behind' | 'missed' | 'unknown';
export type OverlapDecided = 'configured' | 'billing' | 'nobody';
export type ChangeKind = 'part' | 'other' | 'overlap' | 'rest';

/** What is asked, over local days: `from` inclusive, `to` exclusive. */
export interface Question {
  metric: string;
  product?: string[];
  from?: string;
  to?: string;
  grain?: Grain;
  by?: string;
  where?: Record<string, string[]>;
  compare?: string;
  known_at?: string;
  policy?: string;
  currency?: string;
  segment?: string;
  over?: number;
}

/** One bucket: its start (a date; a local time for hours), value, and whether it is final. */
export interface Point {
  start: string;
  value: Value;
  complete: boolean;
  provisional?: boolean;
}

/** The same series over the span compared with; `total` covers the same elapsed time. */
export interface Compared {
  points: Point[];
  total: Value;
}

/** One line: `key` is '' or the value of the breakdown. */
export interface Series {
  key: string;
  points: Point[];
  total: Value;
  label?: string;
  compare?: Compared | null;
}

/** Money in a currency without any rate: shown apart, never as 0. */
export interface Unconverted {
  currency: string;
  total: string;
}

/** A source behind an answer: everything until `through` is here; null: nothing was read yet. */
export interface ReadSource {
  source: string;
  through: string | null;
  late: Lateness;
}

/** Series with what they rest on: freshness by source, counting rules, position. */
export interface Answer {
  question: Question;
  series: Series[];
  as_of: Record<string, string>;
  policy: string;
  position: string;
  unit: Unit;
  currency: string | null;
  scanned: boolean;
  unconverted: Unconverted[];
  unlinked: number | null;
  note: string;
  behind: ReadSource[];
}

/** What went wrong, in the one shape that people and programs get. */
export interface Problem {
  code: string;
  message: string;
  fix: string;
  where: string;
}

/** Every error: what went wrong, what to change, and where. */
export interface Failure {
  error: Problem;
}

/** Who is signed in. */
export interface Visitor {
  id: string;
  name: string;
  kind: string;
}

/** The company and its calendar; `first_day` is the first with an event. */
export interface Workspace {
  name: string;
  timezone: string;
  currency: string;
  week_start: string;
  now: string;
  today: string;
  first_day: string | null;
  in_file: boolean;
  named: boolean;
}

/** What the company is called and counts in; without `week_start` weeks begin as before. */
export interface NewWorkspace {
  name: string;
  timezone: string;
  currency: string;
  week_start?: string;
}

/** Who is here and what a page needs first; `setup`: there is no owner yet. */
export interface Session {
  viewer: Visitor | null;
  setup: boolean;
  csrf: string;
  demo: boolean;
  workspace: Workspace;
  version: string;
}

/** An owner's e-mail and password. */
export interface SignIn {
  email: string;
  password: string;
}

/** The one-time token of the printed link, and the owner to make. */
export interface NewOwner {
  token: string;
  email: string;
  password: string;
  name?: string;
}

/** Opens one live socket within 30 seconds: `/v1/live?ticket=…`. */
export interface Ticket {
  ticket: string;
}

/** A key to make; without `products` it is for all of them. */
export interface NewKey {
  name: string;
  scopes: string[];
  products?: string[];
  expires_at?: string;
  origins?: string[];
}

/** A fresh key; `key` is shown this once. */
export interface MadeKey {
  id: string;
  key: string;
}

/** A key without its secret; `prefix` is how its secret begins. */
export interface Key {
  id: string;
  prefix: string;
  name: string;
  scopes: string[];
  products: string[] | null;
  origins: string[] | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
}

/** A product with how much is known of it; `in_file`: it cannot be changed on a page. */
export interface Product {
  id: string;
  name: string;
  events: number;
  last_seen: string | null;
  first_day: string | null;
  retired: boolean;
  in_file: boolean;
}

/** A product to add; it is called by its id where it has no name. */
export interface NewProduct {
  id: string;
  name?: string;
}

/** Another name, retired or taken back; what is left out stays. */
export interface ProductChange {
  name?: string;
  retired?: boolean;
}

/** An entry of the catalogue; `dimensions` need no scan, a `family` is looked at together. */
export interface Metric {
  name: string;
  title: string;
  unit: Unit;
  direction: Direction;
  definition: string;
  family: string;
  dimensions: string[];
  grains: Grain[];
  policy: string;
  segments: boolean;
  adds: boolean;
}

/** An event type, or the name of an engagement: how often it was seen, its last local day. */
export interface EventName {
  name: string;
  type: string;
  events: number;
  last_seen: string;
}

/** One thing that happened to one product; value is exact, times are UTC. */
export interface GrowthEvent {
  product_id: string;
  event_type: string;
  timestamp: string;
  value?: string;
  currency?: string | null;
  source?: string | null;
  actor_id?: string | null;
  idempotency_key?: string | null;
  metadata?: Record<string, string | number | boolean | null>;
}

/** One event of a request that was not taken, and what to change. */
export interface Reject {
  index: number;
  code: string;
  message: string;
  fix: string;
}

/** What became of a body: durable when this is answered. */
export interface Accepted {
  accepted: number;
  rejected: Reject[];
  position: string | null;
  note?: string;
  error?: Problem | null;
}

/** The delivery that brought an event. */
export interface RowDelivery {
  seq: number;
  source: string;
  received_at: string;
}

/** One event and the delivery that brought it. */
export interface Row {
  event: GrowthEvent;
  delivery: RowDelivery;
}

/** A page of events, newest first; `cursor` leads to the next, null on the last. */
export interface Rows {
  rows: Row[];
  cursor: string | null;
}

/** A delivery as it came; `text` is 64 KiB of it from byte `start` on, `bytes` all its size. */
export interface Original {
  seq: number;
  source: string;
  received_at: string;
  kind: string;
  bytes: number;
  start: number;
  text: string;
}

/** History that is being read: what, how much of how much. */
export interface Backfill {
  label: string;
  done: number;
  total: number;
}

/** How far the past of a source was read: list `done` of `total`, and about what is left. */
export interface Reading {
  label: string;
  done: number;
  total: number;
  rows: number;
  rate: number;
  share: number;
  seconds_left: number | null;
}

/** Records of a source that are counted though something about them is not known. */
export interface Doubt {
  code: string;
  reason: string;
  records: number;
  last_seen: string;
  seq: number;
  object: string;
}

/** How one source is doing. */
export interface Source {
  id: string;
  kind: string;
  state: SourceState;
  last_received: string | null;
  deliveries: number;
  events: number;
  dead_letters: number;
  error: string | null;
  failed: string;
  since: string | null;
  reading: Reading | null;
  live: boolean;
  doubts: Doubt[];
  name: string;
  products: string[];
  days: number[];
  read: boolean;
  made: boolean;
  complete_to: string | null;
  late: Lateness;
  fix: string;
}

/** Every source; `backlog` counts deliveries not yet in the numbers. */
export interface Sources {
  sources: Source[];
  backlog: number;
  backfill: Backfill | null;
  position: string;
}

/** A Stripe account to read; a restricted, read-only key is enough. */
export interface NewStripe {
  id: string;
  api_key: string;
  name?: string;
  webhook_secret?: string;
  product?: string;
  product_from?: string;
  api_base?: string;
}

/** Another key of an account, another webhook secret ('': none); what is left out stays. */
export interface NewSecrets {
  api_key?: string;
  webhook_secret?: string;
}

/** Something that is read of an account, and whether the key may. */
export interface Permission {
  name: string;
  ok: boolean;
}

/** A product of Stripe's: its prices, and the product here that it belongs to. */
export interface Sold {
  id: string;
  name: string;
  prices: string[];
  active_subscriptions: number | null;
  assigned_to: string | null;
}

/** A connected account: whose it is, what may be read, what it sells; `webhook` is its door. */
export interface Account {
  source: string;
  account: string;
  livemode: boolean | null;
  permissions: Permission[];
  products: Sold[];
  webhook: string;
  made: boolean;
}

/** Assigned; what came before is in the numbers again once `position` is. */
export interface Assigned {
  source: string;
  position: string;
}

/** A record that was kept and could not be used, with the reason. */
export interface DeadLetter {
  seq: number;
  idx: number;
  source: string;
  code: string;
  reason: string;
  recorded_at: string;
}

/** One part of the difference from expected. */
export interface Why {
  by: string;
  key: string;
  share: number;
  delta: number;
}

/** What was known, or done, when; `of`: the product it tells of, if it tells of one. */
export interface Told {
  at: string;
  text: string;
  of: string | null;
}

/** Where a message went, and whether it arrived; `at` None: not yet. */
export interface Delivered {
  channel: string;
  state: string;
  at: string | null;
  error: string;
}

/** An alert as `GET /v1/alerts` gives it. */
export interface Alert {
  id: string;
  state: 'acknowledged' | 'muted' | 'open' | 'resolved';
  severity: 'high' | 'medium';
  metric: string;
  product: string;
  title: string;
  sentence: string;
  opened_at: string;
  resolved_at: string | null;
  muted_until: string | null;
  value: number | null;
  expected: number | null;
  low: number | null;
  high: number | null;
  z: number;
  why: Why[];
  customers: string[];
  timeline: Told[];
  delivered: Delivered[];
  day: string;
  waiting: string;
}

/** How long to mute an alert; a day when left out. */
export interface Acting {
  until?: string;
}

/** The month to report on, like 2026-10. */
export interface NewReport {
  month: string;
}

/** A report that was made. */
export interface Report {
  id: string;
  month: string;
  created_at: string;
  formats: string[];
}

/** How many deliveries wait to be applied, and the history that is being read. */
export interface Status {
  backlog: number;
  backfill: Backfill | null;
  position: string;
}

/** A month such as "2026-01" to close with all before it; `reopen`: to open with all after. */
export interface Closing {
  month: string;
  reopen?: boolean;
}

/** A close that stands: of a month and all before it that no earlier one closed. */
export interface Close {
  month: string;
  closed_at: string;
  by: string;
  itself: boolean;
}

/** What is closed, by month; `next` is the last month that can be, null where it is. */
export interface Closes {
  closes: Close[];
  next: string | null;
  kept: boolean;
  after_days: number | null;
  position: string;
}

/** Other customers, each as `source:id`, or an id that only one has. */
export interface Linking {
  customers: string[];
}

/** The accounts that are this customer from now on, and whether that is new. */
export interface Linked {
  accounts: string[];
  changed: boolean;
  position: string;
}

/** What one value of a split has of the change; of `others`, so many together. */
export interface ChangePart {
  key: string;
  label: string;
  change: Value;
  kind?: ChangeKind;
  before?: Value;
  after?: Value;
  rate?: Value;
  mix?: Value;
  others?: number;
}

/** The parts of one dimension, the largest change first; they add up to the whole change. */
export interface ChangeSplit {
  by: string;
  parts: ChangePart[];
  note: string;
}

/** A customer and by how much what they pay changed the number. */
export interface ChangeCustomer {
  id: string;
  name: string;
  product: string;
  plan: string;
  country: string;
  change: string;
}

/** The largest movement of the product that moved most: by how many customers, mostly where. */
export interface ChangeLead {
  product: string;
  movement: string;
  customers: number;
  plan: string;
  country: string;
}

/** The local days compared with; of a span that still runs, up to the instant `until`. */
export interface Against {
  from: string;
  to: string;
  until: string | null;
}

/** Why a metric changed from one span to another; `change` is after less before, as rounded. */
export interface Explanation {
  question: Question;
  against: Against;
  unit: Unit;
  currency: string | null;
  policy: string;
  position: string;
  as_of: Record<string, string>;
  before: Value;
  after: Value;
  change: Value;
  complete: boolean;
  splits: ChangeSplit[];
  customers: ChangeCustomer[];
  lead: ChangeLead | null;
  note: string;
  unconverted: Unconverted[];
}

/** Closing = opening + new + expansion + reactivation - contraction - churn + fx + restatement. */
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

/** How much of a movement has one cause, and of how many customers. */
export interface Cause {
  movement: string;
  cause: string;
  amount: string;
  customers: number;
}

/** What customers who stayed began and left, by product: parts of expansion and contraction. */
export interface Cross {
  cross_sell: string;
  product_drop: string;
}

/** The bridge of one value of the split. */
export interface BridgePart {
  key: string;
  label: string;
  bridge: Bridge;
}

/** The bridge of one bucket. */
export interface BridgeBucket {
  start: string;
  complete: boolean;
  bridge: Bridge;
}

/** A closed month: by how much MRR at its end is another now than it was known when it closed. */
export interface ClosedMonth {
  month: string;
  closed_at: string;
  restated: string;
}

/** A bridge with what it rests on; `closed` are the months of it that are closed. */
export interface BridgeAnswer {
  currency: string;
  policy: string;
  as_of: Record<string, string>;
  position: string;
  complete: boolean;
  provisional: boolean;
  bridge: Bridge;
  causes: Cause[];
  cross: Cross | null;
  parts: BridgePart[];
  buckets: BridgeBucket[];
  closed: ClosedMonth[];
  unconverted: Unconverted[];
  apart: BridgeAnswer[];
}

/** One customer's share of a movement; `at` is the last change, `delivery` what brought it. */
export interface MovedCustomer {
  id: string;
  name: string;
  email: string;
  country: string;
  product: string;
  plan: string;
  amount: string;
  at: string;
  cause: string;
  delivery: number;
}

/** A page of a movement's customers, the largest first. */
export interface MovedCustomers {
  customers: MovedCustomer[];
  cursor: string | null;
  total: number;
}

/** MRR in one currency. */
export interface InCurrency {
  currency: string;
  mrr: string;
}

/** A customer in the list; `ltv` is what they have paid so far, less refunds. */
export interface CustomerLine {
  id: string;
  name: string;
  email: string;
  country: string;
  products: string[];
  plans: string[];
  status: CustomerStatus;
  currency: string;
  mrr: string;
  since: string | null;
  ltv: string | null;
  also: InCurrency[];
}

/** A page of customers, and how many there are. */
export interface Customers {
  customers: CustomerLine[];
  cursor: string | null;
  total: number;
  currency: string;
}

/** The name of a customer in one source. */
export interface CustomerId {
  source: string;
  id: string;
  name: string;
  rule: string | null;
  since: string | null;
}

/** A customer's account that was one with this customer until somebody took them apart. */
export interface Apart {
  source: string;
  id: string;
  at: string;
}

/** Who a customer is and what they are worth; money in the workspace's currency. */
export interface CustomerFacts {
  id: string;
  name: string;
  email: string;
  country: string;
  since: string | null;
  status: CustomerStatus;
  mrr: string;
  lifetime_value: string | null;
  sources: CustomerId[];
  apart: Apart[];
}

/** A subscription of a customer as it stands. */
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

/** A movement of a customer, with their MRR after it; `delivery` is what brought it. */
export interface MovementLine {
  at: string;
  day: string;
  product: string;
  plan: string;
  kind: string;
  cause: string;
  amount: string;
  mrr_after: string;
  delivery: number;
}

/** An invoice of a customer and what came of it, in its own currency. */
export interface PaymentLine {
  id: string;
  at: string;
  amount: string;
  status: string;
  product: string;
  currency: string;
  refunded: string | null;
}

/** A customer's MRR at the end of a month. */
export interface MonthValue {
  start: string;
  value: string;
}

/** How often one event was done, and when last; `name` is its type where it has no name. */
export interface UsedEvent {
  product: string;
  name: string;
  count: number;
  last: string;
}

/** What a customer's users did. */
export interface Used {
  users: number;
  active_days: number;
  first_active: string;
  last_active: string;
  since: string;
  events: UsedEvent[];
}

/** One customer: subscriptions, movements, payments, MRR by month, use by its own users. */
export interface Profile {
  customer: CustomerFacts;
  currency: string;
  subscriptions: SubscriptionLine[];
  movements: MovementLine[];
  payments: PaymentLine[];
  mrr: MonthValue[];
  use: Used | null;
  apart: Profile[];
}

/** Who began to pay in one period; `values` are shares of `size`, null while not over. */
export interface Cohort {
  start: string;
  size: number | string;
  values: (number | null)[];
}

/** Cohorts, and the mean of each column over those that are old enough, by their weight. */
export interface Cohorts {
  grain: Exclude<Grain, 'hour' | 'day'>;
  currency: string | null;
  cohorts: Cohort[];
  mean: (number | null)[];
  only: string | null;
  apart: Cohorts[];
}

/** One choice of the counting rules: `about` what, and `said`: its value in words. */
export interface CountingRule {
  name: string;
  value: string | number | boolean | null;
  title: string;
  definition: string;
  about: string;
  said: string;
}

/** One set of counting rules. */
export interface CountingRules {
  name: string;
  title: string;
  version: number;
  fields: CountingRule[];
}

/** All sets of counting rules, and the name of the workspace's own. */
export interface Policies {
  workspace: string;
  policies: CountingRules[];
}

/** What one choice of the counting rules makes of the difference. */
export interface WhyCause {
  cause: string;
  title: string;
  sentence: string;
  amount: string;
  customers: number;
}

/** MRR at the end of a month by two sets of rules; the causes add up to the difference. */
export interface WhyDiffer {
  currency: string;
  ours: string;
  theirs: string;
  difference: string;
  causes: WhyCause[];
  same: string[];
  apart: WhyDiffer[];
}

/** What became known of past days: of whom, how much, by which delivery (null: taken back). */
export interface Change {
  amount: string;
  cause: string;
  id: string;
  customer: string;
  product: string;
  plan: string;
  source: string;
  delivery: number | null;
  recorded_at: string;
}

/** A metric of past days as known at two moments; the changes add up to the difference. */
export interface Changes {
  metric: string;
  before: string | null;
  after: string;
  currency: string;
  changes: Change[];
  apart: Changes[];
}

/** One object that the two sides see differently; `delivery` is what told of it. */
export interface CashObject {
  id: string;
  kind: string;
  ours: string;
  stripe: string;
  delivery: number;
}

/** One account, currency and month: what we counted, what Stripe booked. */
export interface CashMonth {
  account: string;
  currency: string;
  month: string;
  ours: string;
  stripe: string;
  difference: string;
  objects: CashObject[];
}

/** Cash of the ledger against the accounts' balance transactions. */
export interface Reconciliation {
  rows: CashMonth[];
}

/** A filter on one property; all that is given must hold. Numbers compare as numbers. */
export interface Condition {
  equals?: string | number | boolean;
  in?: (string | number | boolean)[];
  contains?: string;
  gt?: number;
  gte?: number;
  lt?: number;
  lte?: number;
  exists?: boolean;
}

/** One event: its type, or of `engagement` its name; with filters, of some of the products. */
export interface Doing {
  event: string;
  where?: Record<string, string | number | boolean | (string | number | boolean)[] | Condition>;
  product?: string | string[];
}

/** A step: one event, or any of several; `label` is what people call it. */
export interface StepAsked {
  event?: string;
  where?: Record<string, string | number | boolean | (string | number | boolean)[] | Condition>;
  product?: string | string[];
  any?: Doing[];
  optional?: boolean;
  label?: string;
}

/** An event that must not come between two steps, which are counted from 1. */
export interface Excluded {
  event: string;
  where?: Record<string, string | number | boolean | (string | number | boolean)[] | Condition>;
  product?: string | string[];
  between?: [number, number];
  mode?: 'drop_actor' | 'end_attempt';
}

/** `POST /v1/funnel`; `bins` of the histogram of times, by default as many as suit the count. */
export interface FunnelAsked {
  product?: string | string[];
  from?: string;
  to?: string;
  where?: Record<string, string | number | boolean | (string | number | boolean)[] | Condition>;
  segment?: string;
  steps: StepAsked[];
  window?: string;
  order?: 'any' | 'ordered' | 'strict';
  entry?: 'first' | 'latest';
  exclude?: Excluded[];
  window_scope?: 'first' | 'step';
  order_tolerance_ms?: number;
  by?: string;
  attribution?: string;
  top?: number;
  trend?: Grain;
  bins?: number;
  between?: number;
}

/** `counts[i]` durations from `low + i * width` seconds; the last begins at the longest. */
export interface Histogram {
  low: number;
  width: number;
  counts: number[];
}

/** One step: users who did it, and of those before it, and how long it took them. */
export interface FunnelStep {
  label: string;
  count: number;
  conversion: number | null;
  step_conversion: number | null;
  matured_conversion: number | null;
  mean_seconds: number | null;
  median_seconds: number | null;
  open: number;
  dropped: number;
}

/** Users at one alternative of a step: those who went on, dropped and may go on make them all. */
export interface FlowNode {
  id: string;
  step: number;
  label: string;
  count: number;
  dropped: number;
  open: number;
}

/** Users who went from one node to another. */
export interface FlowLink {
  source: string;
  target: string;
  count: number;
  median_seconds: number;
}

/** What users of a link also did on the way, and how often; `other` gathers the rarest. */
export interface BetweenEvent {
  label: string;
  users: number;
  times: number;
  other: boolean;
}

/** The way along one link: its most frequent events, and who did nothing else (`direct`). */
export interface LinkBetween {
  source: string;
  target: string;
  direct: number;
  events: BetweenEvent[];
}

/** The routes people took; every person is in one link, or one end, of each node passed. */
export interface FunnelFlow {
  nodes: FlowNode[];
  links: FlowLink[];
  between: LinkBetween[];
}

/** From the first step to the last. */
export interface FunnelWhole {
  entered: number;
  converted: number;
  conversion: number | null;
  matured_conversion: number | null;
  mean_seconds: number | null;
  median_seconds: number | null;
  histogram: Histogram | null;
}

/** The funnel of one value of the breakdown; `other` gathers the rarest values. */
export interface FunnelPart {
  key: string | null;
  other: boolean;
  steps: FunnelStep[];
}

/** What became of the entries of one bucket; complete once nobody of it can be open. */
export interface FunnelPoint {
  start: string;
  complete: boolean;
  entered: number;
  converted: number;
  open: number;
  conversion: number | null;
  matured_conversion: number | null;
}

/** A funnel, the routes through it, its parts and its trend. */
export interface FunnelAnswer {
  rule: string;
  position: string;
  behind: ReadSource[];
  note: string;
  steps: FunnelStep[];
  whole: FunnelWhole;
  flow: FunnelFlow;
  parts: FunnelPart[];
  trend: FunnelPoint[];
}

/** `POST /v1/retention`; `columns` counts column 0. */
export interface RetentionAsked {
  product?: string | string[];
  from?: string;
  to?: string;
  where?: Record<string, string | number | boolean | (string | number | boolean)[] | Condition>;
  segment?: string;
  start: StepAsked;
  return: StepAsked;
  grain?: Grain;
  cohort?: 'first_ever' | 'first_time' | 'recurring';
  counting?: 'on' | 'on_or_after';
  buckets?: 'calendar' | 'exact_24h';
  measure?: 'actors' | 'revenue';
  by?: string;
  top?: number;
  columns?: number;
  brackets?: number[];
  at_least?: number;
  reference?: 'first' | 'previous';
}

/** Those who began in one bucket: `size` of them, and what became of them by distance. */
export interface UseCohort {
  start: string;
  size: number;
  values: (number | string | null)[];
  shares: (number | null)[];
}

/** The table of one value of the breakdown; `other` gathers the rarest values. */
export interface RetentionPart {
  key: string | null;
  other: boolean;
  cohorts: UseCohort[];
  mean: (number | null)[];
}

/** Who came back; `mean` pools the cohorts that are old enough for each column. */
export interface RetentionAnswer {
  rule: string;
  position: string;
  behind: ReadSource[];
  note: string;
  cohorts: UseCohort[];
  mean: (number | null)[];
  columns: string[];
  parts: RetentionPart[];
  currency: string | null;
  unconverted: Unconverted[];
}

/** `POST /v1/lifecycle`. */
export interface LifecycleAsked {
  product?: string | string[];
  from?: string;
  to?: string;
  where?: Record<string, string | number | boolean | (string | number | boolean)[] | Condition>;
  segment?: string;
  grain?: DayGrain;
  event?: string;
}

/** People of one bucket; `active` are new, returning and resurrecting. */
export interface LifecyclePoint {
  start: string;
  new: number | null;
  returning: number | null;
  resurrecting: number | null;
  dormant: number | null;
  active: number | null;
  complete: boolean;
}

/** Who is new, stays, comes back and goes quiet. */
export interface LifecycleAnswer {
  rule: string;
  position: string;
  behind: ReadSource[];
  note: string;
  points: LifecyclePoint[];
}

/** `POST /v1/stickiness`: a bucket counts with `at_least` so many events. */
export interface StickinessAsked {
  product?: string | string[];
  from?: string;
  to?: string;
  where?: Record<string, string | number | boolean | (string | number | boolean)[] | Condition>;
  segment?: string;
  grain?: DayGrain;
  event?: string;
  at_least?: number;
}

/** How often people come: `exact[k - 1]` in k buckets of the range, `cumulative` in k or more. */
export interface StickinessAnswer {
  rule: string;
  position: string;
  behind: ReadSource[];
  note: string;
  exact: number[];
  cumulative: number[];
  active: (number | null)[];
  complete: number;
  people: number;
  mean_active: number | null;
  share: number | null;
}

/** `POST /v1/paths`: by the names of events, or by a property of an event (`by`). */
export interface PathsAsked {
  product?: string | string[];
  from?: string;
  to?: string;
  where?: Record<string, string | number | boolean | (string | number | boolean)[] | Condition>;
  segment?: string;
  start?: string;
  end?: string;
  depth?: number;
  event?: string;
  by?: string;
  edges?: number;
}

/** A place in the order and what was done there; `visits` = `ends` + transitions out. */
export interface PathNode {
  id: string;
  step: number;
  label: string;
  visits: number;
  ends: number;
  other: boolean;
  between: boolean;
}

/** From one node to the next: how many times, by how many users, after how long on average. */
export interface PathEdge {
  source: string;
  target: string;
  transitions: number;
  actors: number;
  mean_seconds: number;
}

/** The ways people take; what enters a node leaves it or ends there. */
export interface PathsAnswer {
  rule: string;
  position: string;
  behind: ReadSource[];
  note: string;
  nodes: PathNode[];
  edges: PathEdge[];
}

/** Whoever did an event (without one: anything) so many times in the range. */
export interface DidAsked {
  product?: string | string[];
  from?: string;
  to?: string;
  where?: Record<string, string | number | boolean | (string | number | boolean)[] | Condition>;
  segment?: string;
  event?: string;
  at_least?: number;
}

/** A value of the breakdown, as the answer wrote it. */
export interface PartAsked {
  key?: string;
  other?: boolean;
}

/** A number: the question it answers, and where it stands in the answer. */
export interface Behind {
  funnel?: FunnelAsked;
  retention?: RetentionAsked;
  lifecycle?: LifecycleAsked;
  stickiness?: StickinessAsked;
  paths?: PathsAsked;
  step?: number;
  state?: 'converted' | 'dropped' | 'open' | 'reached';
  node?: string;
  bucket?: string;
  cohort?: string;
  k?: number;
  stayed?: boolean;
  kind?: 'dormant' | 'new' | 'resurrecting' | 'returning';
  start?: string;
  times?: number;
  or_more?: boolean;
  source?: string;
  target?: string;
  did?: DidAsked;
  part?: PartAsked;
  between?: PartAsked;
}

/** `POST /v1/people`: the users behind a number, page by page. */
export interface PeopleAsked {
  of: Behind;
  limit?: number;
  cursor?: string;
}

/** A user, in the product where they were seen first, with all of their events. */
export interface Person {
  id: string;
  product: string;
  first_seen: string;
  last_seen: string;
  events: number;
}

/** The users behind a number, a page of them; `total` is the number. */
export interface PeopleAnswer {
  people: Person[];
  cursor: string | null;
  total: number;
}

/** One value, and on how many events of the sample it was. */
export interface PropertyValue {
  value: string;
  events: number;
}

/** A property of events: on how many of the sample, and its most frequent values. */
export interface Property {
  name: string;
  events: number;
  share: number;
  kind: 'boolean' | 'number' | 'text';
  values: PropertyValue[];
  distinct: number;
}

/** The properties of the newest events, of which `sample` were looked at. */
export interface Properties {
  properties: Property[];
  sample: number;
}

/** `POST /v1/segments`: users by what they do, to be looked at in other questions. */
export interface NewSegment {
  name: string;
  of: Behind;
}

/** Users by what they do, saved: who is in it is found anew at each question. */
export interface Segment {
  id: string;
  name: string;
  of: Behind;
  created_at: string;
  created_by: string;
}

/** The segments there are, by name. */
export interface Segments {
  segments: Segment[];
}

/** One question about use, under the name of its route. */
export interface OneAsked {
  funnel?: FunnelAsked;
  retention?: RetentionAsked;
  lifecycle?: LifecycleAsked;
  stickiness?: StickinessAsked;
  paths?: PathsAsked;
}

/** `POST /v1/saved`: a question to be found again, and the page that asks it. */
export interface NewQuestion {
  name: string;
  of: OneAsked;
  address: string;
}

/** A question under a name; `address` is the page that asks it, of the dates it says. */
export interface SavedQuestion {
  id: string;
  name: string;
  of: OneAsked;
  address: string;
  created_at: string;
  created_by: string;
}

/** The saved questions there are, by name. */
export interface SavedQuestions {
  questions: SavedQuestion[];
}

/** A question and its place: `x` and `w` in twelfths of the width, `y` and `h` in rows. */
export interface Tile {
  id: string;
  kind: TileKind;
  x: number;
  y: number;
  w: number;
  h: number;
  title?: string;
  metric?: string;
  by?: string;
  look?: TileLook;
  products?: string[];
  range?: string;
  grain?: Grain;
  of?: OneAsked;
  text?: string;
}

/** `POST /v1/boards`: a name, tiles that do not cover each other, and who may see it. */
export interface NewBoard {
  name: string;
  tiles?: Tile[];
  shared?: boolean;
  version?: string;
}

/** A board; `mine` where the viewer may change it, `version` another with each change. */
export interface Board {
  id: string;
  name: string;
  tiles: Tile[];
  shared: boolean;
  mine: boolean;
  owner: string;
  created_at: string;
  version: string;
}

/** The boards that the viewer may open, by name. */
export interface BoardList {
  boards: Board[];
}

/** One key of a table as a form asks for it. */
export interface TableKey {
  name: string;
  type: 'bool' | 'choice' | 'list' | 'map' | 'number' | 'tables' | 'text';
  description: string;
  required: boolean;
  secret: boolean;
  default: string;
  choices: string[];
}

/** Events that happened on a local day. */
export interface DayCount {
  day: string;
  events: number;
}

/** An event type of a source, or the name of an engagement. */
export interface EventCount {
  name: string;
  type: string;
  events: number;
  first_seen: string;
  last_seen: string;
}

/** A field of an event: its type, when it was seen, and a value of it as JSON. */
export interface FieldSeen {
  event: string;
  field: string;
  type: string;
  first_seen: string;
  last_seen: string;
  example: string;
}

/** Something about a source's events that is not as it was, until somebody has seen it. */
export interface Drift {
  id: string;
  kind: DriftKind;
  event: string;
  field: string;
  text: string;
  since: string;
  example: string;
}

/** Records of a source that could not be used for one reason; the newest stands for them. */
export interface Unusable {
  code: string;
  reason: string;
  fix: string;
  records: number;
  first_seen: string;
  last_seen: string;
  seq: number;
  idx: number;
  record: string;
}

/** One source in detail: 90 days of events, which ones, their fields, and what is wrong. */
export interface SourceHealth {
  source: string;
  volumes: DayCount[];
  events: EventCount[];
  fields: FieldSeen[];
  drift: Drift[];
  unusable: Unusable[];
}

/** The first day that is read again. */
export interface Reset {
  to: string;
}

/** What is read again; `reading` False: it is paused, and will be. */
export interface ReadAgain {
  source: string;
  to: string;
  listed: string[];
  reading: boolean;
}

/** Which records to try again; what is left out is not narrowed. */
export interface Replay {
  source?: string;
  code?: string;
  delivery?: number;
}

/** How many records were tried, how many still cannot be used, how many events that added. */
export interface Replayed {
  tried: number;
  still_unusable: number;
  added: number;
}

/** A kind of source that is read, and the keys of its table. */
export interface SourceKind {
  name: string;
  title: string;
  keys: TableKey[];
}

/** Every kind that can be connected, those of other packages among them. */
export interface SourceKinds {
  kinds: SourceKind[];
}

/** A source of any kind: `settings` are the keys of its table, secrets as they are. */
export interface NewSource {
  id: string;
  kind: string;
  settings: Record<string, unknown>;
  name?: string;
}

/** A source that is kept and being read, and what there is to read, a line each. */
export interface Connected {
  source: string;
  found: string[];
}

/** A source of kind sql with one query; its mapping may lack what is not chosen yet. */
export interface NewPreview {
  settings: Record<string, unknown>;
}

/** A column of a query, with the type that its database names. */
export interface PreviewColumn {
  name: string;
  type: string;
}

/** What a row would become; `row` counts from 0. */
export interface PreviewEvent {
  row: number;
  event: GrowthEvent;
}

/** Why a row would not be counted; `row` counts from 0. */
export interface PreviewRefused {
  row: number;
  code: string;
  reason: string;
}

/** The first rows of a query, and what they would become; nothing was kept. */
export interface SqlPreview {
  server: string;
  way: string;
  columns: PreviewColumn[];
  guessed: Record<string, string>;
  rows: ((string | null)[])[];
  events: PreviewEvent[];
  refused: PreviewRefused[];
  problem: Problem | null;
}

/** A source with events of the measure in the last 30 days; without `counts` it only reports. */
export interface Sender {
  source: string;
  events: number;
  last: string;
  counts: boolean;
}

/** A measure of a product that several sources tell of, or only others than the authority. */
export interface Overlap {
  product: string;
  measure: string;
  decided: OverlapDecided;
  authority: string[];
  sources: Sender[];
}

/** All of them, by product and measure. */
export interface Overlaps {
  overlaps: Overlap[];
}

/** `POST /v1/goals`: a metric, the value it is to have, and by the end of which day. */
export interface NewGoal {
  metric: string;
  by: string;
  value: Value;
  product?: string;
  since?: string;
  id?: string;
}

/** A goal and where it stands. */
export interface Goal {
  id: string;
  metric: string;
  product: string;
  since: string;
  by: string;
  unit: Unit;
  currency: string | null;
  value: Value;
  start: Value;
  now: Value;
  expected: Value;
  gap: Value;
  share: number | null;
  state: GoalState;
  sums: boolean;
  in_file: boolean;
  created_by: string;
}

/** The goals that the viewer may see, the one to be reached first in front. */
export interface GoalList {
  goals: Goal[];
}

/** `POST /v1/annotations`: what happened, when (now when left out), and to which products. */
export interface NewAnnotation {
  title: string;
  kind?: AnnotationKind;
  at?: string;
  text?: string;
  products?: string[];
}

/** An annotation as it stands on charts; `day` is its local day. */
export interface Annotation {
  id: string;
  kind: AnnotationKind;
  at: string;
  day: string;
  title: string;
  text: string;
  products: string[];
  created_at: string;
  created_by: string;
}

/** The annotations of a span, the newest first; `more` where there are older ones in it. */
export interface Annotations {
  annotations: Annotation[];
  more: boolean;
}

/** What all pages share: as `/v1/products`, `/v1/metrics` and the others answer it. */
export interface Shared {
  products: Product[];
  metrics: Metric[];
  sources: Sources;
  alerts: Alert[];
  annotations: Annotation[];
  goals: Goal[];
}

/** What a page needs before it can ask anything; `shared` is null for who may not read. */
export interface Start {
  session: Session;
  shared: Shared | null;
}

/** One event as it arrived, for the Live page. */
export interface FeedEvent {
  product: string;
  type: string;
  name: string | null;
  actor: string | null;
  value: Value;
  currency: string | null;
  at: string;
  country: string | null;
  plan: string | null;
}

/** One changed point of a watched question; `key` names its series. */
export interface Moved extends Point {
  key: string;
}

/** What the live socket says. */
export type Frame =
  | { id: string; answer: Answer; position: string }
  | {
      id: string;
      position: string;
      points: Moved[];
      totals?: Record<string, Value>;
      as_of?: Record<string, string>;
    }
  | { feed: { events: FeedEvent[]; per_second: number | null } }
  | { status: Status }
  | { alerts: { open: number; latest: Alert | null } }
  | { error: Problem & { id?: string } };

/** What a page says on the live socket: all that it watches, each time. */
export interface Watch {
  watch: { id: string; question: Question }[];
  since: string | null;
  feed: boolean;
  batch?: boolean;
}
