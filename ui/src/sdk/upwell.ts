/**
 * Page views, sessions and events of a site's pages, for Upwell: no cookie, nothing kept beyond the
 * tab. What was not surely sent is sent again from the next page; every event has a key, so nothing
 * counts twice.
 */
type Scalar = string | number | boolean | null;
type Props = Record<string, unknown>;
interface Kept {
  anonymous: string;
  user?: string;
  session?: string;
  seen: number;
  queue: Props[];
}
interface Upwell {
  track(name: string, props?: Props, type?: string): void;
  identify(id: string, traits?: Props): void;
  page(props?: Props): void;
}

(() => {
  const PLACE = 'upwell';
  const IDLE = 30 * 60_000;
  const MOST = 200; // events that wait
  const ATTEMPT = 50; // events a request: browsers let 64 KB go with a closing page
  const script = document.currentScript as HTMLScriptElement | null;
  const { key = '', product = '', host = '', respectDnt } = script?.dataset ?? {};
  const url = `${host || new URL(script?.src ?? location.href).origin}/v1/events?key=${encodeURIComponent(key)}`;
  const asked = navigator as Navigator & { globalPrivacyControl?: boolean };
  const silent = !key || !product || (respectDnt !== undefined && (asked.doNotTrack === '1' || asked.globalPrivacyControl === true));
  const random = (): string => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('');

  let kept: Kept = { anonymous: random(), seen: 0, queue: [] };
  let path = '';
  let timer = 0;
  let busy = false;
  let from = document.referrer;

  const save = (): void => {
    try {
      sessionStorage.setItem(PLACE, JSON.stringify(kept));
    } catch {
      // Without storage everything lasts as long as the page.
    }
  };

  const flat = (props: Props): Record<string, Scalar> =>
    Object.fromEntries(Object.entries(props).map(([name, value]) => [name, value && typeof value === 'object' ? JSON.stringify(value) : (value as Scalar)]));

  function add(type: string, metadata: Props): void {
    const now = Date.now();
    if (type !== 'session' && (!kept.session || now - kept.seen > IDLE)) {
      kept.session = random();
      kept.seen = now;
      add('session', came());
    }
    kept.seen = now;
    kept.queue.push({
      product_id: product,
      event_type: type,
      timestamp: now,
      actor_id: kept.user ?? kept.anonymous,
      idempotency_key: random(),
      metadata: flat({ ...metadata, session: kept.session }),
    });
    kept.queue = kept.queue.slice(-MOST);
    save();
    timer ||= window.setTimeout(() => void flush(), 500);
  }

  /** Where a visitor came from; the address without its query, which may hold secrets. */
  function came(): Props {
    const campaign = new URLSearchParams(location.search);
    let site = '';
    try {
      site = new URL(from).host;
    } catch {
      // No page led here.
    }
    if (site === location.host) site = '';
    const found: Props = { path: location.pathname, host: location.host };
    const channel = campaign.get('utm_source') ?? site;
    if (channel) found.channel = channel;
    if (site) found.referrer = site;
    for (const name of ['utm_medium', 'utm_campaign']) if (campaign.get(name)) found[name] = campaign.get(name);
    return found;
  }

  const packed = (events: Props[]): string => JSON.stringify(events.map((event) => ({ ...event, sent_at: Date.now() })));

  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = 0;
    const batch = kept.queue.slice(0, ATTEMPT);
    if (busy || !batch.length) return;
    busy = true;
    let wait = 0;
    try {
      const answer = await fetch(url, { method: 'POST', body: packed(batch), headers: { 'Content-Type': 'text/plain' }, credentials: 'omit', keepalive: true });
      if (answer.status === 429 || answer.status >= 500) wait = 15_000;
      else if (!answer.ok) console.warn('Upwell:', (await answer.json()).error?.message);
    } catch {
      wait = 15_000;
    }
    busy = false;
    if (!wait) {
      kept.queue = kept.queue.filter((event) => !batch.includes(event));
      save();
    }
    if (kept.queue.length) timer ||= window.setTimeout(() => void flush(), wait);
  }

  /** The page may be gone in a moment: what a beacon takes is sent, the rest waits in the tab. */
  function leave(): void {
    while (kept.queue.length) {
      const batch = kept.queue.slice(0, ATTEMPT);
      if (!navigator.sendBeacon(url, packed(batch))) break;
      kept.queue = kept.queue.slice(batch.length);
    }
    save();
  }

  function page(props: Props = {}): void {
    path = location.pathname;
    add('page_view', { ...came(), ...props });
    from = location.href;
  }

  const api: Upwell = {
    page: (props) => silent || page(props),
    track: (name, props = {}, type = 'engagement') => silent || add(type, { ...props, name }),
    identify: (id, traits = {}) => {
      if (silent || !id) return;
      kept.user = String(id);
      add('identify', { ...traits, anonymous_id: kept.anonymous });
    },
  };
  (window as unknown as { upwell: Upwell }).upwell = api;
  if (silent) {
    if (!key || !product) console.warn('Upwell: the script needs data-key and data-product.');
    return;
  }

  try {
    kept = { ...kept, ...JSON.parse(sessionStorage.getItem(PLACE) ?? '{}') };
  } catch {
    // What was kept is not ours to read.
  }
  const push = history.pushState;
  history.pushState = function (...state) {
    push.apply(this, state);
    if (location.pathname !== path) page();
  };
  addEventListener('popstate', () => location.pathname !== path && page());
  addEventListener('pagehide', leave);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && leave());
  if ((document as Document & { prerendering?: boolean }).prerendering) document.addEventListener('prerenderingchange', () => page(), { once: true });
  else page();
})();
