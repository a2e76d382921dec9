// Counting rules in plain words: what each value of a rule means.

type Raw = string | number | boolean | readonly string[] | null;

const WORDS: Record<string, Record<string, string>> = {
  factors: { exact: '12 months, 52 weeks or 365 days a year', four_weeks: 'A month is 4 weeks or 30 days' },
  rounding: { micro: 'Only where it is shown', minor: 'Each item to the cent' },
  tax: { excluded: 'Not counted', included: 'Counted' },
  metered: { excluded: 'Not counted, shown apart', included: 'Counted' },
  paused: { zero: 'Count nothing until resumed', counts: 'Count on' },
  zero_price: { churn: 'Has churned', active: 'Stays a customer' },
  discounts: { forever_only: 'Lasting ones', recurring: 'Lasting and repeating ones', all: 'All of them', none: 'None' },
  granularity: { day: 'What a day comes to', event_window: 'What follows within the window', period_net: 'What a month comes to' },
  churn_recognition: { ended: 'When it ended', service_end: 'When what was paid for ends', requested: 'When it was asked for' },
  fx: { constant: "The year's rates for movements, the newest for the total", period_end: "The period's last rates", tx_date: 'The rates of when the time paid for began', none: 'Not converted' },
  customer_churn: {
    standard: 'Of those at the start, without those who came or came back since',
    stripe: 'Of those at the start and the new ones',
    resubscribed: 'Of those at the start, less those who came back',
    naive: 'Of those at the start',
    daily: "The sum of the days' rates",
  },
  trial_conversion: { window: 'Of those whose time to convert is over', ended: 'Of those that ended then', ever: 'Of those that started then' },
  closed_months: { restate: 'Change the month they belong to', adjust: 'Stand in the month still open' },
  pause_zero: { void: 'Where invoices are void', keep_as_draft: 'Where invoices stay drafts', mark_uncollectible: 'Where invoices are given up' },
};

const UNITS: Record<string, readonly [string, string]> = {
  past_due_days: ['day', 'Until the billing system ends it'],
  reactivation_days: ['day', 'Always a reactivation'],
  event_window_minutes: ['minute', ''],
  retention_months: ['month', ''],
  ltv_churn_months: ['month', ''],
  cac_lag_days: ['day', ''],
  trial_days: ['day', ''],
  recovery_days: ['day', ''],
};

/** A rule's value as it is read; what nobody foresaw is said as it stands. */
export function ruleWords(rule: string, value: Raw): string {
  if (value === '') return 'Never';
  if (typeof value === 'string' && value.includes(', ')) return ruleWords(rule, value.split(', '));
  if (Array.isArray(value)) return value.length ? value.map((one) => ruleWords(rule, one as string)).join(', ') : 'Never';
  if (typeof value === 'boolean') return value ? 'Yes' : 'No';
  const unit = UNITS[rule];
  if (value === null) return unit?.[1] || 'Without limit';
  if (typeof value === 'number' && unit) return `${value} ${unit[0]}${value === 1 ? '' : 's'}`;
  const text = String(value);
  const plain = text.replaceAll('_', ' ');
  return WORDS[rule]?.[text] ?? plain.charAt(0).toUpperCase() + plain.slice(1);
}

/** The explanation less its list of values: those are said beside it, one for each set of rules. */
export function ruleMeaning(definition: string): string {
  const sentences = definition.split(/(?<=\.)\s+/).filter((sentence) => !/^[a-z_]+:/.test(sentence));
  return sentences.join(' ').replaceAll('_', ' ');
}
