// Sends what the test counts, by one official client: node send.js CLIENT HOST PORT KEY
import { promisify } from 'node:util';
import { Analytics } from '@segment/analytics-node';
import Mixpanel from 'mixpanel';

const [, , client, host, port, key] = process.argv;

async function mixpanel() {
  const mp = Mixpanel.init(key, { host, port, protocol: 'http', path: '/sdk/mixpanel', key });
  const call = (method, ...args) => promisify(method.bind(mp))(...args);
  await call(mp.track, 'Signed Up', { distinct_id: 'n1', $insert_id: 'n-1' });
  await call(mp.track, 'Signed Up', { distinct_id: 'n1', $insert_id: 'n-1' });
  await call(mp.track_batch, [
    { event: 'Shared', properties: { distinct_id: 'n1', $insert_id: 'n-2' } },
    { event: 'Shared', properties: { distinct_id: 'n2', $insert_id: 'n-3', time: new Date() } },
  ]);
  await call(mp.import, 'Shared', new Date(Date.now() - 86_400_000), { distinct_id: 'n3', $insert_id: 'n-4' });
  await promisify(mp.people.set.bind(mp.people))('n1', { $email: 'n1@acme.example' });
  await call(mp.alias, 'n2', 'n3');
}

async function segment() {
  const analytics = new Analytics({ writeKey: key, host: `http://${host}:${port}`, path: '/sdk/segment/v1/batch' });
  const failed = [];
  analytics.on('error', (error) => failed.push(error));
  analytics.track({ userId: 's1', anonymousId: 'a1', event: 'Signed Up', messageId: 'sn-1' });
  analytics.track({ userId: 's1', event: 'Signed Up', messageId: 'sn-1' });
  analytics.page({ anonymousId: 'a1', name: 'Pricing', properties: { path: '/pricing' } });
  analytics.identify({ userId: 's1', traits: { email: 's1@acme.example' } });
  analytics.track({ userId: 's1', event: 'Order Completed', properties: { total: 12.5, currency: 'EUR' } });
  await analytics.closeAndFlush();
  if (failed.length) throw new Error(JSON.stringify(failed[0]));
}

await { mixpanel, segment }[client]();
