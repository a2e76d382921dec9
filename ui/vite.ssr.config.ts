// The report's charts: the same components, compiled into one script that runs without a browser.
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [svelte({ configFile: false })],
  resolve: { alias: { 'node:async_hooks': at('./src/charts/ssr/no-async-hooks.ts') } },
  ssr: { target: 'webworker', noExternal: true },
  publicDir: false,
  build: {
    ssr: at('./src/charts/ssr/render.ts'),
    outDir: '../src/upwell/reports/bundle',
    emptyOutDir: true,
    minify: true,
    target: 'es2022',
    rolldownOptions: {
      output: { format: 'iife', name: 'UpwellCharts', entryFileNames: 'charts.js' },
    },
  },
});
