import { between, ease, isMove } from '../core/motion';
import type { Line } from '../core/data';

const MILLISECONDS = 240;

const still = (): boolean =>
  document.visibilityState === 'hidden' || matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Lines on their way to new values; at once where the question changed or motion is unwelcome. */
export class Moving {
  #from = $state.raw<readonly Line[]>([]);
  #t = $state(1);
  #target: () => readonly Line[];
  readonly lines = $derived.by(() => {
    const target = this.#target();
    return this.#t < 1 ? between(this.#from, target, ease(this.#t)) : target;
  });

  constructor(target: () => readonly Line[]) {
    this.#target = target;
    let last = target();
    let frame = 0;
    $effect.pre(() => {
      const next = target();
      if (next === last) return;
      const from = last;
      last = next;
      cancelAnimationFrame(frame);
      if (!isMove(from, next) || still()) {
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
