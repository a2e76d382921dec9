/** Pages are read when they are opened; once the first one stands there, the others ahead of it. */
import type { Component } from 'svelte';
import type { Page } from '../router';
import Home from './Home.svelte';

type Read = () => Promise<{ default: Component }>;

const explore: Read = () => import('./Explore.svelte');
const READ: Record<Exclude<Page, 'home' | 'sign-in' | 'setup'>, Read> = {
  revenue: () => import('./Revenue.svelte'),
  usage: () => import('./Usage.svelte'),
  traffic: () => import('./Traffic.svelte'),
  product: explore,
  explore,
  customers: () => import('./Customers.svelte'),
  customer: () => import('./CustomerProfile.svelte'),
  boards: () => import('./Boards.svelte'),
  board: () => import('./Board.svelte'),
  products: () => import('./Products.svelte'),
  alerts: () => import('./Alerts.svelte'),
  reports: () => import('./Reports.svelte'),
  live: () => import('./Live.svelte'),
  sources: () => import('./Sources.svelte'),
  settings: () => import('./Settings.svelte'),
  missing: () => import('./Missing.svelte'),
};
type Later = keyof typeof READ;

const isLater = (page: Page): page is Later => page in READ;

export class Opened {
  /** Whether the page could not be read: the server is gone, or another version of it is there. */
  failed = $state(false);
  #read = $state.raw<Partial<Record<Later, Component>>>({});

  /** What shows a page; null while it is on its way. Those before one is in have nothing to show afterwards. */
  of(page: Page): Component | null {
    return isLater(page) ? (this.#read[page] ?? null) : Home;
  }

  /** Read a page that is not there yet. */
  async open(page: Page): Promise<void> {
    this.failed = false;
    if (isLater(page)) this.failed = !(await this.#load(page));
  }

  /** Read the others one by one, whenever nothing else is to do; what cannot be had is read when it is opened. */
  ahead(): Promise<unknown> {
    const pages = Object.keys(READ) as Later[];
    return pages.reduce<Promise<unknown>>((before, page) => before.then(idle).then(() => this.#load(page)), Promise.resolve());
  }

  async #load(page: Later): Promise<boolean> {
    try {
      const found = this.#read[page] ?? (await READ[page]()).default;
      if (!this.#read[page]) this.#read = { ...this.#read, [page]: found };
      return true;
    } catch {
      return false;
    }
  }
}

const idle = (): Promise<void> =>
  new Promise((resolve) => {
    if ('requestIdleCallback' in globalThis) requestIdleCallback(() => resolve(), { timeout: 2000 });
    else setTimeout(resolve, 200);
  });
