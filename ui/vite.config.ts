import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

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
  },
  server: {
    proxy: {
      '/v1': { target: server, ws: true },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts'],
  },
}));
