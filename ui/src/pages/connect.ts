/** Words and names for connecting an account. Pure. */
import { exact } from '../core/format';
import type { Reading } from '../wire';

/** "Acme Mail" is "acme-mail"; a second one is "acme-mail-2". */
export function slugOf(name: string, taken: readonly string[], otherwise = 'stripe'): string {
  const plain = name
    .normalize('NFKD')
    .replaceAll(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  const slug = (plain || otherwise).slice(0, 40);
  for (let n = 1; ; n += 1) {
    const one = n === 1 ? slug : `${slug}-${n}`;
    if (!taken.includes(one)) return one;
  }
}

/** What is wrong with a key before it is tried, "" where nothing is. */
export function keyTrouble(key: string): string {
  const given = key.trim();
  if (!given) return '';
  if (given.startsWith('pk_')) return 'This is a publishable key: it may read nothing. A restricted key begins with rk_.';
  if (given.startsWith('whsec_')) return 'This is the secret of a webhook. The key begins with rk_ or sk_.';
  if (!/^(rk|sk)_/.test(given)) return 'A key of Stripe begins with rk_ or sk_.';
  return '';
}

/** What is wrong with the signing secret of a webhook before it is kept, "" where nothing is. */
export function secretTrouble(secret: string): string {
  const given = secret.trim();
  return !given || given.startsWith('whsec_') ? '' : 'The signing secret of a webhook begins with whsec_.';
}

/** "invoices, 1,200 of 4,000; about 3 min left" */
export function readingWords({ label, done, total, seconds_left: left }: Reading): string {
  const much = total ? `, ${exact(done, 'count')} of ${exact(total, 'count')}` : '';
  return `${label}${much}${left === null ? '' : `; ${timeLeft(left)} left`}`;
}

function timeLeft(seconds: number): string {
  if (seconds < 60) return 'less than a minute';
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min`;
  return `about ${Math.round(seconds / 3600)} h`;
}
