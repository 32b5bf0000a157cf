import type { TestFn } from 'ava';
import type { StorageEvent } from '../../src/storage/storage.ts';
import { bytes, put, type WithStorage } from './storage-kit.ts';
import { watch, WatchRecorder } from './watch-recorder.ts';

const brief = (event: StorageEvent): string =>
  `${event.type} ${event.key}=${event.value.toString()}@${event.createRevision}/${event.revision}` +
  (event.previous ? ` was ${event.previous.value.toString()}@${event.previous.modRevision}` : '');

export function storageWatchContract(test: TestFn, engine: string, withStorage: WithStorage): void {
  delivery(test, engine, withStorage);
  ends(test, engine, withStorage);
}

function delivery(test: TestFn, engine: string, withStorage: WithStorage): void {
  test(`${engine}: a watch delivers creations, changes and deletions with the pair before`, async (t) => {
    await withStorage(async (storage) => {
      const recorder = await watch(storage, '/a/', 2);
      await put(storage, '/a/1', 'x');
      await put(storage, '/b/1', 'other');
      await put(storage, '/a/1', 'y');
      await storage.delete('/a/1');
      await storage.delete('/a/1');
      await storage.put('/a/1', bytes('z'), 99);
      await put(storage, '/a/1', 'z');
      t.deepEqual((await recorder.until(4)).map(brief), [
        'put /a/1=x@2/2',
        'put /a/1=y@2/4 was x@2',
        'delete /a/1=@0/5 was y@4',
        'put /a/1=z@6/6',
      ]);
    });
  });

  test(`${engine}: a watch from the past replays history first, then goes on`, async (t) => {
    await withStorage(async (storage) => {
      for (let i = 0; i < 5; i++) await put(storage, '/a', String(i));
      const recorder = await watch(storage, '/', 3);
      await put(storage, '/b', 'live');
      t.deepEqual((await recorder.until(5)).map(brief), [
        'put /a=1@2/3 was 0@2',
        'put /a=2@2/4 was 1@3',
        'put /a=3@2/5 was 2@4',
        'put /a=4@2/6 was 3@5',
        'put /b=live@7/7',
      ]);
    });
  });

  test(`${engine}: a watch from the future waits for its revision`, async (t) => {
    await withStorage(async (storage) => {
      const recorder = await watch(storage, '/', 4);
      for (const key of ['/a', '/b', '/c', '/d']) await put(storage, key, 'x');
      await recorder.until(2);
      t.deepEqual(recorder.revisions, [4, 5]);
    });
  });

  test(`${engine}: watches that begin while others write miss nothing and repeat nothing`, async (t) => {
    await withStorage(async (storage) => {
      const total = 3000;
      const writes: Array<Promise<unknown>> = [];
      const recorders: Array<{ recorder: WatchRecorder; from: number }> = [];
      for (let i = 0; i < total; i++) {
        writes.push(storage.put(`/k${i % 7}`, bytes(String(i))));
        if (i % 100 !== 50) continue;
        await writes[i - 25];
        const from = Math.max(2, (await storage.currentRevision()) - (i % 3) * 40);
        recorders.push({ recorder: await watch(storage, '/', from), from });
      }
      await Promise.all(writes);
      for (const { recorder, from } of recorders) {
        await recorder.until(total + 2 - from);
        t.deepEqual(
          recorder.revisions,
          Array.from({ length: total + 2 - from }, (_, i) => from + i),
        );
      }
    });
  });

  test(`${engine}: an event is delivered before its write is acknowledged to a watch that is up to date`, async (t) => {
    await withStorage(async (storage) => {
      const recorder = await watch(storage, '/', 2);
      await put(storage, '/first', 'x');
      await recorder.until(1);
      for (let i = 0; i < 20; i++) {
        const revision = await put(storage, '/a', String(i));
        t.is(recorder.revisions.at(-1), revision);
      }
    });
  });

  test(`${engine}: prefixes are compared byte by byte, not by path`, async (t) => {
    await withStorage(async (storage) => {
      const narrow = await watch(storage, '/a/b', 1);
      for (const key of ['/a/b', '/a/bc', '/a/b/c', '/a/', '/a/c', 'z', '/a/bz'])
        await put(storage, key, 'x');
      // The last one is the watch's own: events come in order, so that one of the others would be there by then.
      const events = await narrow.until(4);
      t.deepEqual(
        events.map((event) => event.key),
        ['/a/b', '/a/bc', '/a/b/c', '/a/bz'],
      );
    });
  });

  test(`${engine}: events are history for a watch after a compaction below its start`, async (t) => {
    await withStorage(async (storage) => {
      await put(storage, '/a', '1');
      await put(storage, '/a', '2');
      await storage.delete('/a');
      await put(storage, '/b', '1');
      await storage.compact(4);
      const recorder = await watch(storage, '/', 4);
      const events = await recorder.until(2);
      t.deepEqual(
        events.map((event) => [event.type, event.key, event.revision]),
        [
          ['delete', '/a', 4],
          ['put', '/b', 5],
        ],
      );
      await storage.compact(5);
      const later = await watch(storage, '/', 5);
      t.deepEqual((await later.until(1)).map(brief), ['put /b=1@5/5']);
    });
  });
}

