import { build } from 'esbuild';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { WORKER_MODULES } from '../../src/base/worker-thread.ts';

/** Where a bundle lies for each module that a thread runs, by the name under which it is embedded. */
export type WorkerBundles = Record<string, string>;

/**
 * Bundles the program, and each module that a thread runs, to one CommonJS file each: that is what a single
 * executable takes. A dynamic import becomes a lazy initialisation within the same file, so a component
 * pays only for what it uses.
 */
export async function bundleProgram(
  root: string,
  outDir: string,
): Promise<{ main: string; workers: WorkerBundles }> {
  await mkdir(outDir, { recursive: true });
  const main = join(outDir, 'slipway.cjs');
  await bundleOne(join(root, 'src/main.ts'), main);
  const workers: WorkerBundles = {};
  for (const module of WORKER_MODULES) {
    workers[module] = join(outDir, `${module.replaceAll('/', '-').replace(/\.ts$/, '')}.cjs`);
    await bundleOne(join(root, module), workers[module]);
  }
  return { main, workers };
}

async function bundleOne(entry: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    // Names stay, for stacks that can be read.
    keepNames: false,
    legalComments: 'none',
    logLevel: 'warning',
    // ssh2 tries its native parts and goes on without them.
    external: ['*.node', 'cpu-features'],
    define: { 'import.meta.url': 'slipwayExecutableUrl' },
    banner: { js: "const slipwayExecutableUrl=require('node:url').pathToFileURL(process.execPath).href;" },
  });
}
