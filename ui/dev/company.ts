/** A made-up company's numbers: the same for the same day, product and metric, every time. */
import { addDays, days, firstOfMonth } from '../src/shell/dates.ts';
import { BYS, grouped, moves, revenueValue } from './ledger.ts';
import type { Alert, Answer, FeedEvent, Grain, Metric, Point, Product, Question, Series, Unit } from '../src/wire.ts';

const BORN = Date.now();
export const now = (): Date => new Date(Date.parse('2026-11-22T14:05:31Z') + (Date.now() - BORN));
export const ago = (seconds: number): string => new Date(now().getTime() - seconds * 1000).toISOString();
export const TODAY = '2026-11-22';
const FIRST = '2024-11-22';

const NAMES: [string, string, number, number][] = [
  ['mail', 'Acme Mail', 100, 0.45],
  ['docs', 'Acme Docs', 64, 0.7],
  ['calendar', 'Acme Calendar', 41, 0.2],
  ['drive', 'Acme Drive', 37, 0.5],
  ['chat', 'Acme Chat', 29, 0.9],
  ['forms', 'Acme Forms', 18, 0.1],
  ['sites', 'Acme Sites', 13, -0.1],
  ['desk', 'Acme Desk', 11, 0.6],
  ['sign', 'Acme Sign', 8, 1.4],
  ['tasks', 'Acme Tasks', 6, -0.3],
  ['vault', 'Acme Vault', 4, 0.3],
  ['lab', 'Acme Lab', 1, 2.2],
];

export const products: Product[] = NAMES.map(([id, name, size], index) => ({
  id,
  name,
  events: size * 40_123,
  last_seen: new Date(now().getTime() - index * 41_000).toISOString(),
  first_day: FIRST,
  retired: id === 'tasks',
}));

const ALL: Grain[] = ['hour', 'day', 'week', 'month', 'quarter', 'year'];
const metric = (
  name: string,
  title: string,
  unit: Unit,
  direction: Metric['direction'],
  definition: string,
  dimensions: string[],
  grains = ALL,
): Metric => ({ name, title, unit, direction, definition, dimensions, grains, policy: 'upwell' });
const SPLITS = ['plan', 'country', 'channel', 'source'];

