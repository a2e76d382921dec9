import { ease } from '../core/motion';

const MILLISECONDS = 280;

/** A picture on its way to the next; at once where `moves` says no or motion is unwelcome. */
export class Tween<T> {
  #from = $state.raw<T | null>(null);
  #t = $state(1);
  #target: () => T;
  #between: (from: T, to: T, t: number) => T;
  readonly now: T = $derived.by(() => {
    const target = this.#target();
    return this.#t < 1 && this.#from !== null ? this.#between(this.#from, target, ease(this.#t)) : target;
  });

  constructor(target: () => T, between: (from: T, to: T, t: number) => T, moves: (from: T, to: T) => boolean) {
    this.#target = target;
    this.#between = between;
    let last = target();
    let frame = 0;
    $effect.pre(() => {
      const next = target();
      if (next === last) return;
      const from = last;
      last = next;
      cancelAnimationFrame(frame);
      if (!moves(from, next) || document.visibilityState === 'hidden' || matchMedia('(prefers-reduced-motion: reduce)').matches) {
        this.#t = 1;
        return;
      }
      this.#from = from;
      this.#t = 0;
      const began = performance.now();
      const tick = (now: number): void => {
        this.#t = Math.min(1, Math.max(0, now - began) / MILLISECONDS);
        if (this.#t < 1) frame = requestAnimationFrame(tick);
      };
      frame = requestAnimationFrame(tick);
    });
    $effect(() => () => cancelAnimationFrame(frame));
  }
}
