import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const CHILD = fileURLToPath(new URL('store-child.ts', import.meta.url));

function startChild(dir: string, first: number): ChildProcess {
  return spawn(process.execPath, [CHILD, dir, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** What a child acknowledged until it was killed after `lines` lines: key number → revision, and the deleted ones. */
async function runAndKill(
  dir: string,
  first: number,
  lines: number,
): Promise<{ kept: Map<number, number>; deleted: Map<number, number> }> {
  const child = startChild(dir, first);
  const exited = once(child, 'exit');
  const kept = new Map<number, number>();
  const deleted = new Map<number, number>();
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout! })) {
    // Lines that were in the pipe when the child died are acknowledgements too, so reading goes on to the end.
    if (++seen === lines) child.kill('SIGKILL');
    const [number = '', revision] = line.split(' ');
    if (number === 'open') continue;
    if (number.startsWith('-')) deleted.set(Number(number.slice(1)), Number(revision));
    else kept.set(Number(number), Number(revision));
  }
  const [, signal] = (await exited) as [number | null, string | null];
  if (signal !== 'SIGKILL') throw new Error('the child ended by itself');
  return { kept, deleted };
}

/** Whole numbers that look random and are the same in each run. */
function* pseudoRandom(seed: number): Generator<number> {
  for (let state = seed; ; yield state) state = (state * 48_271) % 2_147_483_647;
}

test('every acknowledged write is there after kill -9 at any instant', async (t) => {
  t.timeout(120_000);
  const dir = await temporaryDirectory(t);
  const random = pseudoRandom(20_260_701);
  let first = 0;
  let total = 0;
  for (let round = 0; round < 25; round++) {
    const { kept, deleted } = await runAndKill(dir, first, 1 + (random.next().value! % 1500));
    const storage = await EmbeddedStorage.open(dir, { clock: systemClock });
    const current = await storage.currentRevision();
    for (const [i, revision] of kept) {
      const { kv } = await storage.get(`/k/${i}`);
      if (deleted.has(i)) {
        t.is(kv, undefined, `the deletion of ${i} was lost`);
      } else if (kv || i % 10 !== 3) {
        t.is(kv?.modRevision, revision, `the write of ${i} was lost or moved`);
        t.is(kv?.value.toString(), `value of ${i}`.padEnd(300, '.'));
      }
      t.true(revision <= current);
    }
    for (const revision of deleted.values()) t.true(revision <= current);
    const { kvs } = await storage.range({ prefix: '/k/' });
    first =
      Math.max(
        first,
        ...kvs.map((kv) => Number(kv.key.slice(3)) + 1),
        ...[...kept.keys()].map((i) => i + 1),
      ) + 20;
    total += kept.size;
    await storage.close();
  }
  t.true(total > 2000, `only ${total} acknowledged writes were checked`);
});

test('a second process is refused with the pid of the holder, and admitted once that is dead', async (t) => {
  const dir = await temporaryDirectory(t);
  const child = startChild(dir, 0);
  const lines = createInterface({ input: child.stdout! });
  await once(lines, 'line');
  const error = await t.throwsAsync(EmbeddedStorage.open(dir, { clock: systemClock }), {
    code: 'E_STORAGE_LOCKED',
  });
  t.true(error.message.includes(`process ${child.pid}`));
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  const storage = await EmbeddedStorage.open(dir, { clock: systemClock });
  await storage.close();
});
