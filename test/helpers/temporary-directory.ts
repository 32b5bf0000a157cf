import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

/** A directory of the test's own, removed when the test ends. */
export async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'slipway-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
