import type { TestFn } from 'ava';
import type { Storage } from '../../src/storage/storage.ts';
import { bytes, outcome, put, text, type WithStorage } from './storage-kit.ts';
import { storageHistoryContract } from './storage-history.ts';
import { storageModelContract } from './storage-model.ts';
import { storageRangeContract } from './storage-range.ts';
import { storageWatchContract } from './storage-watch.ts';

/** Opens an empty store; the suite closes it. */
export type OpenStorage = () => Promise<Storage>;

export interface StorageContractOptions {
  /** Sequences of operations that are compared with the model, each on a store of its own. Default 40. */
  modelRuns?: number;
}

/** What every engine does, declared as tests under `engine`'s name: the contract of src/storage/storage.ts. */
export function storageContract(
  test: TestFn,
  engine: string,
  open: OpenStorage,
  { modelRuns = 40 }: StorageContractOptions = {},
): void {
  const withStorage: WithStorage = async (body) => {
    const storage = await open();
    try {
      await body(storage);
    } finally {
      await storage.close();
    }
  };
  readsAndWrites(test, engine, withStorage);
  storageRangeContract(test, engine, withStorage);
  storageHistoryContract(test, engine, withStorage);
  closing(test, engine, open);
  storageWatchContract(test, engine, withStorage);
  storageModelContract(test, engine, withStorage, modelRuns);
}

