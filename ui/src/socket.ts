/**
 * One WebSocket for the whole page: says what is watched, reconnects, resumes from a position.
 * The server sends a whole answer for every watch it has not given this page before that position.
 */
import type { Frame, Question, Watch } from './wire';

export type Link = 'connecting' | 'open' | 'waiting' | 'closed';

export interface Wire {
  send(text: string): void;
  close(): void;
}

export interface Ears {
  open(): void;
  message(data: unknown): void;
  close(code: number): void;
}

export interface Surroundings {
  connect(ears: Ears): Wire;
  frame(frame: Frame): void;
  link(link: Link): void;
  signedOut(): void;
  /** The newest position that is shown; on a new link null where something watched was never whole. */
  position(resuming: boolean): string | null;
  later(run: () => void, ms: number): () => void;
  random(): number;
}

const SHORTEST = 250;
const LONGEST = 15_000;
const STEADY = 5_000; // an open link this old counts as well again
const SIGNED_OUT = new Set([1008, 4401]); // policy violation: not signed in, or another origin

/** Wait before the nth try in a row: doubled each time, half of it by chance. */
export function backOff(tries: number, random: number): number {
  const longest = Math.min(LONGEST, SHORTEST * 2 ** tries);
  return longest / 2 + (longest / 2) * random;
}

export class Socket {
  #around: Surroundings;
  #wire: Wire | null = null;
  #open = false;
  #tries = 0;
  #watched = new Map<string, Question>();
  #feed = false;
  #cancelRetry: (() => void) | null = null;
  #cancelSteady: (() => void) | null = null;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  get open(): boolean {
    return this.#open;
  }

  start(): void {
    if (this.#wire) return;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#around.link('connecting');
    // What an earlier wire still has to say is no longer heard.
    const mine = (): boolean => this.#wire === wire;
    const wire: Wire = this.#around.connect({
      open: () => {
        if (!mine()) return;
        this.#open = true;
        this.#cancelSteady = this.#around.later(() => (this.#tries = 0), STEADY);
        this.#around.link('open');
        this.#say(true);
      },
      message: (data) => {
        if (!mine() || typeof data !== 'string') return;
        const said = JSON.parse(data) as Frame | Frame[];
        for (const frame of Array.isArray(said) ? said : [said]) this.#around.frame(frame);
      },
      close: (code) => {
        if (mine()) this.#lost(code);
      },
    });
    this.#wire = wire;
  }

  stop(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    const wire = this.#wire;
    this.#forget();
    wire?.close();
    this.#around.link('closed');
  }

  /** Replaces what is watched; whole answers come for what is new in it. */
  watch(watched: ReadonlyMap<string, Question>, feed: boolean): void {
    this.#watched = new Map(watched);
    this.#feed = feed;
    if (this.#open) this.#say(false);
  }

  /** Tries at once: the network came back, or a person asked. */
  retryNow(): void {
    if (this.#wire) return;
    this.#tries = 0;
    this.start();
  }

  #say(resuming: boolean): void {
    // Many frames in one message cost both sides far less than a message each.
    const said: Watch = {
      watch: [...this.#watched].map(([id, question]) => ({ id, question })),
      since: this.#around.position(resuming),
      feed: this.#feed,
      batch: true,
    };
    this.#wire?.send(JSON.stringify(said));
  }

  #lost(code: number): void {
    this.#forget();
    if (SIGNED_OUT.has(code)) {
      this.#around.link('closed');
      this.#around.signedOut();
      return;
    }
    this.#around.link('waiting');
    const wait = backOff(this.#tries, this.#around.random());
    this.#tries += 1;
    this.#cancelRetry = this.#around.later(() => this.start(), wait);
  }

  #forget(): void {
    this.#cancelSteady?.();
    this.#cancelSteady = null;
    this.#wire = null;
    this.#open = false;
  }
}
