import { closeSync, constants, existsSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { percentile, type DiskResult } from './protocol.ts';

/** What etcd's own advice for measuring with fio writes at a time. */
const WRITE_BYTES = 2300;
const WRITES = 500;
const LONGEST_MS = 4000;
/** Linux: a file without a name, which nobody sees and which is gone with its last descriptor. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/**
 * Times synchronous writes on the disk that a directory lies on, or will lie on: its nearest parent that is there.
 * The file has no name, so that a process that is killed leaves nothing; where the file system knows none without a
 * name, the name is removed before the first write.
 */
export function measureDisk(directory: string, clock: Clock): DiskResult {
  let at = directory;
  while (!existsSync(at)) at = dirname(at);
  const file = openNameless(at);
  const times: number[] = [];
  try {
    const block = Buffer.alloc(WRITE_BYTES, 0x5a);
    const deadlineMs = clock.monotonicMs() + LONGEST_MS;
    while (times.length < WRITES && clock.monotonicMs() < deadlineMs) {
      const startedMs = clock.monotonicMs();
      writeSync(file, block, 0, WRITE_BYTES, times.length * WRITE_BYTES);
      times.push(clock.monotonicMs() - startedMs);
    }
  } finally {
    closeSync(file);
  }
  const sorted = times.toSorted((a, b) => a - b);
  return {
    directory: at,
    writes: times.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
  };
}

function openNameless(directory: string): number {
  const how = constants.O_RDWR | constants.O_DSYNC;
  try {
    return openSync(directory, O_TMPFILE | how, 0o600);
  } catch {
    const path = join(directory, `.slipway-preflight-${process.pid}`);
    const file = openSync(path, constants.O_CREAT | constants.O_EXCL | how, 0o600);
    unlinkSync(path);
    return file;
  }
}
