/** People and code use different words: none of the inside ones may reach a page. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'svelte/compiler';
import ts from 'typescript';
import { expect, test } from 'vitest';

const INSIDE =
  /\b(actors?|cells?|projections?|positions?|grains?|incidents?|polic(y|ies)|known_at|watermarks?|restatements?|dead letters?|matured)\b/i;
const COMMAND = /upwell dead-letters \w+/g; // the command is called so; the page names it as code
const SEEN = new Set(['title', 'label', 'aria-label', 'placeholder', 'alt', 'text', 'hint', 'caption', 'summary', 'emptyTitle', 'emptyText', 'act', 'compareLabel', 'message', 'fix']);

interface Node {
  type: string;
  [key: string]: unknown;
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value;

/** Every text of a component that a person may read: text nodes, seen attributes, and phrases in code. */
function texts(source: string): string[] {
  const found: string[] = [];
  const walk = (value: unknown, seen: boolean): void => {
    if (Array.isArray(value)) {
      for (const one of value) walk(one, seen);
      return;
    }
    if (!isNode(value)) return;
    if (value.type === 'Text' && seen) found.push(String(value.data));
    if (value.type === 'Literal' && typeof value.value === 'string' && (seen || value.value.includes(' '))) found.push(value.value);
    if (value.type === 'TemplateElement') found.push((value.value as { cooked: string }).cooked);
    // Comparisons and keys of records are the code's own words.
    if (value.type === 'ImportDeclaration' || value.type === 'BinaryExpression') return;
    for (const [key, child] of Object.entries(value)) {
      if (key === 'css' || key === 'comments' || key === 'leadingComments' || key === 'trailingComments') continue;
      if (value.type === 'Property' && key === 'key') continue;
      if (value.type === 'Property' && key === 'value') {
        const name = (value.key as { name?: string }).name ?? '';
        walk(child, SEEN.has(name));
      } else if (value.type === 'Attribute') walk(child, SEEN.has(String(value.name)));
      else walk(child, isNode(child) || Array.isArray(child) ? inherits(value, seen) : seen);
    }
  };
  const root = parse(source, { modern: true });
  walk(root.fragment, true);
  if (root.instance) walk(root.instance.content, false);
  if (root.module) walk(root.module.content, false);
  return found.map((text) => text.replaceAll(COMMAND, ''));
}

/** Only what stands directly on the page is seen; what code says is seen where it is a phrase. */
const inherits = (node: Node, seen: boolean): boolean =>
  seen && !['CallExpression', 'MemberExpression', 'ArrowFunctionExpression', 'EachBlock', 'IfBlock'].includes(node.type)
    ? true
    : ['EachBlock', 'IfBlock', 'Fragment'].includes(node.type);

const files = (folder: string, ending: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.includes('.test.'))
    .map((name) => join(folder, name));

const components = files('src', '.svelte');

test('the words are looked for where pages have them', () => {
  expect(components.length).toBeGreaterThan(20);
  const planted = texts(`<script>let a = 'The actor is gone'; const by = { label: 'Grain' };</script>
    <p title="One cell">A {a ? 'policy' : \`dead letters \${a}\`} at its position</p>{#if a}<b>incident</b>{/if}`);
  expect(planted.filter((text) => INSIDE.test(text)).map((text) => text.trim()).sort()).toEqual([
    'Grain',
    'One cell',
    'The actor is gone',
    'at its position',
    'dead letters',
    'incident',
    'policy',
  ]);
});

test.each(components)('%s says none of the inside words', (file) => {
  expect(texts(readFileSync(file, 'utf8')).filter((text) => INSIDE.test(text))).toEqual([]);
});

test.each([...files('src/shell', '.ts'), ...files('src/pages', '.ts'), ...files('src/core', '.ts'), 'src/api.ts'])(
  '%s says none of the inside words',
  (file) => {
    // Whatever a module writes between quotes and with a space in it is meant for people.
    const phrases: string[] = [];
    const visit = (node: ts.Node): void => {
      if ((ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) && node.text.includes(' ')) {
        phrases.push(node.text);
      }
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022));
    expect(phrases.filter((phrase) => INSIDE.test(phrase))).toEqual([]);
  },
);

test('nothing is put on a page as markup', () => {
  for (const file of components) expect(readFileSync(file, 'utf8')).not.toMatch(/\{@html|innerHTML/);
});
