import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { WatchRecorder } from '../contract/watch-recorder.ts';

const openStore = (dir: string, quotaBytes?: number): Promise<EmbeddedStorage> =>
  EmbeddedStorage.open(dir, { clock: systemClock, ...(quotaBytes ? { quotaBytes } : {}) });

async function fill(storage: EmbeddedStorage, count: number, size = 1000): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) => storage.put(`/f/${i}`, Buffer.alloc(size, `needle${i};`))),
  );
}

test('what was written is there after close and open, revisions and history included', async (t) => {
  const dir = await temporaryDirectory(t);
  const first = await openStore(dir);
  await first.put('/a', Buffer.from('1'));
  await first.put('/a', Buffer.from('2'));
  await first.delete('/a');
  await first.put('/b', Buffer.from('3'));
  await first.close();
  const second = await openStore(dir);
  t.is(await second.currentRevision(), 5);
  t.is((await second.get('/a', 3)).kv?.value.toString(), '2');
  const recorder = new WatchRecorder();
  await second.watch('/', 3, recorder);
  const events = await recorder.until(3);
  t.deepEqual(
    events.map((event) => [event.type, event.key, event.previous?.value.toString()]),
    [
      ['put', '/a', '1'],
      ['delete', '/a', '2'],
      ['put', '/b', undefined],
    ],
  );
  t.is((await second.put('/c', Buffer.from('x'))).revision, 6);
  await second.close();
});

test('the same directory cannot be opened twice in one process', async (t) => {
  const dir = await temporaryDirectory(t);
  const storage = await openStore(dir);
  const error = await t.throwsAsync(openStore(dir), { code: 'E_STORAGE_LOCKED' });
  t.true(error.message.includes(`process ${process.pid}`));
  t.true((await storage.put('/a', Buffer.from('x'))).ok);
  await storage.close();
  await (await openStore(dir)).close();
});

test('compaction makes room: the file does not grow while the same keys are rewritten', async (t) => {
  const storage = await openStore(await temporaryDirectory(t));
  const sizes: number[] = [];
  for (let round = 0; round < 8; round++) {
    await fill(storage, 2000);
    await storage.compact(await storage.currentRevision());
    sizes.push(await storage.size());
  }
  t.true(sizes.at(-1)! < sizes[3]! * 1.3, `sizes after each round: ${sizes.join(', ')}`);
  await storage.close();
});

test('a full store refuses writes with a code, goes on reading, and recovers after compaction', async (t) => {
  const storage = await openStore(await temporaryDirectory(t), 4 * 1024 * 1024);
  const recorder = new WatchRecorder();
  await storage.watch('/', 1, recorder);
  let written = 0;
  const full = await t.throwsAsync(
    async () => {
      for (;;) {
        await storage.put('/a', Buffer.alloc(50_000, String(written)));
        written++;
      }
    },
    { code: 'E_STORAGE_FULL' },
  );
  t.regex(full.message, /no space/);
  t.true(written > 20);
  t.is(await storage.currentRevision(), written + 1);
  const { kv } = await storage.get('/a');
  t.is(kv?.modRevision, written + 1);
  t.true(kv?.value.equals(Buffer.alloc(50_000, String(written - 1))));
  await t.throwsAsync(storage.put('/b', Buffer.alloc(50_000)), { code: 'E_STORAGE_FULL' });
  await storage.compact(written + 1);
  t.is((await storage.put('/b', Buffer.from('x'))).revision, written + 2);
  await recorder.until(written + 1);
  t.is(recorder.ended, undefined);
  await storage.close();
});

test('a flipped bit in a value is found when it is read', async (t) => {
  const dir = await temporaryDirectory(t);
  const storage = await openStore(dir);
  await fill(storage, 50, 200);
  await storage.close();
  await flipBit(join(dir, 'store.db'), 'needle33;');
  const again = await openStore(dir);
  await t.throwsAsync(again.get('/f/33'), { code: 'E_STORAGE_CORRUPT', message: /\/f\/33/ });
  await t.throwsAsync(again.range({ prefix: '/f/' }), { code: 'E_STORAGE_CORRUPT' });
  t.truthy((await again.get('/f/34')).kv);
  await t.throwsAsync(again.put('/f/33', Buffer.from('x')), { code: 'E_STORAGE_CORRUPT' });
  await again.close();
});

