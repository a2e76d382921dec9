/** Filters as they stand in the address: "plan:team~plan:starter~country:DE". */
export type Filters = Record<string, string[]>;

export function parseFilters(text: string): Filters {
  const filters: Filters = {};
  for (const part of text.split('~')) {
    const colon = part.indexOf(':');
    if (colon < 1) continue;
    const by = unescaped(part.slice(0, colon));
    const key = unescaped(part.slice(colon + 1));
    filters[by] = [...(filters[by] ?? []), key];
  }
  return filters;
}

export function formatFilters(filters: Filters): string {
  return Object.entries(filters)
    .flatMap(([by, keys]) => keys.map((key) => `${escaped(by)}:${escaped(key)}`))
    .join('~');
}

/** With the value taken in, or out again where it was in. */
export function toggled(filters: Filters, by: string, key: string): Filters {
  const had = filters[by] ?? [];
  const keys = had.includes(key) ? had.filter((other) => other !== key) : [...had, key];
  const next = { ...filters, [by]: keys };
  if (!keys.length) delete next[by];
  return next;
}

const escaped = (text: string): string => text.replaceAll(/[%~:]/g, (mark) => encodeURIComponent(mark).replace('~', '%7E'));

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