function readsAndWrites(test: TestFn, engine: string, withStorage: WithStorage): void {
  test(`${engine}: an empty store stands at revision 1 and its first write gets 2`, async (t) => {
    await withStorage(async (storage) => {
      t.is(await storage.currentRevision(), 1);
      t.is(await storage.compactedRevision(), 0);
      t.deepEqual(await storage.get('/a'), { kv: undefined, revision: 1 });
      t.deepEqual(await storage.range({ prefix: '/' }), { kvs: [], more: false, count: 0, revision: 1 });
      t.is(await put(storage, '/a', 'x'), 2);
      t.is(await storage.currentRevision(), 2);
    });
  });

  test(`${engine}: put returns the pair before and keeps its createRevision`, async (t) => {
    await withStorage(async (storage) => {
      t.deepEqual(await storage.put('/a', bytes('1')), { ok: true, revision: 2, previous: undefined });
      await put(storage, '/b', 'x');
      const result = await storage.put('/a', bytes('2'));
      t.is(result.revision, 4);
      t.is(result.ok ? text(result.previous) : '', '/a=1@2/2');
      t.is(text((await storage.get('/a')).kv), '/a=2@2/4');
    });
  });

  test(`${engine}: a key that is made again has a new createRevision`, async (t) => {
    await withStorage(async (storage) => {
      await put(storage, '/a', '1');
      const gone = await storage.delete('/a');
      t.is(gone.ok ? text(gone.previous) : '', '/a=1@2/2');
      t.is(gone.revision, 3);
      await put(storage, '/a', '2');
      t.is(text((await storage.get('/a')).kv), '/a=2@4/4');
    });
  });

  test(`${engine}: put compares with the key's last revision, and changes nothing where it differs`, async (t) => {
    await withStorage(async (storage) => {
      t.is(outcome(await storage.put('/a', bytes('x'), 7)), undefined);
      t.is(outcome(await storage.put('/a', bytes('1'), 0)), 'ok');
      t.is(outcome(await storage.put('/a', bytes('x'), 0)), '/a=1@2/2');
      t.is(outcome(await storage.put('/a', bytes('x'), 3)), '/a=1@2/2');
      t.is(await storage.currentRevision(), 2);
      t.is(outcome(await storage.put('/a', bytes('2'), 2)), 'ok');
      t.is(text((await storage.get('/a')).kv), '/a=2@2/3');
    });
  });

  test(`${engine}: delete compares with the key's last revision`, async (t) => {
    await withStorage(async (storage) => {
      await put(storage, '/a', '1');
      t.is(outcome(await storage.delete('/a', 5)), '/a=1@2/2');
      t.is(outcome(await storage.delete('/a', 0)), '/a=1@2/2');
      t.is(outcome(await storage.delete('/a', 2)), 'ok');
      t.is((await storage.get('/a')).kv, undefined);
      t.is(outcome(await storage.delete('/a', 2)), undefined);
    });
  });

  test(`${engine}: deleting what is not there writes nothing and is ok`, async (t) => {
    await withStorage(async (storage) => {
      t.deepEqual(await storage.delete('/a'), { ok: true, revision: 1, previous: undefined });
      t.deepEqual(await storage.delete('/a', 0), { ok: true, revision: 1, previous: undefined });
      t.is(await storage.currentRevision(), 1);
    });
  });

  test(`${engine}: of many concurrent writers that compare, exactly one wins each round`, async (t) => {
    await withStorage(async (storage) => {
      let at = 0;
      for (let round = 0; round < 20; round++) {
        const tries = Array.from({ length: 10 }, (_, i) => storage.put('/a', bytes(`${round}.${i}`), at));
        const results = await Promise.all(tries);
        const winners = results.filter((result) => result.ok);
        t.is(winners.length, 1);
        at = winners[0]!.revision;
        t.is(at, round + 2);
        for (const loser of results) if (!loser.ok) t.is(loser.current?.modRevision, at);
      }
    });
  });

  test(`${engine}: concurrent increments by compare-and-set lose none`, async (t) => {
    await withStorage(async (storage) => {
      const increment = async (): Promise<void> => {
        for (;;) {
          const { kv } = await storage.get('/n');
          const next = String(Number(kv?.value.toString() ?? 0) + 1);
          if ((await storage.put('/n', bytes(next), kv?.modRevision ?? 0)).ok) return;
        }
      };
      await Promise.all(Array.from({ length: 25 }, increment));
      t.is((await storage.get('/n')).kv?.value.toString(), '25');
      t.is(await storage.currentRevision(), 26);
    });
  });

  test(`${engine}: writes that are begun in one turn take effect in order`, async (t) => {
    await withStorage(async (storage) => {
      const results = await Promise.all([
        storage.put('/a', bytes('1'), 0),
        storage.put('/a', bytes('2'), 2),
        storage.delete('/a', 3),
        storage.put('/a', bytes('4'), 0),
        storage.put('/a', bytes('5'), 2),
      ]);
      t.deepEqual(
        results.map((result) => [result.ok, result.revision]),
        [
          [true, 2],
          [true, 3],
          [true, 4],
          [true, 5],
          [false, 5],
        ],
      );
      t.is(text((await storage.get('/a')).kv), '/a=4@5/5');
    });
  });

  test(`${engine}: a read after an acknowledged write sees it`, async (t) => {
    await withStorage(async (storage) => {
      for (let i = 0; i < 50; i++) {
        const revision = await put(storage, '/a', String(i));
        const read = await storage.get('/a');
        t.is(read.kv?.value.toString(), String(i));
        t.true(read.revision >= revision);
      }
    });
  });

  test(`${engine}: values are opaque bytes of any length`, async (t) => {
    await withStorage(async (storage) => {
      const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const large = Buffer.alloc(1_500_000, all);
      for (const [i, value] of [Buffer.alloc(0), all, large, all.subarray(3, 9)].entries()) {
        await storage.put(`/v${i}`, value);
        t.true((await storage.get(`/v${i}`)).kv?.value.equals(value), `value ${i}`);
      }
    });
  });

  test(`${engine}: a key that could not be stored as it is is refused`, async (t) => {
    await withStorage(async (storage) => {
      for (const key of ['', 'a\0b', 'a\ud800']) {
        await t.throwsAsync(storage.put(key, bytes('x')), { instanceOf: RangeError });
      }
      t.is(await storage.currentRevision(), 1);
    });
  });
}

function closing(test: TestFn, engine: string, open: OpenStorage): void {
  test(`${engine}: close finishes the writes that were begun, and everything after is refused`, async (t) => {
    const storage = await open();
    const begun = [storage.put('/a', bytes('1')), storage.put('/b', bytes('2'))];
    await storage.close();
    t.deepEqual(
      (await Promise.all(begun)).map((result) => result.ok),
      [true, true],
    );
    await storage.close();
    const closed = { code: 'E_STORAGE_CLOSED' };
    await t.throwsAsync(storage.get('/a'), closed);
    await t.throwsAsync(storage.range({ prefix: '/' }), closed);
    await t.throwsAsync(storage.put('/a', bytes('x')), closed);
    await t.throwsAsync(storage.delete('/a'), closed);
    await t.throwsAsync(storage.watch('/', 1, { onEvents() {}, onEnd() {} }), closed);
    await t.throwsAsync(storage.compact(1), closed);
    await t.throwsAsync(storage.currentRevision(), closed);
  });
}
