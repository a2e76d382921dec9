import { describe, expect, it } from 'vitest';
import { client, CLIENTS, LANGUAGES, sending, shownBy, snippet } from './first';

const AT = { origin: 'https://upwell.acme.example', key: 'uw_1_secret', product: 'mail', now: Date.UTC(2026, 10, 23, 2, 7, 31, 500) };

describe('the first event', () => {
  it('carries address, key, product and time in every language, and no line is long', () => {
    for (const { id } of LANGUAGES) {
      const text = sending(id, AT);
      for (const part of ['https://upwell.acme.example/v1/events', 'Bearer uw_1_secret', '"product_id": "mail"', '"timestamp": "2026-11-23T02:07:31Z"']) {
        expect(text).toContain(part);
      }
      expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(80);
    }
  });

  it('is one event in every language', () => {
    for (const { id } of LANGUAGES) {
      const text = sending(id, AT);
      const body = text.slice(text.indexOf('{"product_id"'), text.indexOf('"signup-user-1"}') + '"signup-user-1"}'.length);
      expect(JSON.parse(body)).toEqual({
        product_id: 'mail',
        event_type: 'signup',
        timestamp: '2026-11-23T02:07:31Z',
        actor_id: 'user-1',
        idempotency_key: 'signup-user-1',
      });
    }
  });

  it('is sent by a client of another vendor with nothing but its host and key', () => {
    for (const { id } of CLIENTS) {
      const text = client(id, AT);
      expect(text).toContain('upwell.acme.example');
      expect(text).toContain('/sdk/');
      expect(text).toContain(AT.key);
      expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(80);
    }
    expect(client('mixpanel', { ...AT, origin: 'http://localhost:8000' })).toContain("host: 'localhost', port: 8000");
  });

  it('comes from a page that names script, key and product', () => {
    const page = new DOMParser().parseFromString(snippet(AT), 'text/html');
    const script = page.querySelector('script')!;
    expect(script.src).toBe(`${AT.origin}/upwell.js`);
    expect({ ...script.dataset }).toEqual({ key: AT.key, product: 'mail' });
  });

  it('is seen in a metric that there is', () => {
    const metrics = new Map([['signups', {} as never]]);
    expect(shownBy('signup', metrics)).toBe('signups');
    expect(shownBy('revenue', metrics)).toBe('');
  });
});
