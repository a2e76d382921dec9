import type { Attachment } from 'svelte/attachments';

/** Who is told of an element's width, by element: one observer for all of them. */
const told = new Map<Element, (width: number) => void>();

const observer =
  typeof ResizeObserver === 'undefined'
    ? null
    : new ResizeObserver((entries) => {
        // All are read before anyone is told, lest one that draws makes the next read lay out again.
        const widths = entries.map((entry) => entry.target.clientWidth);
        entries.forEach((entry, at) => told.get(entry.target)?.(widths[at]!));
      });

/**
 * Tells an element's inner width (px, padding included) once it is laid out and whenever it changes.
 *
 * `bind:clientWidth` asks for it in the middle of drawing, and the browser lays the page out once
 * more for each chart; an observer is told after the one layout of a frame, before it is painted.
 */
export function roomOf(tell: (width: number) => void): Attachment<HTMLElement> {
  return (element) => {
    told.set(element, tell);
    observer?.observe(element, { box: 'border-box' });
    return () => {
      observer?.unobserve(element);
      told.delete(element);
    };
  };
}
