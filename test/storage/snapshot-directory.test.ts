/** Snapshots of a store that is in use: whole or not there, private, few, and never the reason of a full disk. */
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts';
import { readLiving } from '../../src/storage/embedded/read-living.ts';
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts';
import { readPages } from '../../src/storage/read-pages.ts';
import { decodeRecords } from '../../src/storage/record-stream.ts';
import { checkSnapshot, listSnapshots, takeSnapshot } from '../../src/storage/snapshot-directory.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { etcdBinary, startEtcd } from '../helpers/etcd.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const clock = systemClock;
const etcdTest = etcdBinary() ? test : test.skip;
const NOW = Date.parse('2026-11-24T12:45:00Z');

async function fill(storage: Storage): Promise<void> {
  const keys = Array.from({ length: 1203 }, (_, i) => `/registry/things/${i}`);
  await Promise.all(keys.map((key) => storage.put(key, Buffer.from(`value of ${key}`))));
  for (let i = 0; i < 1203; i += 7) await storage.delete(`/registry/things/${i}`);
}

async function contentOf(storage: Storage): Promise<Record<string, string>> {
  const { kvs } = await storage.range({ prefix: '/registry/' });
  return Object.fromEntries(kvs.map(({ key, value }) => [key, value.toString('latin1')]));
}

async function read(path: string): Promise<Record<string, string>> {
  const { records } = await decodeRecords(createReadStream(path));
  const all: Record<string, string> = {};
  for await (const { key, value } of records) all[key] = value.toString('latin1');
  return all;
}

test('an embedded store in use: a private file with everything, and only the newest ones stay', async (t) => {
  const [dir, directory] = [await temporaryDirectory(t), join(await temporaryDirectory(t), 'snapshots')];
  const storage = await EmbeddedStorage.open(dir, { clock });
  t.teardown(() => storage.close());
  await fill(storage);
  await mkdir(directory);
  await writeFile(join(directory, '20200101T000000Z-r1.snapshot.part'), 'cut off');
  await writeFile(join(directory, 'notes.txt'), 'of a person');
  for (let i = 0; i < 4; i += 1) {
    await storage.put('/registry/late', Buffer.from(`${i}`));
    const options = { directory, keep: 2, nowMs: NOW + i * 3_600_000 };
    const taken = await readLiving(dir, (content) => takeSnapshot(content, options));
    t.is(taken.revision, await storage.currentRevision());
    t.is(taken.name, `20261124T${12 + i}4500Z-r${taken.revision}.snapshot`);
    t.deepEqual(await checkSnapshot(join(directory, taken.name)), {
      revision: taken.revision,
      keys: taken.keys,
    });
    t.is((await stat(join(directory, taken.name))).mode & 0o777, 0o600);
  }
  const names = await listSnapshots(directory);
  t.deepEqual(
    names.map((name) => name.slice(0, 16)),
    ['20261124T144500Z', '20261124T154500Z'],
  );
  t.deepEqual((await readdir(directory)).toSorted(), [...names, 'notes.txt']);
  t.deepEqual(await read(join(directory, names[1] ?? '')), await contentOf(storage));
});

etcdTest('etcd in use: everything of one revision, whatever is written meanwhile', async (t) => {
  const [member] = await startEtcd(1);
  if (!member) throw new Error('no member');
  t.teardown(() => member.stop());
  const { url } = member;
  const storage = await EtcdStorage.open({ endpoints: [url], clock });
  t.teardown(() => storage.close());
  await fill(storage);
  const before = await contentOf(storage);
  const directory = await temporaryDirectory(t);
  const { revision, records } = await readPages(storage);
  const meanwhile = async function* () {
    let first = true;
    for await (const record of records) {
      if (first) {
        await storage.put('/registry/things/1', Buffer.from('later'));
        await storage.delete('/registry/things/1202');
        first = false;
      }
      yield record;
    }
  };
  const taken = await takeSnapshot({ revision, records: meanwhile() }, { directory, keep: 8, nowMs: NOW });
  t.is(taken.keys, Object.keys(before).length);
  t.deepEqual(await read(join(directory, taken.name)), before);
});

test('one that was cut off, or is none, is told from a whole one', async (t) => {
  const directory = await temporaryDirectory(t);
  const records = Array.from({ length: 500 }, (_, i) => ({
    key: `/registry/${i}`,
    modRevision: i,
    value: Buffer.from(`${i}`.repeat(50)),
  }));
  const { name, bytes } = await takeSnapshot({ revision: 7, records }, { directory, keep: 8, nowMs: NOW });
  const path = join(directory, name);
  await truncate(path, bytes - 20);
  await t.throwsAsync(checkSnapshot(path), { code: 'E_SNAPSHOT' });
  await writeFile(path, 'no snapshot');
  await t.throwsAsync(checkSnapshot(path), { code: 'E_SNAPSHOT' });
  await t.throwsAsync(checkSnapshot(join(directory, 'gone')), { code: 'E_SNAPSHOT' });
});

test('a store that fails in the middle leaves the old snapshots and nothing else', async (t) => {
  const directory = await temporaryDirectory(t);
  const options = { directory, keep: 1, nowMs: NOW };
  const good = [{ key: '/a', modRevision: 1, value: Buffer.from('a') }];
  const { name } = await takeSnapshot({ revision: 1, records: good }, options);
  const before = await readFile(join(directory, name));
  const failing = async function* () {
    yield* good;
    throw new Error('the member went away');
  };
  const later = { ...options, nowMs: NOW + 1000 };
  await t.throwsAsync(takeSnapshot({ revision: 2, records: failing() }, later), {
    message: /the member went away/,
  });
  t.deepEqual(await readdir(directory), [name]);
  t.deepEqual(await readFile(join(directory, name)), before);
});

test('a disk that the store needs is not filled up', async (t) => {
  const directory = await temporaryDirectory(t);
  const records = [{ key: '/a', modRevision: 1, value: Buffer.from('a') }];
  const take = (freeBytes: number) =>
    takeSnapshot(
      { revision: 1, records },
      { directory, keep: 1, nowMs: NOW, space: async () => ({ freeBytes, totalBytes: 100 * 2 ** 30 }) },
    );
  await t.throwsAsync(take(2 ** 30), { code: 'E_SNAPSHOT_SPACE', message: /1024 MiB must stay free/ });
  t.deepEqual(await readdir(directory), []);
  await t.notThrowsAsync(take(2 ** 30 + 2 ** 25));
});
