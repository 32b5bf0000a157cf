import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The mark in Node's binary that says where a single executable's content goes. */
const SENTINEL = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/**
 * Flags of Node that the executable runs with. V8's young generation is in MiB: its default of 16 keeps 70 to
 * 100 MB of a busy process for nothing. NODE_OPTIONS may say otherwise.
 */
export const NODE_FLAGS: readonly string[] = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=2',
];

export interface ExecutableOptions {
  /** The script that it runs, CommonJS. */
  main: string;
  /** Files to embed: name → path. */
  assets: Record<string, string>;
  /** The Node binary that becomes the executable. */
  node: string;
  workDir: string;
  /** The executable to write; it appears at once and whole. */
  output: string;
}

/** Makes one executable of a Node binary, a bundle and assets. */
export async function makeExecutable(options: ExecutableOptions): Promise<void> {
  const { main, assets, node, workDir, output } = options;
  await mkdir(workDir, { recursive: true });
  const blob = join(workDir, 'slipway.blob');
  const config = join(workDir, 'sea-config.json');
  await writeFile(
    config,
    JSON.stringify({
      main,
      output: blob,
      disableExperimentalSEAWarning: true,
      execArgv: NODE_FLAGS,
      execArgvExtension: 'none',
      assets,
    }),
  );
  await run(node, ['--experimental-sea-config', config]);
  const binary = join(workDir, 'node');
  await copyFile(node, binary);
  await chmod(binary, 0o755);
  await strip(binary);
  // As a process of its own: it writes warnings about Node's notes that nobody can act on, shown only if it fails.
  const postject = ['NODE_SEA_BLOB', blob, '--sentinel-fuse', SENTINEL];
  await run(node, [fileURLToPath(import.meta.resolve('postject/dist/cli.js')), binary, ...postject]);
  // What cannot tell its version is not handed out.
  await run(binary, ['version']);
  await rename(binary, output);
}

async function strip(binary: string): Promise<void> {
  try {
    await run('strip', [binary]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    process.stderr.write(
      'note: `strip` is not installed: the executable is 18 MB larger than it need be (apt-get install binutils)\n',
    );
  }
}
