import type { TestFn } from 'ava';
import { bytes, put, type WithStorage } from './storage-kit.ts';

export function storageRangeContract(test: TestFn, engine: string, withStorage: WithStorage): void {
  test(`${engine}: range returns the keys with the prefix in order of their bytes`, async (t) => {
    await withStorage(async (storage) => {
      const keys = ['/b', '/a/2', '/a/10', '/a', '/a/\u{1f600}', '/a/\uffee', '/a/é', '/a0', '/a/'];
      for (const key of keys) await put(storage, key, key);
      const found = await storage.range({ prefix: '/a/' });
      t.deepEqual(
        found.kvs.map((kv) => kv.key),
        ['/a/', '/a/10', '/a/2', '/a/é', '/a/\uffee', '/a/\u{1f600}'],
      );
      t.like(found, { more: false, count: 6, revision: 10 });
      t.is((await storage.range({ prefix: '' })).count, 9);
      t.is((await storage.range({ prefix: '/a' })).count, 8);
      t.is((await storage.range({ prefix: '/a/\u{1f600}' })).count, 1);
      t.is((await storage.range({ prefix: '/c' })).count, 0);
    });
  });

  test(`${engine}: pages by limit and start meet without gap or repeat`, async (t) => {
    await withStorage(async (storage) => {
      const keys = Array.from({ length: 25 }, (_, i) => `/p/${String(i).padStart(2, '0')}`);
      await Promise.all(keys.map((key) => put(storage, key, 'x')));
      await put(storage, '/q', 'x');
      const seen: string[] = [];
      let start: string | undefined;
      for (;;) {
        const page = await storage.range({ prefix: '/p/', limit: 7, ...(start ? { start } : {}) });
        t.is(page.count, 25 - seen.length);
        seen.push(...page.kvs.map((kv) => kv.key));
        t.is(page.more, seen.length < 25);
        if (!page.more) break;
        start = `${seen.at(-1)}\u0001`;
      }
      t.deepEqual(seen, keys);
    });
  });

  test(`${engine}: a limit that the range just fits says that there is no more, and 0 means all`, async (t) => {
    await withStorage(async (storage) => {
      for (const key of ['/a', '/b', '/c']) await put(storage, key, 'x');
      t.like(await storage.range({ prefix: '/', limit: 3 }), { more: false, count: 3 });
      t.like(await storage.range({ prefix: '/', limit: 2 }), { more: true, count: 3 });
      t.like(await storage.range({ prefix: '/', limit: 0 }), { more: false, count: 3 });
      t.like(await storage.range({ prefix: '/', start: '/b' }), { more: false, count: 2 });
      await t.throwsAsync(storage.range({ prefix: '/x', start: '/a' }), { instanceOf: RangeError });
      await t.throwsAsync(storage.range({ prefix: '/', limit: -1 }), { instanceOf: RangeError });
    });
  });

  test(`${engine}: pages at one revision do not see later writes`, async (t) => {
    await withStorage(async (storage) => {
      for (let i = 0; i < 10; i++) await put(storage, `/p/${i}`, 'old');
      const first = await storage.range({ prefix: '/p/', limit: 4 });
      await put(storage, '/p/5', 'new');
      await put(storage, '/p/5x', 'new');
      await storage.delete('/p/8');
      const { revision } = first;
      const rest = await storage.range({ prefix: '/p/', start: '/p/3\u0001', limit: 10, revision });
      t.deepEqual(
        rest.kvs.map((kv) => [kv.key, kv.value.toString()]),
        ['4', '5', '6', '7', '8', '9'].map((i) => [`/p/${i}`, 'old']),
      );
      t.like(rest, { revision, more: false, count: 6 });
      t.is((await storage.range({ prefix: '/p/' })).count, 10);
    });
  });

  test(`${engine}: a large range is one snapshot even while others write`, async (t) => {
    await withStorage(async (storage) => {
      const keys = Array.from({ length: 3000 }, (_, i) => `/p/${String(i).padStart(4, '0')}`);
      await Promise.all(keys.map((key) => put(storage, key, 'old')));
      const reading = storage.range({ prefix: '/p/' });
      const writing = keys.map((key, i) => (i % 2 ? storage.put(key, bytes('new')) : storage.delete(key)));
      const { kvs, count, revision } = await reading;
      const results = await Promise.all(writing);
      // An engine across a network may have carried out some of the writes before; then they show whole.
      t.true(revision >= 3001);
      const done = results.map((result) => result.revision <= revision);
      const expected = keys.flatMap((_, i) => (done[i] ? (i % 2 ? ['new'] : []) : ['old']));
      t.is(count, expected.length);
      t.deepEqual(
        kvs.map((kv) => kv.value.toString()),
        expected,
      );
      t.true(kvs.every((kv) => kv.modRevision <= revision));
      t.is((await storage.range({ prefix: '/p/', limit: 5 })).count, 1500);
      t.is((await storage.range({ prefix: '/p/', limit: 5, revision })).count, count);
    });
  });
}
