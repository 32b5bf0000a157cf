/** `npm run build`: makes dist/slipway, one executable for every component and command, and dist/pause.tar. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/base/clock.ts';
import { buildRelease } from './build/release.ts';

const startedMs = systemClock.monotonicMs();
for (const { path, bytes } of await buildRelease(fileURLToPath(new URL('../dist', import.meta.url)))) {
  process.stdout.write(`${relative(process.cwd(), path)}  ${(bytes / 1e6).toFixed(1)} MB\n`);
}
process.stdout.write(`built in ${((systemClock.monotonicMs() - startedMs) / 1000).toFixed(1)} s\n`);