test('a damaged database is refused at open with a clear error', async (t) => {
  const dir = await temporaryDirectory(t);
  const storage = await openStore(dir);
  await fill(storage, 500);
  await storage.close();
  const file = join(dir, 'store.db');
  const whole = await readFile(file);
  await truncate(file, Math.floor(whole.length / 2 / 4096) * 4096);
  await t.throwsAsync(openStore(dir), { code: 'E_STORAGE_CORRUPT', message: /is damaged/ });
  await writeFile(file, whole.fill(0x5a, 0, 4096));
  await t.throwsAsync(openStore(dir), { code: 'E_STORAGE_CORRUPT', message: /is damaged/ });
});

test("another program's database and another format are refused by name", async (t) => {
  const dir = await temporaryDirectory(t);
  await (await openStore(dir)).close();
  const edit = (sql: string): void => {
    const database = new DatabaseSync(join(dir, 'store.db'));
    database.exec(sql);
    database.close();
  };
  edit('PRAGMA user_version = 7');
  await t.throwsAsync(openStore(dir), {
    code: 'E_STORAGE_FORMAT',
    message: /has format 7, .* reads format 1/,
  });
  edit('PRAGMA application_id = 1');
  await t.throwsAsync(openStore(dir), { code: 'E_STORAGE_CORRUPT', message: /another program/ });
});

test('a directory that cannot be made is an error with a hint', async (t) => {
  const dir = await temporaryDirectory(t);
  await writeFile(join(dir, 'file'), '');
  const error = await t.throwsAsync(openStore(join(dir, 'file', 'store')), { code: 'E_STORAGE_OPEN' });
  t.true('hint' in error && typeof error.hint === 'string');
});

test('an earlier compaction that a crash cut short is finished after open', async (t) => {
  const dir = await temporaryDirectory(t);
  const storage = await openStore(dir);
  for (let i = 0; i < 5; i++) await storage.put('/a', Buffer.from(String(i)));
  await storage.close();
  const database = new DatabaseSync(join(dir, 'store.db'));
  database.exec("UPDATE meta SET value = 5 WHERE name = 'compacted'");
  database.close();
  const again = await openStore(dir);
  t.is(await again.compactedRevision(), 5);
  await t.throwsAsync(again.get('/a', 4), { code: 'E_STORAGE_COMPACTED' });
  // Compaction is one after the other: this one ends after the one that was resumed.
  await again.compact(6);
  await again.close();
  const after = new DatabaseSync(join(dir, 'store.db'));
  t.deepEqual(
    after
      .prepare('SELECT revision FROM log')
      .all()
      .map((row) => row['revision']),
    [6],
  );
  after.close();
});

test('a long range takes many turns of the loop, each of them short', async (t) => {
  const storage = await openStore(await temporaryDirectory(t));
  await fill(storage, 5000, 1500);
  for (const revision of [await storage.currentRevision(), (await storage.currentRevision()) - 1]) {
    let turns = 0;
    let reading = true;
    const count = (): void => {
      turns++;
      if (reading) setImmediate(count);
    };
    setImmediate(count);
    const { kvs } = await storage.range({ prefix: '/f/', revision });
    reading = false;
    t.true(kvs.length >= 4999);
    // 500 pairs a turn: were it one long read, others would wait for all of it.
    t.true(turns >= 9, `${turns} turns`);
  }
  await storage.close();
});

test('a watch that begins just as the first write commits is given that write', async (t) => {
  const dir = await temporaryDirectory(t);
  for (let round = 0; round < 30; round++) {
    const storage = await openStore(join(dir, String(round)));
    const recorder = new WatchRecorder();
    const writing = storage.put('/a', Buffer.from('x'));
    await new Promise<void>((resolve) => setImmediate(resolve));
    await storage.watch('/', 1, recorder);
    // Reading without a turn of the loop keeps the acknowledgement waiting: the log is ahead of the watch.
    for (let reads = 0; reads < 100_000 && !(await storage.get('/a')).kv; reads++);
    await writing;
    await recorder.until(1);
    t.deepEqual(recorder.revisions, [2]);
    await storage.close();
  }
});

async function flipBit(file: string, near: string): Promise<void> {
  const at = (await readFile(file)).indexOf(near);
  const handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  byte[0]! ^= 0x04;
  await handle.write(byte, 0, 1, at);
  await handle.close();
}