export const metrics: Metric[] = [
  metric('revenue', 'Net revenue', 'money', 'up', 'What was paid, less tax, less refunds, each on its own day. Other currencies at the ECB reference rate of that day.', [...SPLITS, 'currency']),
  metric('gross_revenue', 'Gross revenue', 'money', 'up', "What was paid, less tax, on the payment's day, before refunds.", SPLITS),
  metric('refunds', 'Refunds', 'money', 'down', "What was given back, on the refund's own day; one that fails is taken back when its money comes again.", SPLITS),
  metric('cancellations', 'Cancellations', 'count', 'down', 'Customers whose cancellation was requested.', [...SPLITS, 'reason']),
  metric('mrr', 'MRR', 'money', 'up', 'What running subscriptions bring in a month, less tax and lasting discounts, at the end of the day.', ['plan', 'country', 'interval', 'cause'], ALL.slice(1)),
  metric('arr', 'ARR', 'money', 'up', 'Twelve times MRR.', ['plan', 'country', 'interval'], ALL.slice(1)),
  metric('net_new_mrr', 'Net new MRR', 'money', 'up', 'New, expansion and reactivation less contraction and churn, at constant exchange rates.', ['plan', 'country', 'interval', 'cause'], ALL.slice(1)),
  metric('customers', 'Paying customers', 'count', 'up', 'Customers with MRR at the end of the day.', ['plan', 'country', 'interval'], ALL.slice(1)),
  metric('new_customers', 'New customers', 'count', 'up', 'Customers who paid for the first time.', ['plan', 'country', 'interval'], ALL.slice(1)),
  metric('churned_customers', 'Churned customers', 'count', 'down', 'Customers whose last paid subscription ended.', ['plan', 'country', 'interval', 'cause'], ALL.slice(1)),
  metric('customer_churn_rate', 'Customer churn rate', 'ratio', 'down', 'Customers who left, without those who joined or came back in the same dates, of the customers at their beginning.', [], ALL.slice(1)),
  metric('gross_mrr_churn_rate', 'Gross MRR churn', 'ratio', 'down', 'Churn and contraction as a share of the MRR at the beginning.', [], ALL.slice(1)),
  metric('net_mrr_churn_rate', 'Net MRR churn', 'ratio', 'down', 'Churn and contraction less expansion, as a share of the MRR at the beginning.', [], ALL.slice(1)),
  metric('nrr', 'Net revenue retention', 'ratio', 'up', 'What customers of twelve months ago pay now, as a share of what they paid then.', [], ALL.slice(1)),
  metric('grr', 'Gross revenue retention', 'ratio', 'up', 'The same without what any of them pays more than then.', [], ALL.slice(1)),
  metric('quick_ratio', 'Quick ratio', 'ratio', 'up', 'New and expansion for each unit of contraction and churn.', [], ALL.slice(1)),
  metric('arpa', 'ARPA', 'money', 'up', 'MRR for each paying customer.', ['plan', 'country', 'interval'], ALL.slice(1)),
  metric('asp', 'ASP', 'money', 'up', 'MRR that a new customer begins with.', ['plan', 'country', 'interval'], ALL.slice(1)),
  metric('ltv', 'Lifetime value', 'money', 'up', 'ARPA times gross margin, over the mean churn rate of the six whole months before.', [], ALL.slice(1)),
  metric('trials', 'Trials', 'count', 'up', 'Trials that started.', ['plan', 'country'], ALL.slice(1)),
  metric('trial_conversion_rate', 'Trial conversion', 'ratio', 'up', 'Of the trials that started, the share that paid within 30 days; those still inside them are left out.', [], ALL.slice(1)),
  metric('failed_payments', 'Failed payments', 'count', 'down', 'Invoices whose payment failed for the first time.', [], ALL.slice(1)),
  metric('recovery_rate', 'Recovered payments', 'ratio', 'up', 'Of the money whose payment failed, the share that was paid within 30 days.', [], ALL.slice(1)),
  metric('mrr_set_to_cancel', 'MRR set to cancel', 'money', 'down', 'MRR of subscriptions whose end is already fixed.', ['plan', 'country'], ALL.slice(1)),
  metric('signups', 'Signups', 'count', 'up', 'Signup events.', SPLITS),
  metric('activations', 'Activations', 'count', 'up', 'Activation events.', SPLITS),
  metric('activation_rate', 'Activation rate', 'ratio', 'up', 'Of the users who first signed up, the share who activated within 14 days of it. Complete only when those 14 days have passed.', [], ALL.slice(1)),
  metric('actors', 'Users with any event', 'count', 'up', 'Different users or customers with any event.', [], ALL.slice(1)),
  metric('dau', 'Daily active users', 'count', 'up', 'Different users with an engagement, session, page view, activation or signup that day. Over longer spans: the mean of their days.', [], ALL.slice(1)),
  metric('sessions', 'Sessions', 'count', 'up', 'Session events.', []),
  metric('page_views', 'Page views', 'count', 'up', 'Page view events.', SPLITS),
  metric('visitors', 'Visitors', 'count', 'up', 'Different users or devices with a page view.', [], ALL.slice(1)),
];

const SIZES: Record<string, number> = {
  revenue: 92.4, gross_revenue: 96, refunds: 3.6, cancellations: 0.12, churned_customers: 0.1, signups: 1.9,
  activations: 0.8, actors: 130, dau: 120, sessions: 210, page_views: 800, visitors: 150,
};
const KEYS: Record<string, [string, number][]> = {
  plan: [['starter', 0.44], ['team', 0.31], ['business', 0.17], ['enterprise', 0.08]],
  country: [['US', 0.38], ['DE', 0.17], ['GB', 0.12], ['FR', 0.09], ['JP', 0.07], ['BR', 0.06], ['IN', 0.05], ['CA', 0.04], ['other', 0.02]],
  channel: [['organic', 0.5], ['paid', 0.2], ['referral', 0.2], ['partner', 0.1]],
  source: [['sdk', 0.7], ['stripe', 0.3]],
  currency: [['USD', 0.7], ['EUR', 0.2], ['GBP', 0.1]],
  reason: [['too_expensive', 0.4], ['payment_failed', 0.3], ['missing_features', 0.2], ['', 0.1]],
};

function noise(text: string): number {
  let h = 2_166_136_261;
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 16_777_619);
  h = Math.imul(h ^ (h >>> 15), 2_246_822_507);
  return ((h ^ (h >>> 13)) >>> 0) / 4_294_967_296;
}

