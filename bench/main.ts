/**
 * `npm run bench`: measures and prints one table. `npm run bench -- storage api` runs the sections that are
 * named; the data lies below the checkout's dist/, so that the disk is a real one.
 */
import { mkdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { buildRelease } from '../scripts/build/release.ts';
import { renderTable, type Section } from './table.ts';

const SECTIONS: Record<string, (root: string) => Promise<Section>> = {
  cluster: async () => (await import('./cluster.ts')).benchCluster(),
  ha: async () => (await import('./high-availability.ts')).benchHighAvailability(),
  api: async (root) => (await import('./api.ts')).benchApi(root),
  compare: async (root) => (await import('./compare.ts')).benchCompare(root),
  watch: async (root) => (await import('./watch.ts')).benchWatch(root),
  hostile: async (root) => (await import('./hostile.ts')).benchHostile(root),
  idle: async (root) => (await import('./idle.ts')).benchIdle(root),
  storage: async (root) => (await import('./storage.ts')).benchStorage(root),
};

const root = fileURLToPath(new URL('../dist/bench', import.meta.url));
const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(SECTIONS, name));
if (unknown.length > 0) {
  process.stderr.write(
    `no such section: ${unknown.join(', ')}; there are ${Object.keys(SECTIONS).join(', ')}\n`,
  );
  process.exit(2);
}
await mkdir(root, { recursive: true });
process.stderr.write('build …\n');
await buildRelease(fileURLToPath(new URL('../dist', import.meta.url)));
const sections: Section[] = [];
for (const name of names.length > 0 ? names : Object.keys(SECTIONS)) {
  process.stderr.write(`${name} …\n`);
  sections.push(await SECTIONS[name]!(root));
}
const [cpu] = cpus();
process.stdout.write(
  `${cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'}, Node ${process.versions.node}\n\n`,
);
process.stdout.write(`${renderTable(sections)}\n`);
