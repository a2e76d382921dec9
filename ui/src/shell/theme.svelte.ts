/** Light, dark or as the system says: kept in this browser, set on the root. */
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'upwell-theme';

function kept(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return found === 'light' || found === 'dark' ? found : 'system';
  } catch {
    return 'system'; // storage may be forbidden
  }
}

class Chosen {
  chosen = $state<Theme>(kept());

  constructor() {
    this.#show();
  }

  choose(next: Theme): void {
    this.chosen = next;
    this.#show();
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // It holds until the page is closed.
    }
  }

  #show(): void {
    if (this.chosen === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.chosen;
  }
}

export const theme = new Chosen();
