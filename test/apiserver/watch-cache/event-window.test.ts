import test from 'ava';
import * as fc from 'fast-check';
import { CacheEntry } from '../../../src/apiserver/watch-cache/cache-entry.ts';
import { EventWindow } from '../../../src/apiserver/watch-cache/event-window.ts';
import { SortedKeys } from '../../../src/apiserver/watch-cache/sorted-keys.ts';
import { compareKeys } from '../../../src/storage/keys.ts';

const event = (revision: number, size = 10) => ({
  revision,
  type: 'ADDED' as const,
  entry: new CacheEntry('a', revision, Buffer.alloc(size)),
  previous: undefined,
  frames: new Map<string, Buffer>(),
});

test('the window holds the newest events, and knows from which version on it is complete', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 60 }),
      (maxEvents, steps) => {
        const window = new EventWindow({ maxEvents, maxBytes: 1 << 30 }, 100);
        const revisions: number[] = [];
        let revision = 100;
        for (const step of steps) {
          revision += step;
          revisions.push(revision);
          window.push(event(revision));
        }
        const held = revisions.slice(-maxEvents);
        const dropped = revisions.slice(0, -maxEvents);
        t.is(window.end - window.start, held.length);
        t.is(window.completeAfter, dropped.at(-1) ?? 100);
        for (const asked of [99, 100, ...revisions]) {
          const at = window.after(asked);
          if (asked < window.completeAfter) {
            t.is(at, undefined);
            continue;
          }
          const rest: number[] = [];
          for (let i = at ?? 0; i < window.end; i++) rest.push(window.at(i)?.revision ?? -1);
          t.deepEqual(
            rest,
            revisions.filter((each) => each > asked),
          );
        }
      },
    ),
    { seed: 7, numRuns: 200 },
  );
});

test('a window bounded by bytes keeps a hundred events all the same', (t) => {
  const window = new EventWindow({ maxEvents: 1000, maxBytes: 100 }, 0);
  for (let i = 1; i <= 150; i++) window.push(event(i, 50));
  t.is(window.end - window.start, 100);
  t.is(window.completeAfter, 50);
});

test('forgetting what the store has compacted makes older versions unanswerable', (t) => {
  const window = new EventWindow({ maxEvents: 100, maxBytes: 1 << 30 }, 0);
  for (let i = 1; i <= 10; i++) window.push(event(i));
  window.forgetUpTo(4);
  t.is(window.after(3), undefined);
  t.is(window.at(window.after(4) ?? -1)?.revision, 5);
  window.forgetUpTo(20);
  t.is(window.after(15), undefined);
  t.is(window.after(20), window.end);
});

test('keys stay in the order of the store, and ranges are those of a prefix', (t) => {
  const key = fc.oneof(
    fc.string({ maxLength: 4 }),
    fc.constantFrom('ns/a', 'ns-1/a', 'ns/b', 'ns.x/a', 'nt/a', 'ns/\u{1f600}', 'ns/\ue000'),
  );
  fc.assert(
    fc.property(fc.array(key, { maxLength: 40 }), fc.array(key, { maxLength: 10 }), (added, removed) => {
      const keys = new SortedKeys();
      const model = new Set<string>();
      for (const each of added) {
        keys.add(each);
        model.add(each);
      }
      for (const each of removed) {
        keys.delete(each);
        model.delete(each);
      }
      const expected = [...model].sort(compareKeys);
      t.deepEqual(keys.slice(0, keys.length), expected);
      const [from, to] = keys.range('ns/');
      t.deepEqual(
        keys.slice(from, to),
        expected.filter((each) => each.startsWith('ns/')),
      );
    }),
    { seed: 7, numRuns: 300 },
  );
});
