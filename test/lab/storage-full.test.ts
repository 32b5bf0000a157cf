import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { labSkipReason } from './machine.ts';

const CHILD = fileURLToPath(new URL('storage-full-child.ts', import.meta.url));
const skip = labSkipReason();
const labTest = skip === undefined ? test : test.skip;

labTest(
  'on a full disk the store refuses writes with a code, reads on, and recovers without a restart',
  async (t) => {
    const dir = await temporaryDirectory(t);
    // A mount namespace of its own: the file system is gone with the process.
    const script = 'mount -t tmpfs -o size=8m none "$1" && exec "$2" "$3" "$1"';
    const { stdout } = await promisify(execFile)('unshare', [
      '--mount',
      'sh',
      '-c',
      script,
      'sh',
      dir,
      process.execPath,
      CHILD,
    ]);
    const seen = JSON.parse(stdout) as Record<string, unknown> & { written: number };
    t.true(seen.written > 10, stdout);
    t.like(seen, {
      refusedWith: 'E_STORAGE_FULL',
      readable: true,
      read: seen.written,
      again: 'E_STORAGE_FULL',
      afterRoom: 'accepted',
      kept: seen.written,
      found: true,
    });
  },
);
