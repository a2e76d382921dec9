// Puts Inter (SIL Open Font License 1.1) beside the report's charts, as the TrueType files that the
// typesetter reads. The pages use WOFF2 of the same family.
import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const from = dirname(createRequire(import.meta.url).resolve('@expo-google-fonts/inter/package.json'));
const to = fileURLToPath(new URL('../../src/upwell/reports/bundle/fonts/', import.meta.url));

mkdirSync(to, { recursive: true });
for (const [file, name] of [
  ['400Regular/Inter_400Regular.ttf', 'Inter-Regular.ttf'],
  ['600SemiBold/Inter_600SemiBold.ttf', 'Inter-SemiBold.ttf'],
  ['LICENSE_FONT', 'LICENSE'],
]) {
  copyFileSync(join(from, file), join(to, name));
}