/** What one product adds up to on one local day. */
function amount(name: string, product: string, day: string, added: number): number {
  const found = NAMES.find(([id]) => id === product);
  if (!found || day < FIRST || day > TODAY) return 0;
  const [, , size, growth] = found;
  const index = days({ from: FIRST, to: day });
  const weekday = new Date(`${day}T00:00:00Z`).getUTCDay();
  const weekly = weekday === 0 || weekday === 6 ? 0.62 : 1.08;
  const yearly = 1 + 0.12 * Math.sin((index / 365) * 2 * Math.PI);
  const trend = 1 + (growth * index) / 730;
  const spread = 0.86 + 0.28 * noise(`${name}${product}${day}`);
  const outage = product === 'drive' && day >= '2026-11-04' && day <= '2026-11-05' && name !== 'cancellations' ? 0.25 : 1;
  const burst = product === 'mail' && name === 'cancellations' && day === TODAY ? 3.4 : 1;
  const whole = size * (SIZES[name] ?? 1) * weekly * yearly * trend * spread * outage * burst;
  return (day === TODAY ? whole * 0.55 : whole) + (day === TODAY ? added : 0);
}

export const live = new Map<string, number>(); // metric/product -> what came in since the start

function valueOf(name: string, ids: readonly string[], list: string[], share: number): string | number | null {
  if (!list.length || list.at(-1)! < FIRST || list[0]! > TODAY) return null;
  if (name === 'activation_rate') return 0.31 + 0.2 * noise(ids.join() + list[0]!) - (list[0]! > '2026-11-08' ? 0.12 : 0);
  let sum = 0;
  for (const id of ids) for (const day of list) sum += amount(name, id, day, (live.get(`${name}/${id}`) ?? 0)) * share;
  if (name === 'dau') sum /= list.length;
  if (name === 'actors' || name === 'visitors') sum /= list.length ** 0.7;
  if (['revenue', 'gross_revenue', 'refunds'].includes(name)) return sum.toFixed(2);
  return Math.round(sum);
}

