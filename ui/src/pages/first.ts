/** The first event: how it is sent, and where it is seen. Pure. */
import type { Metric } from '../wire';

/** What a workspace is called that nobody has named. */
export const UNNAMED = 'Workspace';

export const LANGUAGES = [
  { id: 'curl', label: 'curl' },
  { id: 'python', label: 'Python' },
  { id: 'node', label: 'Node' },
] as const;
export type Language = (typeof LANGUAGES)[number]['id'];

/** A program that sends one signup; nothing but what comes with the language is needed. */
export function sending(language: Language, at: { origin: string; key: string; product: string; now: number }): string {
  const { origin, key, product, now } = at;
  const timestamp = `${new Date(now).toISOString().slice(0, 19)}Z`;
  const event = [
    `{"product_id": "${product}", "event_type": "signup",`,
    `"timestamp": "${timestamp}",`,
    `"actor_id": "user-1", "idempotency_key": "signup-user-1"}`,
  ];
  if (language === 'python') {
    return [
      'import json, urllib.request',
      '',
      ...event.map((line, index) => (index ? `         ${line}` : `event = ${line}`)),
      'request = urllib.request.Request(',
      `    "${origin}/v1/events", json.dumps(event).encode(),`,
      `    {"Authorization": "Bearer ${key}",`,
      '     "Content-Type": "application/json"})',
      'print(urllib.request.urlopen(request).read().decode())',
    ].join('\n');
  }
  if (language === 'node') {
    return [
      `fetch('${origin}/v1/events', {`,
      "  method: 'POST',",
      "  headers: {",
      `    Authorization: 'Bearer ${key}',`,
      "    'Content-Type': 'application/json',",
      '  },',
      ...event.map((line, index) => (index ? `    ${line}${index === 2 ? '),' : ''}` : `  body: JSON.stringify(${line}`)),
      '})',
      '  .then((answer) => answer.text())',
      '  .then(console.log);',
    ].join('\n');
  }
  return [
    `curl ${origin}/v1/events \\`,
    `  -H 'Authorization: Bearer ${key}' \\`,
    "  -H 'Content-Type: application/json' \\",
    ...event.map((line, index) => (index ? `       ${line}` : `  -d '${line}`)),
  ].join('\n') + "'";
}

const SHOWN_BY: Record<string, string> = {
  signup: 'signups',
  activation: 'activation_rate',
  revenue: 'revenue',
  refund: 'revenue',
  churn: 'cancellations',
  payment_failed: 'failed_payments',
  page_view: 'visitors',
};

/** The metric that an event of that type shows in first. */
export function shownBy(type: string, metrics: ReadonlyMap<string, Metric>): string {
  const name = SHOWN_BY[type] ?? 'dau';
  return metrics.has(name) ? name : '';
}
