/** The first event: how it is sent, and where it is seen. Pure. */
import type { Metric } from '../wire';

export const LANGUAGES = [
  { id: 'curl', label: 'curl' },
  { id: 'python', label: 'Python' },
  { id: 'node', label: 'Node' },
] as const;
export type Language = (typeof LANGUAGES)[number]['id'];

export const WAYS = [
  { id: 'program', label: 'A program' },
  { id: 'client', label: 'A client you have' },
  { id: 'site', label: 'A website' },
] as const;
export type Way = (typeof WAYS)[number]['id'];

export const CLIENTS = [
  { id: 'mixpanel', label: 'Mixpanel' },
  { id: 'segment', label: 'Segment' },
  { id: 'google', label: 'Google' },
] as const;
export type Client = (typeof CLIENTS)[number]['id'];

/** How a client of another vendor is told to send here: nothing but the host and the key. */
export function client(which: Client, { origin, key }: { origin: string; key: string }): string {
  if (which === 'segment') {
    return [
      '# Python',
      'import segment.analytics as analytics',
      '',
      `analytics.host = "${origin}/sdk/segment"`,
      `analytics.write_key = "${key}"`,
      'analytics.track("user-1", "Report shared")',
      'analytics.flush()',
      '',
      '// Node',
      "import { Analytics } from '@segment/analytics-node';",
      '',
      'const analytics = new Analytics({',
      `  host: '${origin}',`,
      "  path: '/sdk/segment/v1/batch',",
      `  writeKey: '${key}',`,
      '});',
      "analytics.track({ userId: 'user-1', event: 'Report shared' });",
    ].join('\n');
  }
  if (which === 'google') {
    return [
      '# The Measurement Protocol, with the key as api_secret',
      `curl '${origin}/sdk/ga4/mp/collect?measurement_id=G-1&'\\`,
      `'api_secret=${key}' \\`,
      `  -d '{"client_id": "1.2", "events": [`,
      `       {"name": "page_view", "params": {}}]}'`,
    ].join('\n');
  }
  return [
    '# Python',
    'from mixpanel import Consumer, Mixpanel',
    '',
    `base = "${origin}/sdk/mixpanel"`,
    'mp = Mixpanel(',
    `    "${key}",`,
    '    Consumer(events_url=f"{base}/track", people_url=f"{base}/engage",',
    '             import_url=f"{base}/import", groups_url=f"{base}/groups"))',
    'mp.track("user-1", "Report shared")',
    '',
    '// Node',
    "const Mixpanel = require('mixpanel');",
    '',
    'const mp = Mixpanel.init(',
    `  '${key}',`,
    `  { protocol: '${origin.split(':')[0]}', host: '${host(origin)}',${port(origin)}`,
    "    path: '/sdk/mixpanel' },",
    ');',
    "mp.track('Report shared', { distinct_id: 'user-1' });",
  ].join('\n');
}

const host = (origin: string): string => new URL(origin).hostname;
const port = (origin: string): string => (new URL(origin).port ? ` port: ${new URL(origin).port},` : '');

/** What a page of a site carries: counted without cookies, with a key that everybody may read. */
export function snippet({ origin, key, product }: { origin: string; key: string; product: string }): string {
  return [`<script defer src="${origin}/upwell.js"`, `  data-key="${key}"`, `  data-product="${product}"></script>`].join('\n');
}

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
