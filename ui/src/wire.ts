/** The server's shapes, in its names (src/upwell/query.py and src/upwell/web). */

export type Grain = 'hour' | 'day' | 'week' | 'month' | 'quarter' | 'year';
export type Compare = 'previous' | 'week' | 'year';
export type Unit = 'money' | 'count' | 'ratio' | 'seconds';
export type Direction = 'up' | 'down' | 'none';
/** Money is a decimal string; null: not defined, or nothing known. */
export type Value = string | number | null;

export interface Question {
  metric: string;
  product?: string[];
  from?: string;
  to?: string;
  grain?: Grain;
  by?: string;
  where?: Record<string, string[]>;
  compare?: Compare;
  known_at?: string;
  policy?: string;
  currency?: string;
}

export interface Point {
  start: string;
  value: Value;
  complete: boolean;
  provisional?: boolean;
}

export interface Compared {
  points: Point[];
  total: Value;
}

export interface Series {
  key: string;
  points: Point[];
  total: Value;
  label?: string;
  compare?: Compared | null;
}

export interface Unconverted {
  currency: string;
  total: string;
}

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
}

export interface Problem {
  code: string;
  message: string;
  fix: string;
  where: string;
}

export interface Workspace {
  name: string;
  timezone: string;
  currency: string;
  week_start: string;
  now: string;
  today: string;
  first_day: string | null;
}

export interface Session {
  viewer: { id: string; name: string; kind: string } | null;
  setup: boolean;
  csrf: string;
  demo: boolean;
  workspace: Workspace;
  version: string;
}

export interface Product {
  id: string;
  name: string;
  events: number;
  last_seen: string | null;
  first_day: string | null;
  retired: boolean;
}

export interface Metric {
  name: string;
  title: string;
  unit: Unit;
  direction: Direction;
  definition: string;
  dimensions: string[];
  grains: Grain[];
  policy: string;
}

export interface GrowthEvent {
  product_id: string;
  event_type: string;
  timestamp: string;
  value?: string | number;
  currency?: string | null;
  source?: string | null;
  actor_id?: string | null;
  idempotency_key?: string | null;
  metadata?: Record<string, string | number | boolean | null>;
}

export interface Row {
  event: GrowthEvent;
  delivery: { seq: number; source: string; received_at: string };
}

export interface Rows {
  rows: Row[];
  cursor: string | null;
}

export interface Original {
  seq: number;
  source: string;
  received_at: string;
  kind: string;
  bytes: number;
  text: string;
}

export interface Backfill {
  label: string;
  done: number;
  total: number;
}

export interface Source {
  id: string;
  kind: string;
  state: 'live' | 'quiet' | 'backfilling' | 'failed';
  last_received: string | null;
  deliveries: number;
  events: number;
  dead_letters: number;
  error: string | null;
}

export interface Sources {
  sources: Source[];
  backlog: number;
  backfill: Backfill | null;
  position: string;
}

export interface DeadLetter {
  seq: number;
  idx: number;
  source: string;
  code: string;
  reason: string;
  recorded_at: string;
}

export interface Why {
  by: string;
  key: string;
  share: number;
  delta: number;
}

export interface Alert {
  id: string;
  state: 'open' | 'acknowledged' | 'muted' | 'resolved';
  severity: 'high' | 'medium';
  metric: string;
  product: string;
  title: string;
  sentence: string;
  opened_at: string;
  resolved_at: string | null;
  value: Value;
  expected: Value;
  low: Value;
  high: Value;
  z: number | null;
  why: Why[];
  customers: string[];
  timeline: { at: string; text: string }[];
  delivered: { channel: string; state: string; at: string | null }[];
  day: string;
}

export interface Report {
  id: string;
  month: string;
  created_at: string;
  formats: string[];
}

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

export interface Status {
  backlog: number;
  backfill: Backfill | null;
  position: string;
}

export type Frame =
  | { id: string; answer: Answer; position: string }
  | {
      id: string;
      position: string;
      points: Moved[];
      totals?: Record<string, Value>;
      as_of?: Record<string, string>;
    }
  | { feed: { events: FeedEvent[]; per_second: number } }
  | { status: Status }
  | { alerts: { open: number; latest: Alert | null } }
  | { error: Problem & { id?: string } };

export interface Watch {
  watch: { id: string; question: Question }[];
  since: string | null;
  feed: boolean;
}
