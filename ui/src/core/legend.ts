// Which lines are off, after a click in a legend or on a line's name.

/** One line on or off; switching off the last one brings all back, as an empty chart helps nobody. */
export function toggled(hidden: ReadonlySet<string>, key: string, all: number): ReadonlySet<string> {
  const next = new Set(hidden);
  if (!next.delete(key)) next.add(key);
  return next.size >= all ? new Set() : next;
}

/** This line alone, or all of them where it was alone already. */
export function isolated(hidden: ReadonlySet<string>, key: string, keys: readonly string[]): ReadonlySet<string> {
  const alone = !hidden.has(key) && keys.every((other) => other === key || hidden.has(other));
  return alone ? new Set() : new Set(keys.filter((other) => other !== key));
}

/**
 * Clicks of one name: one toggles, two isolate, Shift isolates at once (also with Enter).
 * The second click of a pair takes back what the first did.
 */
export function clicker(): (event: { detail: number; shiftKey: boolean }, hidden: ReadonlySet<string>, key: string, keys: readonly string[]) => ReadonlySet<string> {
  let before: ReadonlySet<string> = new Set();
  return (event, hidden, key, keys) => {
    if (event.detail > 2) return hidden;
    if (event.detail === 2) return isolated(before, key, keys);
    before = hidden;
    return event.shiftKey ? isolated(hidden, key, keys) : toggled(hidden, key, keys.length);
  };
}
