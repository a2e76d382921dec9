/** Saved questions: the page that asks one, and what kind it is. Pure. */
import { format, parse, withOwn, type Route } from '../router';
import type { OneAsked, SavedQuestion } from '../wire';
import { KINDS } from './usage';

/** What of the address is the question: not whose list is open, nor under which name it was opened. */
export const addressOf = (route: Route): string => format(withOwn(route, { who: '', gone: '', at: '', kind: '', times: '', full: '', saved: '' })).replaceAll(' ', '%20');

/** Where a saved question is opened. */
export function routeOf({ address, id }: Pick<SavedQuestion, 'address' | 'id'>): Route {
  const [path = '', search = ''] = address.split('?');
  return withOwn(parse(path, `?${search}`), { saved: id });
}

export const kindOf = (of: OneAsked): string => Object.entries(KINDS).find(([kind]) => of[kind as keyof OneAsked])?.[1] ?? '';
