/** Which entries answer a few typed letters, best first. */
export interface Entry {
  label: string;
  hint: string;
  group: string;
}

export function find<T extends Entry>(entries: readonly T[], typed: string, most = 12): T[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return entries
    .map((entry, index) => ({ entry, index, score: score(entry, words) }))
    .filter(({ score: found }) => found > 0)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, most)
    .map(({ entry }) => entry);
}

/** Each word must stand somewhere: in the label best at its beginning, then at a word's, then anywhere. */
function score(entry: Entry, words: string[]): number {
  let sum = 1;
  const label = entry.label.toLowerCase();
  const all = `${label} ${entry.hint} ${entry.group}`.toLowerCase();
  for (const word of words) {
    if (label.startsWith(word)) sum += 8;
    else if (label.includes(` ${word}`)) sum += 5;
    else if (label.includes(word)) sum += 3;
    else if (all.includes(word)) sum += 1;
    else return 0;
  }
  return sum;
}
