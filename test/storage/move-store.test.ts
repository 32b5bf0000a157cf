/** A real etcd takes over what an embedded store held: every key, every revision, and the history that is left. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts';
import { openHistory } from '../../src/storage/embedded/history.ts';
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts';
import { EtcdMembers } from '../../src/storage/etcd/members.ts';
import { fillDatabase } from '../../src/storage/etcd/fill-database.ts';
import { readBolt } from '../../src/storage/etcd/bolt/read-bolt.ts';
import { writeBolt } from '../../src/storage/etcd/bolt/write-bolt.ts';
import type { Storage, StorageEvent } from '../../src/storage/storage.ts';
import { etcdBinary, freePorts, startAddedEtcd, startEtcd, type EtcdServer } from '../helpers/etcd.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { readFile } from 'node:fs/promises';

const etcdTest = etcdBinary() ? test : test.skip;
const clock = systemClock;
const value = (text: string): Buffer => Buffer.from(text);

async function eventsFrom(storage: Storage, from: number, last: number): Promise<StorageEvent[]> {
  const events: StorageEvent[] = [];
  const watch = await storage.watch('/', from, {
    onEvents: (more) => void events.push(...more),
    onEnd: () => {},
  });
  await waitFor('the events', () => events.some(({ revision }) => revision >= last));
  watch.cancel();
  return events;
}

/** A store with a past: updates, deletions, keys that came again, large values, a compaction in the middle. */
async function makeStore(dir: string, writes: number): Promise<void> {
  const storage = await EmbeddedStorage.open(dir, { clock });
  for (let i = 0; i < writes; i += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, j) =>
        storage.put(`/registry/things/${(i * 7 + j) % 333}`, value(`${i} ${j} ${'x'.repeat((i + j) % 900)}`)),
      ),
    );
    await storage.delete(`/registry/things/${i % 333}`);
  }
  await storage.put('/registry/large', Buffer.alloc(200_000, 'y'));
  await storage.compact(Math.floor((await storage.currentRevision()) / 2));
  await storage.delete('/registry/large');
  await storage.put('/registry/große Wörter', value('ü'));
  await storage.close();
}

async function movedInto(t: ExecutionContext, dir: string): Promise<EtcdServer> {
  const [member] = await startEtcd(1, { flags: ['--snapshot-count=5200'] });
  if (!member) throw new Error('no member');
  t.teardown(() => member.stop());
  const members = await EtcdMembers.open({ endpoints: [member.url], clock });
  await members.passLog(5300);
  t.deepEqual(await members.content(member.url), { keys: 0, revision: 1 }, 'the log alone grew');
  members.close();
  const terminated = new Promise((resolve) => member.child.once('exit', resolve));
  member.child.kill('SIGTERM');
  await terminated;
  const dataDir = (member.child.spawnargs.find((arg) => arg.startsWith('--data-dir=')) ?? '').slice(11);
  const history = openHistory(dir);
  await fillDatabase(dataDir, history);
  history.close();
  await member.restart();
  return member;
}

etcdTest(
  'etcd serves what the embedded store did: keys, revisions, history, and goes on from there',
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'slipway-move-'));
    await makeStore(dir, 2000);
    const before = await EmbeddedStorage.open(dir, { clock });
    const expected = await before.range({ prefix: '/' });
    const compacted = await before.compactedRevision();
    const past = await before.range({ prefix: '/', revision: compacted + 100 });
    const events = await eventsFrom(before, compacted, expected.revision);
    await before.close();

    const { url } = await movedInto(t, dir);
    const after = await EtcdStorage.open({ endpoints: [url], clock });
    t.teardown(() => after.close());
    t.is(await after.currentRevision(), expected.revision);
    t.deepEqual((await after.range({ prefix: '/' })).kvs, expected.kvs);
    t.is(await after.compactedRevision(), compacted);
    t.deepEqual((await after.range({ prefix: '/', revision: compacted + 100 })).kvs, past.kvs);
    await t.throwsAsync(after.range({ prefix: '/', revision: compacted - 1 }), {
      code: 'E_STORAGE_COMPACTED',
    });
    const shown = (list: readonly StorageEvent[]) =>
      list.map(({ type, key, revision, createRevision, value: bytes }) => ({
        type,
        key,
        revision,
        createRevision,
        value: bytes.toString(),
      }));
    t.deepEqual(shown(await eventsFrom(after, compacted, expected.revision)), shown(events));
    // Compare-and-set on revisions that clients have from before the move.
    const [some] = expected.kvs;
    const stale = await after.put(some!.key, value('no'), some!.modRevision - 1);
    t.false(stale.ok);
    const fresh = await after.put(some!.key, value('yes'), some!.modRevision);
    t.like(fresh, { ok: true, revision: expected.revision + 1 });
    await after.compact(expected.revision);
    t.is((await after.range({ prefix: '/' })).count, expected.count);
  },
);