function starts(from: string, to: string, grain: Grain): { start: string; list: string[]; share: number }[] {
  const all: string[] = [];
  for (let day = from; day < to; day = addDays(day, 1)) all.push(day);
  if (grain === 'hour') {
    return all.flatMap((day) =>
      Array.from({ length: 24 }, (_, hour) => ({
        start: `${day}T${String(hour).padStart(2, '0')}:00:00+00:00`,
        list: day === TODAY && hour > 14 ? [] : [day],
        share: (1 + Math.sin(((hour - 8) / 24) * 2 * Math.PI) * 0.7 + 0.2 * noise(day + hour)) / 24,
      })),
    );
  }
  const groups = new Map<string, string[]>();
  for (const day of all) {
    const weekday = (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7;
    const month = Number(day.slice(5, 7)) - 1;
    const name = {
      day, week: addDays(day, -weekday), month: firstOfMonth(day),
      quarter: firstOfMonth(day, -(month % 3)), year: `${day.slice(0, 4)}-01-01`,
    }[grain];
    const key = name < from ? from : name;
    groups.set(key, [...(groups.get(key) ?? []), day]);
  }
  return [...groups].map(([start, list]) => ({ start, list, share: 1 }));
}

function points(question: Question, ids: readonly string[], share: number, from: string, to: string): Point[] {
  const grain = question.grain ?? 'day';
  return starts(from, to, grain).map((one) => ({
    start: one.start,
    value: one.list.length ? valueOf(question.metric, ids, one.list, share * one.share) : null,
    complete: grain === 'hour' ? one.start < '2026-11-22T14' : question.metric === 'activation_rate' ? one.list.at(-1)! < '2026-11-09' : one.list.at(-1)! < TODAY,
  }));
}

const list = (from: string, to: string): string[] => starts(from, to, 'day').map((one) => one.start);

export function answer(question: Question): Answer {
  const found = metrics.find((one) => one.name === question.metric);
  if (!found) throw { code: 'unknown_metric', message: `Unknown metric '${question.metric}'.`, fix: "Did you mean 'revenue'?", where: 'metric' };
  const from = question.from ?? addDays(TODAY, -27);
  const to = question.to ?? addDays(TODAY, 1);
  const ids = question.product?.length ? question.product : products.map((one) => one.id);
  const length = days({ from, to });
  const back = question.compare === 'year' ? 364 : question.compare === 'week' ? 7 : length;
  const ledger = revenueValue(question.metric, ids, from, to, '', '') !== undefined;
  if (ledger) return { ...rest(question, found), series: ledgerSeries(question, ids, from, to, back) };
  const line = (key: string, of: readonly string[], share: number, label = ''): Series => ({
    key,
    ...(label ? { label } : {}),
    points: points(question, of, share, from, to),
    total: valueOf(question.metric, of, list(from, to), share),
    ...(question.compare
      ? {
          compare: {
            points: points(question, of, share, addDays(from, -back), addDays(to, -back)),
            total: valueOf(question.metric, of, list(addDays(from, -back), addDays(to, -back)), share * (0.97 + 0.02 * noise(key))),
          },
        }
      : {}),
  });
  const filtered = Object.entries(question.where ?? {}).reduce(
    (share, [by, values]) => share * (KEYS[by] ?? []).filter(([key]) => values.includes(key)).reduce((sum, [, part]) => sum + part, 0),
    1,
  );
  const series =
    question.by === 'product'
      ? ids.map((id) => line(id, [id], filtered, products.find((one) => one.id === id)?.name))
      : question.by
        ? (KEYS[question.by] ?? []).map(([key, share]) => line(key, ids, share * filtered))
        : [line('', ids, filtered)];
  return { ...rest(question, found), series };
}

const rest = (question: Question, found: Metric): Omit<Answer, 'series'> => ({
  question, as_of: { 'mail-stripe': ago(9), sdk: ago(2), 'docs-db': ago(61) }, policy: question.policy ?? 'upwell',
  position: '0-42', unit: found.unit, currency: found.unit === 'money' ? 'USD' : null, scanned: false,
  unconverted: found.name === 'mrr' && !question.product ? [{ currency: 'XAG', total: '12.00' }] : [], unlinked: null, note: '',
});

function ledgerSeries(question: Question, ids: readonly string[], from: string, to: string, back: number): Series[] {
  const { metric: name, by = '' } = question;
  const end = addDays(TODAY, 1);
  const keys = by === 'product' ? ids : by ? grouped(moves, BYS[by] ?? (() => '')).map(([key]) => key) : [''];
  return keys.map((key) => {
    const of = by === 'product' ? [key] : ids;
    const [as, at] = by === 'product' ? ['', ''] : [by, key];
    const line = (first: string, last: string): Point[] =>
      starts(first, last, question.grain === 'hour' ? 'day' : (question.grain ?? 'day')).map((one) => {
        const after = addDays(one.list.at(-1)!, 1);
        return { start: one.start, value: one.start > TODAY ? null : revenueValue(name, of, one.start, after < end ? after : end, as, at) ?? null, complete: after <= TODAY, ...(after > TODAY && by === '' && name === 'mrr' ? { provisional: true } : {}) };
      });
    const total = (first: string, last: string): string | number | null => revenueValue(name, of, first, last < end ? last : end, as, at) ?? null;
    return {
      key, ...(by === 'product' ? { label: products.find((one) => one.id === key)?.name ?? key } : {}), points: line(from, to), total: total(from, to),
      ...(question.compare ? { compare: { points: line(addDays(from, -back), addDays(to, -back)), total: total(addDays(from, -back), addDays(to, -back)) } } : {}),
    };
  });
}

export const alerts: Alert[] = [
  {
    id: 'inc_7', state: 'open', severity: 'high', metric: 'cancellations', product: 'mail', title: 'Cancellations in Acme Mail',
    sentence: 'Cancellations in Acme Mail: 21 today by 14:05, expected 2–7. 18 on plan starter, 15 in Germany, 19 since 11:20.',
    opened_at: '2026-11-22T13:58:12Z', resolved_at: null, muted_until: null, value: 21, expected: 4.4, low: 2, high: 7, z: 6.2,
    why: [
      { by: 'plan', key: 'starter', share: 0.86, delta: 14.3 }, { by: 'plan', key: 'team', share: 0.14, delta: 2.3 },
      { by: 'country', key: 'DE', share: 0.71, delta: 11.8 }, { by: 'country', key: 'US', share: 0.2, delta: 3.4 }, { by: 'country', key: 'FR', share: 0.09, delta: 1.4 },
      { by: 'reason', key: 'payment_failed', share: 0.78, delta: 13 }, { by: 'reason', key: 'too_expensive', share: 0.22, delta: 3.6 },
    ],
    customers: ['cus_8Kx2', 'cus_19ab', 'cus_77Qe', 'cus_0Zz1', 'cus_5Tgb', 'cus_3Rfv', 'cus_6Yhn'],
    timeline: [
      { at: '2026-11-22T13:58:12Z', text: 'Opened: 14 by 13:58, expected 2–6.', of: null },
      { at: '2026-11-22T13:58:13Z', text: 'Sent to ops.', of: null },
      { at: '2026-11-22T14:05:02Z', text: 'Still rising: 21 by 14:05.', of: null },
    ],
    delivered: [{ channel: 'ops', state: 'sent', at: '2026-11-22T13:58:13Z', error: '' }], day: TODAY,
  },
  {
    id: 'inc_6', state: 'acknowledged', severity: 'medium', metric: 'visitors', product: 'sites', title: 'Visitors in Acme Sites',
    sentence: 'Visitors in Acme Sites: 1,204 yesterday, expected 1,700–2,150.', opened_at: '2026-11-21T08:12:00Z', resolved_at: null, muted_until: null,
    value: 1204, expected: 1922, low: 1700, high: 2150, z: -3.1, why: [{ by: 'channel', key: 'organic', share: 1, delta: -718 }], customers: [],
    timeline: [{ at: '2026-11-21T08:12:00Z', text: 'Opened.', of: null }, { at: '2026-11-21T09:01:00Z', text: 'Acknowledged by Ada.', of: null }],
    delivered: [{ channel: 'ops', state: 'sent', at: '2026-11-21T08:12:01Z', error: '' }], day: '2026-11-21',
  },
  {
    id: 'inc_5', state: 'resolved', severity: 'high', metric: 'page_views', product: 'drive', title: 'Page views in Acme Drive',
    sentence: 'Page views in Acme Drive: 6,410 on 4 Nov, expected 27,000–33,000.', opened_at: '2026-11-04T09:20:00Z', resolved_at: '2026-11-06T00:10:00Z', muted_until: null,
    value: 6410, expected: 30120, low: 27000, high: 33000, z: -9.4, why: [], customers: [],
    timeline: [{ at: '2026-11-04T09:20:00Z', text: 'Opened.', of: null }, { at: '2026-11-06T00:10:00Z', text: 'Resolved: back within what is expected.', of: null }],
    delivered: [{ channel: 'ops', state: 'sent', at: '2026-11-04T09:20:01Z', error: '' }], day: '2026-11-04',
  },
];

let count = 0;
export function feedEvent(): FeedEvent {
  count += 1;
  const draw = noise(`draw${count}`);
  const product = NAMES[Math.floor(draw ** 2 * NAMES.length)]![0];
  const kinds: [string, string | null][] = [
    ['page_view', null], ['page_view', null], ['page_view', null], ['session', null], ['engagement', 'report_shared'],
    ['engagement', 'file_opened'], ['signup', null], ['activation', null], ['revenue', null], ['churn', null],
  ];
  const [type, name] = kinds[Math.floor(noise(`kind${count}`) * kinds.length)]!;
  const event: FeedEvent = {
    product, type, name, actor: `usr_${Math.floor(noise(`who${count}`) * 99_999)}`,
    value: type === 'revenue' ? (20 + noise(`sum${count}`) * 180).toFixed(2) : 1, currency: type === 'revenue' ? 'USD' : null,
    at: now().toISOString(), country: ['US', 'DE', 'GB', 'JP'][count % 4]!, plan: ['starter', 'team', 'business'][count % 3]!,
  };
  const metricsOf: Record<string, string[]> = {
    page_view: ['page_views', 'visitors'], session: ['sessions'], signup: ['signups', 'dau'], activation: ['activations'],
    revenue: ['revenue', 'gross_revenue'], churn: ['cancellations', 'churned_customers'], engagement: ['dau'],
  };
  for (const moved of metricsOf[type] ?? []) {
    const key = `${moved}/${product}`;
    live.set(key, (live.get(key) ?? 0) + (type === 'revenue' ? Number(event.value) : 1));
  }
  return event;
}
