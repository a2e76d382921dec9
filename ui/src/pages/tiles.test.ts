import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { desk } from '../shell/desk.svelte';
import type { LifecycleAnswer, Tile } from '../wire';
import TileUse from './TileUse.svelte';

const TILE: Tile = { id: 'one', kind: 'lifecycle', x: 0, y: 0, w: 6, h: 4 };

function answering(note: string): void {
  const answer: LifecycleAnswer = { rule: 'active', position: '0-1', behind: [], note, points: [] };
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify(answer))));
}

beforeEach(() => {
  desk.known = true;
  Object.defineProperty(HTMLElement.prototype, 'clientWidth', { configurable: true, get: () => 900 });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  desk.known = false;
});

test('a tile about use says which source is late, as the page does', async () => {
  answering('Mail is complete up to 21 November 2026.');
  render(TileUse, { tile: TILE, title: 'New and gone', height: 240, moved: () => 0 });
  const said = await screen.findByText(/Mail is complete up to 21 November 2026\. What lies after that is not final\./);
  expect(said.closest('[role=status]')).not.toBeNull();
});

test('where nothing is late it says nothing', async () => {
  answering('');
  render(TileUse, { tile: { ...TILE, products: ['mail'] }, title: 'New and gone', height: 240, moved: () => 0 });
  await screen.findByText('Nobody was active in these dates');
  expect(screen.queryByText(/not final/)).toBeNull();
});

test('what its server does not know is said in words for a person', async () => {
  const error = { code: 'not_found', message: 'There is nothing at this address.', fix: '/schema lists every address.', where: '' };
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ error }), { status: 404 })));
  render(TileUse, { tile: { ...TILE, products: ['docs'] }, title: 'New and gone', height: 240, moved: () => 0 });
  expect(await screen.findByText(/This page and its server are of different versions/)).toBeTruthy();
  expect(screen.queryByText(/schema/)).toBeNull();
});