function ends(test: TestFn, engine: string, withStorage: WithStorage): void {
  test(`${engine}: a cancelled watch hears nothing more, not even its end`, async (t) => {
    await withStorage(async (storage) => {
      const recorder = new WatchRecorder();
      const other = await watch(storage, '/', 2);
      const handle = await storage.watch('/', 2, recorder);
      await put(storage, '/a', '1');
      await recorder.until(1);
      handle.cancel();
      handle.cancel();
      await put(storage, '/a', '2');
      await other.until(2);
      await storage.close();
      t.deepEqual(recorder.revisions, [2]);
      t.is(recorder.ended, undefined);
      t.like(other.ended, { code: 'E_STORAGE_CLOSED' });
    });
  });

  test(`${engine}: a watch may be cancelled from within its handler`, async (t) => {
    await withStorage(async (storage) => {
      for (let i = 0; i < 3; i++) await put(storage, '/a', String(i));
      let calls = 0;
      let heard = () => {};
      // Two watches know no order between them: what this one heard is waited for.
      const first = new Promise<void>((resolve) => (heard = resolve));
      const handle = await storage.watch('/', 4, {
        onEvents() {
          calls++;
          handle.cancel();
          heard();
        },
        onEnd: () => t.fail('onEnd after cancel'),
      });
      const other = await watch(storage, '/', 2);
      await first;
      await put(storage, '/a', 'x');
      await other.until(4);
      await storage.close();
      t.is(calls, 1);
    });
  });

  test(`${engine}: a watch from a compacted revision is refused`, async (t) => {
    await withStorage(async (storage) => {
      for (let i = 0; i < 5; i++) await put(storage, '/a', String(i));
      await storage.compact(5);
      const recorder = new WatchRecorder();
      const error = await t.throwsAsync(storage.watch('/', 4, recorder), { code: 'E_STORAGE_COMPACTED' });
      t.like(error, { compactedRevision: 5 });
      t.is(recorder.ended, undefined);
      t.deepEqual(
        (await (await watch(storage, '/', 5)).until(2)).map((event) => event.revision),
        [5, 6],
      );
    });
  });

  test(`${engine}: compaction does not disturb a watch that is up to date`, async (t) => {
    await withStorage(async (storage) => {
      const recorder = await watch(storage, '/', 1);
      for (let i = 0; i < 5; i++) await put(storage, '/a', String(i));
      await recorder.until(5);
      await storage.compact(6);
      await put(storage, '/a', 'x');
      await recorder.until(6);
      t.deepEqual(recorder.revisions, [2, 3, 4, 5, 6, 7]);
      t.is(recorder.ended, undefined);
    });
  });

  test(`${engine}: a watch that is overtaken by compaction ends with the compacted revision, without a gap`, async (t) => {
    await withStorage(async (storage) => {
      await Promise.all(Array.from({ length: 6000 }, (_, i) => storage.put(`/k${i % 9}`, bytes('x'))));
      const recorder = await watch(storage, '/', 2);
      await storage.compact(6001);
      await recorder.until(6000);
      t.deepEqual(
        recorder.revisions,
        Array.from({ length: recorder.events.length }, (_, i) => i + 2),
      );
      if (recorder.events.length < 6000) t.like(recorder.ended, { code: 'E_STORAGE_COMPACTED' });
      else t.is(recorder.ended, undefined);
    });
  });

  test(`${engine}: close ends every watch`, async (t) => {
    await withStorage(async (storage) => {
      const live = await watch(storage, '/', 2);
      await put(storage, '/a', 'x');
      await live.until(1);
      const waiting = await watch(storage, '/', 99);
      await storage.close();
      t.like(await live.untilEnded(), { code: 'E_STORAGE_CLOSED' });
      t.like(await waiting.untilEnded(), { code: 'E_STORAGE_CLOSED' });
    });
  });
}
