import type { TestFn } from 'ava';
import { bytes, put, text, type WithStorage } from './storage-kit.ts';

export function storageHistoryContract(test: TestFn, engine: string, withStorage: WithStorage): void {
  test(`${engine}: get at a revision reads the past, deletions included`, async (t) => {
    await withStorage(async (storage) => {
      await put(storage, '/a', '1');
      await put(storage, '/b', 'x');
      await put(storage, '/a', '2');
      await storage.delete('/a');
      await put(storage, '/a', '3');
      const at = async (revision: number) => text((await storage.get('/a', revision)).kv);
      t.is(await at(1), undefined);
      t.is(await at(2), '/a=1@2/2');
      t.is(await at(3), '/a=1@2/2');
      t.is(await at(4), '/a=2@2/4');
      t.is(await at(5), undefined);
      t.is(await at(6), '/a=3@6/6');
      t.is((await storage.get('/a', 3)).revision, 3);
    });
  });

  test(`${engine}: a revision of the future is refused`, async (t) => {
    await withStorage(async (storage) => {
      const future = { code: 'E_STORAGE_FUTURE_REVISION' };
      await t.throwsAsync(storage.get('/a', 2), future);
      await t.throwsAsync(storage.range({ prefix: '/', revision: 9 }), future);
      await t.throwsAsync(storage.compact(2), future);
    });
  });

  test(`${engine}: compaction forgets what is older and keeps what stands`, async (t) => {
    await withStorage(async (storage) => {
      await put(storage, '/a', '1');
      await put(storage, '/a', '2');
      await put(storage, '/b', '1');
      await storage.delete('/b');
      await put(storage, '/c', '1');
      await put(storage, '/a', '3');
      await storage.compact(6);
      t.is(await storage.compactedRevision(), 6);
      const compacted = { code: 'E_STORAGE_COMPACTED', message: /revision 5 .*6/ };
      await t.throwsAsync(storage.get('/a', 5), compacted);
      await t.throwsAsync(storage.range({ prefix: '/', revision: 5 }), compacted);
      t.is(text((await storage.get('/a', 6)).kv), '/a=2@2/3');
      t.is(text((await storage.get('/a', 7)).kv), '/a=3@2/7');
      t.is((await storage.range({ prefix: '/', revision: 6 })).count, 2);
      t.is((await storage.get('/b')).kv, undefined);
      await storage.compact(6);
      await storage.compact(3);
      t.is(await storage.compactedRevision(), 6);
      await storage.compact(7);
      t.is((await storage.range({ prefix: '/' })).count, 2);
      t.is(await put(storage, '/d', 'x'), 8);
    });
  });

  test(`${engine}: the revision does not go back when the newest write is a compacted deletion`, async (t) => {
    await withStorage(async (storage) => {
      await put(storage, '/a', '1');
      await storage.delete('/a');
      await storage.compact(3);
      t.is(await storage.currentRevision(), 3);
      t.is((await storage.get('/a')).revision, 3);
      t.is(await put(storage, '/a', '2'), 4);
    });
  });

  test(`${engine}: reads and writes go on while a long history is compacted`, async (t) => {
    await withStorage(async (storage) => {
      const writes = Array.from({ length: 4000 }, (_, i) => storage.put(`/k${i % 50}`, bytes(String(i))));
      await Promise.all(writes);
      const compacting = storage.compact(4001);
      const revision = await put(storage, '/during', 'x');
      t.is((await storage.range({ prefix: '/k' })).count, 50);
      await compacting;
      t.is(revision, 4002);
      t.is((await storage.get('/k49')).kv?.value.toString(), '3999');
      t.is((await storage.range({ prefix: '/', revision: 4001 })).count, 50);
    });
  });
}
