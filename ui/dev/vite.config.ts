/** The pages beside a made-up server: `npx vite --config dev/vite.config.ts`. Never part of a build. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { fake } from './fake.ts';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  cacheDir: 'node_modules/.vite-fake',
  plugins: [svelte(), fake()],
});
