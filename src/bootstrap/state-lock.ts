import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, SlipwayError } from '../base/errors.ts';
import { describeOperator, type Operator } from '../provision/fence.ts';
import type { HeldLock } from '../provision/operator-lock.ts';

const FILE = 'operator.lock';
/** Nobody takes a lock for so long. */
const ABANDONED_MS = 60_000;
/** Others come and go while we look: so often is it tried. */
const TRIES = 20;

/**
 * Takes the lock of a state directory, or gives who has it. `mayReplace` judges a holder: it is dead, or the operator says
 * so. The file comes into being whole, by a link, and of two that replace the same holder one gets it.
 */
export async function takeStateLock(
  directory: string,
  mine: HeldLock,
  mayReplace: (operator: Operator) => boolean,
): Promise<HeldLock | undefined> {
  const lock = join(directory, FILE);
  const own = `${lock}.${randomUUID()}`;
  const old = `${own}.old`;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(own, JSON.stringify(mine), { mode: 0o600, flush: true });
  await sweep(directory, own);
  try {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      if (await tryLink(own, lock)) return undefined;
      const stands = await readStateLock(directory);
      if (stands === undefined) continue;
      if (stands.token === mine.token) return undefined;
      if (!mayReplace(stands.operator)) return stands;
      await rename(lock, old).catch(ignoreMissing);
      const taken = await readLock(old);
      // Somebody was faster: what we moved away is his, and goes back.
      if (taken !== undefined && taken.token !== stands.token) await tryLink(old, lock);
    }
    throw new SlipwayError('E_LOCKED', `${lock} cannot be taken: others take it all the time`, {
      hint: 'run the same command again',
    });
  } finally {
    await rm(own, { force: true });
    await rm(old, { force: true });
  }
}

/** Removes what runs that were killed while they took the lock have left beside it. */
async function sweep(directory: string, own: string): Promise<void> {
  const { mtimeMs: nowMs } = await stat(own);
  const names = (await readdir(directory)).filter((name) => name.startsWith(`${FILE}.`));
  for (const name of names) {
    const path = join(directory, name);
    const ageMs = nowMs - ((await stat(path).catch(ignoreMissing))?.mtimeMs ?? nowMs);
    if (ageMs > ABANDONED_MS) await rm(path, { force: true });
  }
}

/** Gives the lock back where it is still ours. */
export async function releaseStateLock(directory: string, token: string): Promise<void> {
  const stands = await readStateLock(directory);
  if (stands?.token === token) await rm(join(directory, FILE), { force: true });
}

/** Rejects with E_LOCK_LOST where the lock is not this one's any more. */
export async function checkStateLock(directory: string, token: string): Promise<void> {
  const stands = await readStateLock(directory);
  if (stands?.token === token) return;
  const who = stands ? `${describeOperator(stands.operator)} has taken over` : 'somebody removed it';
  throw new SlipwayError('E_LOCK_LOST', `${directory}: the lock of this run is gone: ${who}`, {
    hint: 'wait for the other one to end, then run the same command again',
  });
}

export const readStateLock = (directory: string): Promise<HeldLock | undefined> =>
  readLock(join(directory, FILE));

async function readLock(path: string): Promise<HeldLock | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as HeldLock;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new SlipwayError('E_LOCKED', `${path} is no lock of slipway's`, {
      cause: error,
      hint: 'look at it, and remove it where no slipway runs',
    });
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}
