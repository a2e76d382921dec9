/** Files that a page hands out. */

/** A file's name of words: "MRR by plan, 1–31 Jan" is "mrr-by-plan-1-31-jan". */
export const fileName = (words: string, ending: string): string =>
  `${words.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '').slice(0, 80) || 'chart'}.${ending}`;

/** Gives a file to whoever looks at the page. */
export function save(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // some browsers begin to read later
}

/** Text as spreadsheets open it: marked as UTF-8. */
export const csvBlob = (text: string): Blob => new Blob(['\ufeff', text], { type: 'text/csv;charset=utf-8' });