etcdTest('a member that joins later has all of it', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-move-'));
  await makeStore(dir, 300);
  const first = await movedInto(t, dir);
  const members = await EtcdMembers.open({ endpoints: [first.url], clock });
  t.teardown(() => members.close());
  const [port] = await freePorts(1);
  const peerUrl = `http://127.0.0.1:${port}`;
  const { member } = await members.addLearner([peerUrl]);
  const cluster = `m1=${first.peerUrl},m2=${peerUrl}`;
  const second = await startAddedEtcd('m2', peerUrl, cluster);
  t.teardown(() => second.stop());
  await waitFor('the learner is promoted', async () => {
    await members.promote(member.id).catch(() => {});
    return (await members.list()).every(({ isLearner }) => !isLearner);
  });
  const expected = await members.content(first.url);
  t.true(expected.keys > 100);
  t.deepEqual(await members.content(second.url), expected);
});

etcdTest('where the last write was a deletion, revisions do not go backwards', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-move-'));
  const storage = await EmbeddedStorage.open(dir, { clock });
  await storage.put('/a', value('1'));
  for (let i = 0; i < 10; i += 1) {
    await storage.put('/b', value('2'));
    await storage.delete('/b');
  }
  const revision = await storage.currentRevision();
  await storage.compact(revision);
  await storage.close();
  const { url } = await movedInto(t, dir);
  const after = await EtcdStorage.open({ endpoints: [url], clock });
  t.teardown(() => after.close());
  t.is(await after.currentRevision(), revision);
  t.deepEqual(
    (await after.range({ prefix: '/' })).kvs.map(({ key }) => key),
    ['/a'],
  );
});

test('a store that a process holds, and one whose bytes were changed, are not moved', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-move-'));
  const storage = await EmbeddedStorage.open(dir, { clock });
  t.throws(() => openHistory(dir), { code: 'E_STORAGE_LOCKED' });
  await storage.put('/a', Buffer.alloc(3000, 'a'));
  await storage.close();
  const { writeFile } = await import('node:fs/promises');
  const path = join(dir, 'store.db');
  const bytes = await readFile(path);
  bytes[bytes.indexOf('aaaaaaaa') + 4] = 0x62;
  await writeFile(path, bytes);
  const history = openHistory(dir);
  t.throws(() => [...history.entries()], { code: 'E_STORAGE_CORRUPT' });
  history.close();
});

test('a tree of many levels is read as it was written', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'slipway-bolt-')), 'db');
  const pairs = Array.from({ length: 60_000 }, (_, i): [Buffer, Buffer] => [
    Buffer.from(String(i).padStart(100, '0')),
    Buffer.alloc(i % 5000 === 0 ? 10_000 : i % 7, i),
  ]);
  const meta = { pageSize: 4096, root: 0n, transaction: 4n };
  await writeBolt(path, meta, [
    { name: 'empty', pairs: [] },
    { name: 'full', pairs },
  ]);
  const { buckets, meta: found } = readBolt(await readFile(path));
  t.is(found.transaction, 6n);
  t.deepEqual(buckets.get('empty'), []);
  t.deepEqual(buckets.get('full'), pairs);
});
