/** Nothing is laid out where tests of components run: an element is told of as soon as it is watched. */
globalThis.ResizeObserver = class {
  #told: ResizeObserverCallback;

  constructor(told: ResizeObserverCallback) {
    this.#told = told;
  }

  observe(target: Element): void {
    this.#told([{ target } as ResizeObserverEntry], this);
  }

  unobserve(): void {}

  disconnect(): void {}
};
