import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

interface Graph {
  getModuleInfo(id: string): { importedIds: readonly string[] } | null;
}

/** Whether the first page needs a module before it can stand there: one file of script then, not a dozen small ones. */
const first = (): ((id: string, graph: Graph) => string | null) => {
  let needed: Set<string> | null = null;
  const gathered = (graph: Graph): Set<string> => {
    const found = new Set<string>([fileURLToPath(new URL('./src/main.ts', import.meta.url))]);
    for (const id of found) for (const next of graph.getModuleInfo(id)?.importedIds ?? []) found.add(next);
    return found;
  };
  return (id, graph) => ((needed ??= gathered(graph)).has(id) ? 'first' : null);
};

const server = process.env.UPWELL_SERVER ?? 'http://127.0.0.1:8000';

export default defineConfig(({ mode }) => ({
  plugins: [svelte({ configFile: false }), ...(mode === 'test' ? [svelteTesting()] : [])],
  build: {
    outDir: '../src/upwell/web/pages',
    emptyOutDir: true,
    assetsDir: 'assets',
    assetsInlineLimit: 0, // the content policy allows files of our own, no data: addresses
    modulePreload: { polyfill: false },
    target: 'es2022',
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: first() }] } } },
  },
  server: {
    proxy: {
      '/v1': { target: server, ws: true },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts'],
    setupFiles: ['dev/observer.ts'],
  },
}));
