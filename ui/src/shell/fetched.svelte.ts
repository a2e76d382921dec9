/** What a tile reads beside the watched questions: while a new answer loads, the old one stays to be shown. */
import { untrack } from 'svelte';
import { problemFrom } from '../api';
import type { Problem } from '../wire';
import { desk } from './desk.svelte';

export type Params = Record<string, string | number | undefined>;

/** What is read: a path, with what stands behind it; with a body it is posted. */
export interface Call {
  path: string;
  params?: Params;
  body?: unknown;
}

/** What was asked, as far as its tile goes: nothing yet, an answer, an old one, an error above it. */
export interface Asked<T = unknown> {
  readonly answer: T | null;
  readonly error: Problem | null;
  readonly waiting: boolean;
  readonly old: boolean; // what is shown answers the question before this one
  readonly retry: () => void;
}

const KEPT = 60; // answers, so that going back shows at once
const FOLDING = 1500; // ms until what the server still counts is asked for again
const PATIENCE = 5000; // ms between two readings of the same because something moved, at least
const REST = 10; // and so many times what the last one took, so that a heavy question does not keep the server busy
const kept = new Map<string, unknown>();

function keep(id: string, answer: unknown): void {
  kept.delete(id);
  kept.set(id, answer);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
}

export class Fetched<T> {
  answer = $state.raw<T | null>(null);
  error = $state.raw<Problem | null>(null);
  #call: () => Call | null;
  #shown = $state<string | null>(null); // id of what `answer` answers
  #id = $derived.by(() => {
    const call = this.#call();
    // Whoever signs in next must not see what this one was shown.
    return call ? JSON.stringify([desk.session?.viewer?.id, call.path, call.params ?? {}, call.body ?? null]) : null;
  });
  /** What is read now, for whoever wants it in another form. */
  get call(): Call | null {
    return this.#call();
  }
  /** Nothing to show yet. */
  waiting = $derived(this.answer === null && this.error === null);
  /** What is shown answers the call before this one. */
  old = $derived(this.answer !== null && this.error === null && this.#shown !== this.#id);
  #again = 0;
  #took = 0; // ms
  #read = 0; // the call under way, so that a late answer to an earlier one is dropped

  /** `moved` gives something else whenever what was read may have changed since. */
  constructor(call: () => Call | null, moved: () => unknown = () => null) {
    this.#call = call;
    $effect(() => {
      const id = this.#id;
      if (id === null) return;
      untrack(() => {
        const had = kept.get(id) as T | undefined;
        if (had !== undefined) this.#show(id, had);
        void this.#load(id);
      });
    });
    let last: unknown;
    let timer = 0;
    $effect(() => {
      const now = moved();
      if (now === null || last === undefined || now === last) {
        last = now;
        return;
      }
      last = now;
      if (timer) return;
      timer = setTimeout(() => {
        timer = 0;
        if (this.#id !== null) void this.#load(this.#id);
      }, Math.max(PATIENCE, REST * this.#took)) as unknown as number;
    });
    $effect(() => () => {
      clearTimeout(timer);
      clearTimeout(this.#again);
    });
  }

  retry = (): void => {
    this.error = null;
    if (this.#id !== null) void this.#load(this.#id);
  };

  #show(id: string, answer: T): void {
    this.answer = answer;
    this.#shown = id;
    this.error = null;
  }

  async #load(id: string): Promise<void> {
    const call = untrack(this.#call);
    clearTimeout(this.#again);
    if (!call) return;
    this.#read += 1;
    const mine = this.#read;
    const began = performance.now();
    try {
      const answer = call.body === undefined ? await desk.api.get<T>(call.path, call.params) : await desk.api.post<T>(call.path, call.body);
      this.#took = performance.now() - began;
      keep(id, answer);
      if (mine === this.#read) this.#show(id, answer);
    } catch (thrown) {
      if (mine !== this.#read) return;
      this.error = problemFrom(thrown);
      // By other counting rules the server counts for a while first; it says how far it is.
      if (this.error.code === 'folding') this.#again = setTimeout(() => void this.#load(id), FOLDING) as unknown as number;
    }
  }
}
