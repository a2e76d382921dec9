/** An alert's sentence in the parts that a page shows apart. Pure. */
import type { Alert } from '../wire';

export interface Said {
  text: string; // what happened
  customers: readonly string[]; // whom it is about, as far as one may see them
}

const CUSTOMERS = ' Customers: '; // how the list at the end begins

/** What happened, less the customers at its end; `titled` where the title stands above it. */
export function said({ title, sentence, customers }: Alert, titled = false): Said {
  const end = customers.length ? sentence.lastIndexOf(CUSTOMERS) : -1;
  const whole = end > 0 ? sentence.slice(0, end) : sentence;
  const lead = `${title}: `;
  const text = titled && whole.startsWith(lead) ? whole.slice(lead.length) : whole;
  return { text: text.charAt(0).toUpperCase() + text.slice(1), customers };
}

/** Sentences that are said of several answers, each once: which days are missing, what was sampled. */
export const saidOf = (notes: readonly string[]): string[] => [...new Set(notes.flatMap((note) => note.match(/[^.]+\.(?=\s|$)/g) ?? []).map((one) => one.trim()))];
