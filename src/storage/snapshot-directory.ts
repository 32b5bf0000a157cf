import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, SlipwayError } from '../base/errors.ts';
import { decodeRecords, encodeRecords } from './record-stream.ts';
import type { StoreRecord } from './records.ts';

/** '20261124T124500Z-r1234.snapshot': in the order of their names they are in the order of their times. */
const NAME = /^(\d{8}T\d{6}Z)-r(\d+)\.snapshot$/;
const PART = '.part';
/** The store lives on the same disk, and a full one stops it: of every disk so much stays free, but no more than the second. */
const FREE_SHARE = 0.05;
const FREE_MOST_BYTES = 2 ** 30;
/** What a first snapshot is guessed to need. */
const FIRST_BYTES = 16 * 2 ** 20;

export interface SnapshotOptions {
  directory: string;
  /** So many stay; older ones are removed once the new one is whole. */
  keep: number;
  /** Of the wall clock, in milliseconds. */
  nowMs: number;
  /** Looks at the disk that a directory lies on. Default: the kernel's word. */
  space?: (directory: string) => Promise<Space>;
}

interface Space {
  freeBytes: number;
  totalBytes: number;
}

export interface Snapshot {
  name: string;
  bytes: number;
  keys: number;
  revision: number;
}

/**
 * Writes a store's content to a new file of the directory, for its owner alone, reads it back, and removes what is too
 * many. A run that is cut off leaves nothing that counts. E_SNAPSHOT_SPACE where the disk would become too full.
 */
export async function takeSnapshot(
  content: { revision: number; records: Iterable<StoreRecord> | AsyncIterable<StoreRecord> },
  options: SnapshotOptions,
): Promise<Snapshot> {
  const { directory, keep, nowMs, space = spaceOf } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of await readdir(directory)) {
    if (name.endsWith(PART)) await rm(join(directory, name), { force: true });
  }
  await checkSpace(directory, await space(directory));
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const name = `${time}-r${content.revision}.snapshot`;
  const part = join(directory, name + PART);
  try {
    const file = await open(part, 'w', 0o600);
    try {
      for await (const bytes of encodeRecords(content.revision, content.records, { takenMs: nowMs })) {
        await file.writeFile(bytes);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    const { keys } = await checkSnapshot(part);
    await rename(part, join(directory, name));
    await syncDirectory(directory);
    for (const old of (await listSnapshots(directory)).slice(0, -keep)) await rm(join(directory, old));
    return { name, keys, revision: content.revision, bytes: (await stat(join(directory, name))).size };
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** Names of the snapshots of a directory, the oldest first. */
export async function listSnapshots(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => NAME.test(name)).toSorted();
}

/** Reads a snapshot from its beginning to its end. E_SNAPSHOT where it is none, or not whole. */
export async function checkSnapshot(path: string): Promise<{ revision: number; keys: number }> {
  try {
    const { revision, records } = await decodeRecords(createReadStream(path, { highWaterMark: 1 << 18 }));
    let keys = 0;
    for await (const _ of records) keys += 1;
    return { revision, keys };
  } catch (cause) {
    throw new SlipwayError('E_SNAPSHOT', `${path} is no whole snapshot: ${messageOf(cause)}`, {
      cause,
      hint: 'take another one: "slipway status" lists them',
    });
  }
}

async function spaceOf(directory: string): Promise<Space> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

async function checkSpace(directory: string, { freeBytes, totalBytes }: Space): Promise<void> {
  const newest = (await listSnapshots(directory)).at(-1);
  const bytes = newest === undefined ? FIRST_BYTES : 2 * (await stat(join(directory, newest))).size;
  const mustStay = Math.min(totalBytes * FREE_SHARE, FREE_MOST_BYTES);
  if (freeBytes - bytes >= mustStay) return;
  const mib = (value: number): string => `${Math.round(value / 2 ** 20)} MiB`;
  throw new SlipwayError(
    'E_SNAPSHOT_SPACE',
    `${directory} has ${mib(freeBytes)} free; a snapshot takes some ${mib(bytes)}, and ${mib(mustStay)} must stay free for the store`,
    { hint: 'free some space, or keep fewer snapshots ("snapshots: { keep: … }" in the inventory)' },
  );
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
