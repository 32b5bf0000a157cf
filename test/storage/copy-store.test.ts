/** A store's content goes from either engine into a new store, while the old one is in use. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts';
import { readLiving } from '../../src/storage/embedded/read-living.ts';
import { seedStore } from '../../src/storage/embedded/seed-store.ts';
import { CompactedError } from '../../src/storage/errors.ts';
import { EtcdMembers } from '../../src/storage/etcd/members.ts';
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts';
import { readDatabase } from '../../src/storage/etcd/read-database.ts';
import { decodeRecords, encodeRecords } from '../../src/storage/record-stream.ts';
import type { StoreRecord } from '../../src/storage/records.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { etcdBinary, startEtcd } from '../helpers/etcd.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const clock = systemClock;
const etcdTest = etcdBinary() ? test : test.skip;

async function write(storage: Storage): Promise<void> {
  await Promise.all(
    Array.from({ length: 700 }, (_, i) =>
      storage.put(`/registry/things/${i % 400}`, Buffer.from(`${i} ${'x'.repeat(i)}`)),
    ),
  );
  for (let i = 0; i < 50; i += 1) await storage.delete(`/registry/things/${i}`);
  await storage.put('/registry/things/3', Buffer.from('again'));
  await storage.put('/registry/große Wörter', Buffer.of(0, 255, 10));
}

const contentOf = async (storage: Storage): Promise<Map<string, string>> =>
  new Map(
    (await storage.range({ prefix: '/registry/' })).kvs.map(({ key, value }) => [key, value.toString('hex')]),
  );

async function collect(records: Iterable<StoreRecord> | AsyncIterable<StoreRecord>): Promise<StoreRecord[]> {
  const all: StoreRecord[] = [];
  for await (const each of records) all.push(each);
  return all;
}

async function* asAsync(records: readonly StoreRecord[]): AsyncGenerator<StoreRecord> {
  yield* records;
}

test('an embedded store in use is copied at one revision, and its copy goes on behind it', async (t) => {
  const from = await temporaryDirectory(t);
  const storage = await EmbeddedStorage.open(from, { clock });
  t.teardown(() => storage.close());
  await write(storage);
  const before = await contentOf(storage);
  const revision = await storage.currentRevision();
  const copied = await readLiving(from, async (content) => {
    const iterator = content.records[Symbol.iterator]();
    const first = iterator.next();
    // A write in the middle is not seen.
    await storage.put('/registry/late', Buffer.from('late'));
    const rest: StoreRecord[] = [];
    for (let next = first; !next.done; next = iterator.next()) rest.push(next.value);
    return { revision: content.revision, records: rest };
  });
  t.is(copied.revision, revision);
  const stream = await decodeRecords(encodeRecords(copied.revision, copied.records, { who: 'me' }));
  t.deepEqual([stream.revision, stream.head], [revision, { who: 'me' }]);
  const to = await temporaryDirectory(t);
  const seeded = await seedStore(to, stream.records, stream.revision + 1000);
  t.is(seeded.keys, before.size);
  await t.throwsAsync(seedStore(to, asAsync([]), 0), { code: 'E_STORAGE_FILL' });
  const copy = await EmbeddedStorage.open(to, { clock });
  t.teardown(() => copy.close());
  t.deepEqual(await contentOf(copy), before);
  t.is(await copy.currentRevision(), revision + 1000 + before.size);
  const handler = { onEvents: () => {}, onEnd: () => {} };
  await t.throwsAsync(copy.watch('/registry/', revision + 1, handler), { instanceOf: CompactedError });
  const written = await copy.put('/registry/things/3', Buffer.from('new'));
  t.true(written.ok && written.revision === seeded.revision + 1);
});

test('a stream that was cut off is no store', async (t) => {
  const records = Array.from({ length: 500 }, (_, i) => ({
    key: `/registry/x/${i}`,
    modRevision: i,
    value: Buffer.from(String(Math.sqrt(i))),
  }));
  const chunks: Uint8Array[] = [];
  for await (const chunk of encodeRecords(1, records)) chunks.push(chunk);
  const whole = Buffer.concat(chunks);
  async function* part(): AsyncGenerator<Uint8Array> {
    yield whole.subarray(0, Math.floor(whole.length / 2));
  }
  const read = async (): Promise<unknown> => collect((await decodeRecords(part())).records);
  await t.throwsAsync(read(), { code: 'E_STORAGE_FILL' });
  async function* empty(): AsyncGenerator<Uint8Array> {}
  await t.throwsAsync(decodeRecords(empty()), { code: 'E_STORAGE_FILL' });
});

etcdTest('a snapshot of etcd holds what etcd says it does', async (t) => {
  const [member] = await startEtcd(1);
  if (!member) throw new Error('no member');
  t.teardown(() => member.stop());
  const storage = await EtcdStorage.open({ endpoints: [member.url], clock });
  t.teardown(() => storage.close());
  await write(storage);
  const members = await EtcdMembers.open({ endpoints: [member.url], clock });
  t.teardown(() => members.close());
  const path = join(await temporaryDirectory(t), 'snapshot.db');
  await members.snapshot(member.url, path);
  const { records, revision } = readDatabase(await readFile(path));
  const found = await collect(records);
  const wanted = await storage.range({ prefix: '/registry/' });
  t.is(revision, wanted.revision);
  const lines = (all: readonly StoreRecord[]): string[] =>
    all.map(({ key, modRevision, value }) => `${key} ${modRevision} ${value.toString('hex')}`).toSorted();
  t.deepEqual(lines(found), lines(wanted.kvs));
});
