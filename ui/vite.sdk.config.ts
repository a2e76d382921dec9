// upwell.js: one script without parts, beside the pages, for pages of other sites.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  publicDir: false,
  build: {
    outDir: '../src/upwell/web/pages',
    emptyOutDir: false,
    target: 'es2020',
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: fileURLToPath(new URL('./src/sdk/upwell.ts', import.meta.url)),
      output: { format: 'iife', entryFileNames: 'upwell.js' },
    },
  },
});
