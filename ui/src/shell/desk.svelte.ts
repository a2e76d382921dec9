/** The one thing with a life on the page: session, address, clock, and the answers being watched. */
import { untrack } from 'svelte';
import { createApi, problemFrom, UNREACHABLE, type Api } from '../api';
import { format, parse, segmentOf, type Route } from '../router';
import { Socket, type Ears, type Link, type Wire } from '../socket';
import { apply, EMPTY, idOf, pruned, withAnswer, withError, type State, type Tile } from '../store';
import type { Alert, Annotation, Annotations, Answer, Frame, Goal, GoalList, Metric, Problem, Product, Question, Session, Shared, Source, Sources, Workspace } from '../wire';
import { effectiveGrain, resolve, weekStartOf, type Calendar, type Span } from './dates';
import { clockIn, dayIn, quarterOf, readyClock } from './clock';

const SPARE = 120; // answers of pages left, kept so that going back shows at once
const GRACE = 600; // ms without a link before questions are asked the plain way
const POLL = 15_000;
const FOLDING = 1500; // until what the server still counts is asked for again
const REFRESH = 60_000;
const FILLING = 5_000; // while history arrives, or before the first event

const NOWHERE: Workspace = {
  name: '',
  timezone: 'UTC',
  currency: 'USD',
  week_start: 'monday',
  now: '1970-01-01T00:00:00Z',
  today: '1970-01-01',
  first_day: null,
  in_file: false,
  named: false,
};

export interface Outside {
  fetcher: typeof fetch;
  connect: (ears: Ears) => Wire;
}

const HERE = 'upwell-here'; // in the browser's own store: somebody was signed in when it was last looked

/** Whether somebody was signed in here before, so that a live link is likely to be taken. */
function wasHere(): boolean {
  try {
    return localStorage.getItem(HERE) !== null;
  } catch {
    return false;
  }
}

function remember(here: boolean): void {
  try {
    if (here) localStorage.setItem(HERE, '1');
    else localStorage.removeItem(HERE);
  } catch {
    // A browser that stores nothing waits for the first answer instead.
  }
}

export class Desk {
  readonly api: Api;
  route = $state.raw<Route>(parse(location.pathname, location.search));
  session = $state.raw<Session | null>(null);
  failed = $state.raw<Problem | null>(null); // the session could not be had
  state = $state.raw<State>(EMPTY);
  link = $state<Link>('closed');
  products = $state.raw<Product[]>([]);
  metrics = $state.raw<Metric[]>([]);
  sources = $state.raw<Sources | null>(null);
  inbox = $state.raw<Alert[] | null>(null); // null: not read yet
  inboxProblem = $state.raw<Problem | null>(null);
  notes = $state.raw<Annotation[]>([]); // what people wrote beside time series
  goals = $state.raw<Goal[]>([]); // what metrics are to be by a day
  known = $state(false); // products and metrics are there
  now = $state(Date.now()); // the server's time, ms, a tick a second
  lastFrame = $state(0);
  #seen = $state.raw<ReadonlyMap<string, number>>(new Map()); // product -> when a figure of it moved

  workspace = $derived(this.session?.workspace ?? NOWHERE);
  // Days turn at a full quarter of an hour in UTC, wherever one is: until then it is what the server said.
  today = $derived(
    !this.session || quarterOf(this.now) === quarterOf(Date.parse(this.workspace.now)) ? this.workspace.today : dayIn(this.workspace.timezone, this.now),
  );
  calendar = $derived<Calendar>({
    today: this.today,
    weekStart: weekStartOf(this.workspace.week_start),
    firstDay: this.workspace.first_day,
  });
  span = $derived<Span>(resolve(this.route.range, this.calendar));
  metricByName = $derived(new Map(this.metrics.map((metric) => [metric.name, metric])));
  productById = $derived(new Map(this.products.map((product) => [product.id, product])));
  sourceById = $derived(new Map<string, Source>((this.sources?.sources ?? []).map((one) => [one.id, one])));
  /** What is open, as last told; it changes only when the server says so. */
  alerts = $derived(this.state.alerts);
  /** History that is on its way in. */
  filling = $derived((this.state.status ?? this.sources)?.backfill ?? null);
  /** Nothing of any product has arrived yet. */
  bare = $derived(this.known && this.products.every((product) => this.lastSeen(product) === null && product.events === 0));
  /** The products chosen above, or all. */
  scope = $derived(
    this.route.products.length
      ? this.products.filter((product) => this.route.products.includes(product.id))
      : this.products,
  );

