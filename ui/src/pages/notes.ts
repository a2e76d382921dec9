/** Notes of people as marks on time series. Pure. */
import type { Mark } from '../core/data';
import type { Annotation, AnnotationKind } from '../wire';

export const KINDS: readonly { id: AnnotationKind; name: string }[] = [
  { id: 'note', name: 'Note' },
  { id: 'release', name: 'Release' },
  { id: 'launch', name: 'Launch' },
  { id: 'campaign', name: 'Campaign' },
  { id: 'outage', name: 'Outage' },
];

const NAME = new Map(KINDS.map((kind) => [kind.id, kind.name]));

/** The marks of a chart over [from, to) about these products (none: all); days are local. */
export function marksOf(notes: readonly Annotation[], products: readonly string[], from: string, to: string): Mark[] {
  return notes
    .filter((note) => note.day >= from && note.day < to)
    .filter((note) => note.products.length === 0 || products.length === 0 || note.products.some((one) => products.includes(one)))
    .map((note) => ({
      id: note.id,
      start: note.day,
      kind: 'note',
      title: note.kind === 'note' ? note.title : `${NAME.get(note.kind)}: ${note.title}`,
      text: note.text,
    }));
}
