import { describe, expect, test } from 'vitest';
import { resolved, sheet, textAt, wrapped } from './sheet';
import { textWidth } from './text';

const LOOK = { surface: '#fff', ink: '#111', muted: '#555', font: "'Inter', sans-serif", faces: '' };
const parsed = (svg: string): Document => new DOMParser().parseFromString(svg, 'image/svg+xml');

describe('a picture to be looked at alone', () => {
  const words = { title: 'A & B <grew> "much"', about: 'Mail, 1 – 28 Feb 2026', foot: 'As of 14:02:31' };
  const svg = sheet({ width: 600, height: 200, inner: '<path d="M0,0H9"/>' }, words, LOOK);

  test('it is a document of its own that says what it shows, when and how old', () => {
    const root = parsed(svg).documentElement;
    expect(root.tagName.toLowerCase()).toBe('svg');
    expect(root.getAttribute('width')).toBe('648');
    const said = [...root.querySelectorAll('text')].map((one) => one.textContent);
    expect(said).toEqual([words.title, words.about, words.foot]);
    expect(root.querySelector('rect')?.getAttribute('fill')).toBe('#fff');
    expect(svg).toContain('<path d="M0,0H9"/>');
  });

  test('it is never too narrow for words, and long ones take more lines', () => {
    const long = 'Conversion of everybody who came in by the newest of the channels, for a week and a day';
    const narrow = parsed(sheet({ width: 40, height: 40, inner: '' }, { ...words, title: long }, LOOK)).documentElement;
    const width = Number(narrow.getAttribute('width'));
    const lines = [...narrow.querySelectorAll('text[font-size="16"]')].map((one) => one.textContent ?? '');
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.join(' ')).toBe(long);
    for (const line of lines) expect(textWidth(line, 16, 600)).toBeLessThanOrEqual(width - 48);
  });
});

test('lines are as long as there is room, and a word that is wider is cut', () => {
  expect(wrapped('one two', 400, 12, 400)).toEqual(['one two']);
  expect(wrapped('one two', textWidth('one two', 12) - 1, 12, 400)).toEqual(['one', 'two']);
  expect(wrapped('incomprehensibilities', 40, 12, 400)[0]).toMatch(/^i.*…$/);
});

test('colours by name become what they stand for', () => {
  const of = (name: string): string => ({ '--ink': ' #123 ', '--font': '"Inter", serif' })[name] ?? '';
  expect(resolved('<path stroke="var(--ink)" font-family="var(--font)"/>', of)).toBe('<path stroke="#123" font-family="&quot;Inter&quot;, serif"/>');
});

test('a word stays where the page had it', () => {
  const at = { x: 10.04, y: 20, anchor: 'end', size: 12, weight: '600', fill: 'rgb(1, 2, 3)' } as const;
  expect(textAt('<1%', at)).toBe('<text x="10" y="20" text-anchor="end" font-size="12" font-weight="600" fill="rgb(1, 2, 3)">&lt;1%</text>');
});