  /** The segment whose users the page is about; "" for everybody. */
  segment = $derived(segmentOf(this.route));
  /** The same, as questions have it. */
  whom = $derived<{ segment?: string }>(this.segment ? { segment: this.segment } : {});

  #socket: Socket;
  #asked = new Map<string, { question: Question; count: number }>();
  #feeds = 0;
  #loads = 0; // asked for so far
  #loaded = 0; // which of them is shown
  #offset = 0;
  #early = false; // the link was begun before it was known whether anyone is signed in
  #flushing = false;
  #said = '';
  #frames: Frame[] = [];
  #whole = new Set<string>(); // ids answered over the link that is open, or was
  #stop: (() => void)[] = [];

  constructor({ fetcher, connect }: Outside) {
    this.api = createApi(fetcher, () => this.#signedOut());
    this.#socket = new Socket({
      connect,
      frame: (frame) => this.#receive(frame),
      link: (link) => {
        this.link = link;
        if (link === 'waiting') this.#fallBack();
      },
      signedOut: () => {
        if (!this.#early) void this.load();
        else if (this.session?.viewer) this.#socket.start(); // signed in while the link was refused
        this.#early = false;
      },
      position: (resuming) =>
        resuming && ![...this.#asked.keys()].every((id) => this.#whole.has(id)) ? null : this.state.position,
      later: (run, ms) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
      random: Math.random,
    });
  }

  /** Begins: the live link and, beside it, who is here and what there is. Returns what ends it. */
  start(): () => void {
    const every = (ms: number, run: () => void): void => {
      const timer = setInterval(run, ms);
      this.#stop.push(() => clearInterval(timer));
    };
    const on = (name: string, run: () => void): void => {
      addEventListener(name, run);
      this.#stop.push(() => removeEventListener(name, run));
    };
    on('popstate', () => (this.route = parse(location.pathname, location.search)));
    on('online', () => this.#socket.retryNow());
    on('focus', () => this.#socket.retryNow());
    every(1000, () => (this.now = Date.now() + this.#offset));
    every(POLL, () => {
      if (this.link !== 'open' && this.session?.viewer) void this.#askPlainly([...this.#asked.keys()]);
    });
    every(REFRESH, () => {
      if (this.session?.viewer) void this.load();
    });
    every(FILLING, () => {
      if (this.session?.viewer && (this.filling || this.bare)) void this.load();
    });
    this.#early = wasHere();
    if (this.#early) this.#socket.start();
    void this.load();
    readyClock();
    return () => {
      for (const stop of this.#stop.splice(0)) stop();
      this.#socket.stop();
    };
  }

  /** Who is here and all that pages share, again; what cannot be had stays as it was. */
  async load(): Promise<void> {
    const mine = (this.#loads += 1);
    try {
      const { session, shared } = await this.api.start();
      if (mine < this.#loaded) return; // what was asked for later is here
      this.#loaded = mine;
      this.#settle(session);
      if (shared) this.#take(shared);
      this.failed = null;
    } catch (thrown) {
      if (mine > this.#loaded) this.failed = problemFrom(thrown);
    }
  }

  /** Takes the session of who has just signed in. */
  enter(session: Session): void {
    this.#settle(session);
    void this.load();
  }

  /** Opens or shuts the house by a session as the server told it. */
  #settle(session: Session): void {
    this.#offset = Date.parse(session.workspace.now) - Date.now();
    this.now = Date.now() + this.#offset;
    this.session = session;
    remember(session.viewer !== null);
    if (!session.viewer) {
      this.#socket.stop();
      this.state = EMPTY;
      this.inbox = null;
      this.#whole.clear();
      return;
    }
    this.#socket.start();
  }

  #take({ products, metrics, sources, alerts, annotations, goals }: Shared): void {
    this.products = products;
    this.metrics = metrics;
    this.sources = sources;
    this.inbox = alerts;
    this.inboxProblem = null;
    this.notes = annotations;
    this.goals = goals;
    this.known = true;
  }

  async readNotes(): Promise<void> {
    this.notes = (await this.api.get<Annotations>('/v1/annotations')).annotations;
  }

  async readGoals(): Promise<void> {
    this.goals = (await this.api.get<GoalList>('/v1/goals')).goals;
  }

  async readInbox(): Promise<void> {
    try {
      const { alerts } = await this.api.get<{ alerts: Alert[] }>('/v1/alerts');
      this.inbox = alerts;
      this.inboxProblem = null;
    } catch (thrown) {
      this.inboxProblem = problemFrom(thrown);
    }
  }

  /** Acknowledge, mute or resolve; the inbox shows what the server made of it. */
  async act(id: string, name: 'ack' | 'mute' | 'resolve', until?: string): Promise<void> {
    const changed = await this.api.post<Alert>(`/v1/alerts/${encodeURIComponent(id)}/${name}`, until ? { until } : undefined);
    this.inbox = (this.inbox ?? []).map((alert) => (alert.id === id ? changed : alert));
  }

  async signOut(): Promise<void> {
    await this.api.signOut();
    await this.load();
  }

  go(route: Route, how: 'push' | 'replace' = 'push'): void {
    const address = format(route);
    if (address === location.pathname + location.search) return;
    if (how === 'push') history.pushState(null, '', address);
    else history.replaceState(null, '', address);
    const turned = route.page !== this.route.page || route.id !== this.route.id;
    this.route = parse(location.pathname, location.search);
    if (turned && how === 'push') scrollTo(0, 0);
  }

  /** Which bucket size the page's questions ask for, of a metric where one is meant. */
  grain(metric?: Metric): NonNullable<Question['grain']> {
    return effectiveGrain(this.route.grain, this.span, metric?.grains ?? null);
  }

  /** A metric over the chosen dates, comparison and products, with whatever else is asked. */
  question(metric: Metric, more: Partial<Question> = {}): Question {
    const { products, compare } = this.route;
    return {
      metric: metric.name,
      ...this.span,
      grain: this.grain(metric),
      ...(products.length ? { product: products } : {}),
      ...(compare === 'off' ? {} : { compare }),
      ...this.whom,
      ...more,
    };
  }

  /** When something of that product last arrived, as far as this page can know. */
  lastSeen(product: Product): number | null {
    const told = product.last_seen ? Date.parse(product.last_seen) : null;
    const moved = this.#seen.get(product.id) ?? null;
    return told === null ? moved : Math.max(told, moved ?? 0);
  }

  time(instant: string | number): string {
    return clockIn(this.workspace.timezone, instant);
  }

  /** Watches a question until the returned function is called. */
  watch(question: Question): () => void {
    const id = idOf(question);
    const found = this.#asked.get(id);
    if (found) found.count += 1;
    else {
      this.#asked.set(id, { question, count: 1 });
      this.#flush();
    }
    return () => {
      const held = this.#asked.get(id);
      if (!held) return;
      held.count -= 1;
      if (held.count > 0) return;
      this.#asked.delete(id);
      this.#flush();
    };
  }

  watchFeed(): () => void {
    this.#feeds += 1;
    this.#flush();
    return () => {
      this.#feeds -= 1;
      this.#flush();
    };
  }

  /** Asks again for a tile that failed. */
  retry(question: Question): void {
    const id = idOf(question);
    const tiles = new Map(this.state.tiles);
    const tile = tiles.get(id);
    if (tile?.answer) tiles.set(id, { ...tile, error: null });
    else tiles.delete(id);
    this.state = { ...this.state, tiles };
    void this.#askPlainly([id]);
  }

  /** Asks again, and leaves what is shown until the answer is there. */
  again(question: Question): void {
    void this.#askPlainly([idOf(question)]);
  }

  /** What changes within one turn of the loop is said once. */
  #flush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      const watched = new Map([...this.#asked].map(([id, { question }]) => [id, question]));
      for (const id of this.#whole) if (!watched.has(id)) this.#whole.delete(id);
      const said = JSON.stringify([...watched.keys(), this.#feeds > 0]);
      if (said === this.#said) return;
      this.#said = said;
      this.state = pruned(this.state, new Set(watched.keys()), SPARE);
      this.#socket.watch(watched, this.#feeds > 0);
      this.#fallBack();
    });
  }

  /** Without a link for a moment, what is still unanswered is asked in one plain request. */
  #fallBack(): void {
    if (this.#socket.open) return;
    setTimeout(() => {
      if (this.#socket.open || !this.session?.viewer) return;
      void this.#askPlainly([...this.#asked.keys()].filter((id) => !this.state.tiles.get(id)));
    }, GRACE);
  }

  async #askPlainly(ids: string[]): Promise<void> {
    const wanted = ids.flatMap((id) => {
      const found = this.#asked.get(id);
      return found ? [{ id, question: found.question }] : [];
    });
    if (!wanted.length) return;
    let state = this.state;
    try {
      const answers = await this.api.ask(wanted.map(({ question }) => question));
      state = this.state;
      answers.forEach((answer, index) => {
        const { id } = wanted[index]!;
        state =
          'error' in answer
            ? withError(state, id, answer.error, this.now)
            : withAnswer(state, id, answer, this.now);
      });
    } catch (thrown) {
      const problem = problemFrom(thrown);
      state = this.state;
      // Where the server is away the link's state says so; a tile that shows something keeps it.
      const bare = wanted.filter(({ id }) => problem !== UNREACHABLE || !state.tiles.get(id)?.answer);
      for (const { id } of bare) state = withError(state, id, problem, this.now);
    }
    this.state = state;
  }

  /** Frames of one picture are applied together; a hidden page has no pictures, so time does. */
  #receive(frame: Frame): void {
    this.#frames.push(frame);
    if (this.#frames.length > 1) return;
    const take = (): void => {
      const frames = this.#frames;
      this.#frames = [];
      let state = this.state;
      const seen = new Map<string, number>();
      let told = false; // that alerts changed: the sentences are in the inbox
      for (const one of frames) {
        if ('answer' in one) this.#whole.add(one.id);
        else if ('points' in one) {
          const question = this.#asked.get(one.id)?.question;
          const products = question?.by === 'product' ? one.points.map((point) => point.key) : question?.product;
          if (products?.length === 1 || question?.by === 'product') for (const id of products ?? []) seen.set(id, this.now);
        }
        told ||= 'alerts' in one;
        state = apply(state, one, this.now);
      }
      if ([...seen].some(([id, at]) => this.#seen.get(id) !== at)) this.#seen = new Map([...this.#seen, ...seen]);
      if (told) void this.readInbox();
      this.state = state;
      this.lastFrame = this.now;
    };
    if (document.hidden) setTimeout(take, 250);
    else requestAnimationFrame(take);
  }

  #signedOut(): void {
    if (this.session?.viewer) void this.load();
  }
}

export const desk = new Desk({
  fetcher: (...given) => fetch(...given),
  connect: (ears) => {
    const address = new URL('/v1/live', location.href);
    address.protocol = address.protocol.replace('http', 'ws');
    const wire = new WebSocket(address);
    wire.addEventListener('open', () => ears.open());
    wire.addEventListener('message', ({ data }) => ears.message(data));
    wire.addEventListener('close', ({ code }) => ears.close(code));
    return {
      send: (text) => wire.send(text),
      // A link that is cut while it is made is something to complain of to browsers: it is left to be made.
      close: () => (wire.readyState === WebSocket.CONNECTING ? wire.addEventListener('open', () => wire.close()) : wire.close()),
    };
  },
});

/** One tile's question over time: while a new one loads, the old answer stays to be shown. */
export class Asked {
  #question: () => Question | null;
  #desk: () => Desk;
  #last: Answer | null = null;
  #id = $derived.by(() => {
    const question = this.#question();
    return question ? idOf(question) : null;
  });
  #tile = $derived.by<Tile | undefined>(() => (this.#id === null ? undefined : this.#desk().state.tiles.get(this.#id)));
  error = $derived(this.#tile?.error ?? null);
  answer = $derived.by(() => {
    const found = this.#tile?.answer;
    if (found) this.#last = found;
    return found ?? this.#last;
  });
  /** Nothing to show yet. */
  waiting = $derived(this.answer === null && this.error === null);
  /** What is shown answers the question before this one. */
  old = $derived(this.answer !== null && this.error === null && !this.#tile?.answer);

  constructor(question: () => Question | null, at: Desk = desk) {
    this.#question = question;
    this.#desk = () => at;
    $effect(() => {
      // The id decides, so that an equal question made anew is not asked again.
      if (this.#id === null) return undefined;
      const asked = untrack(question);
      return asked ? untrack(() => at.watch(asked)) : undefined;
    });
    // By other counting rules the server counts for a while first; it says how far it is.
    $effect(() => {
      if (this.error?.code !== 'folding') return undefined;
      const timer = setTimeout(() => {
        const asked = untrack(question);
        if (asked) this.#desk().again(asked);
      }, FOLDING);
      return () => clearTimeout(timer);
    });
  }

  retry = (): void => {
    const question = this.#question();
    if (question) this.#desk().retry(question);
  };
}
