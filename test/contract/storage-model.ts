import type { TestFn } from 'ava';
import {
  array,
  assert,
  asyncProperty,
  constant,
  double,
  integer,
  oneof,
  option,
  record,
  type Arbitrary,
} from 'fast-check';
import type { Storage } from '../../src/storage/storage.ts';
import { bytes, type WithStorage } from './storage-kit.ts';
import { watch } from './watch-recorder.ts';

/** An operation of the model test; keys come from a small set so that they collide. */
type Step =
  | { do: 'put'; key: number; guess: number | undefined }
  | { do: 'delete'; key: number; guess: number | undefined }
  | { do: 'compact'; share: number };

const guess = option(integer({ min: 0, max: 2 }), { nil: undefined });
const key = integer({ min: 0, max: 5 });
const step: Arbitrary<Step> = oneof(
  { weight: 6, arbitrary: record({ do: constant('put' as const), key, guess }) },
  { weight: 3, arbitrary: record({ do: constant('delete' as const), key, guess }) },
  {
    weight: 1,
    arbitrary: record({
      do: constant('compact' as const),
      share: double({ min: 0, max: 1, noNaN: true }),
    }),
  },
);

const KEYS = ['/a', '/a/', '/a/1', '/b', '/b\u{1f600}', '/b\uffee'];
const PREFIXES = ['', '/a', '/a/', '/b', '/c'];

export function storageModelContract(
  test: TestFn,
  engine: string,
  withStorage: WithStorage,
  numRuns: number,
): void {
  test(`${engine}: behaves as the plain model for any sequence of operations`, async (t) => {
    await assert(
      asyncProperty(array(step, { maxLength: 40 }), (steps) =>
        withStorage((storage) => compareWithModel(storage, steps)),
      ),
      { seed: 20_260_701, numRuns },
    );
    t.pass();
  });
}

interface Entry {
  revision: number;
  key: string;
  value: string | undefined;
}

async function compareWithModel(storage: Storage, steps: readonly Step[]): Promise<void> {
  const entries: Entry[] = [];
  let compacted = 0;
  const newest = (): number => entries.at(-1)?.revision ?? 1;
  const at = (key: string, revision: number): Entry | undefined => {
    const found = entries.findLast((entry) => entry.key === key && entry.revision <= revision);
    return found?.value === undefined ? undefined : found;
  };
  for (const [i, step] of steps.entries()) {
    if (step.do === 'compact') {
      const revision = Math.max(1, Math.round(newest() * step.share));
      await storage.compact(revision);
      compacted = Math.max(compacted, revision);
      continue;
    }
    const key = KEYS[step.key]!;
    const current = at(key, newest());
    const last = current?.revision ?? 0;
    // A guess of 0: the key is missing; 1: the right revision; 2: a wrong one.
    const expected = step.guess === undefined ? undefined : [0, last, last + 1][step.guess]!;
    const fits = expected === undefined || expected === last;
    const value = step.do === 'put' ? `v${i}` : undefined;
    const result =
      value === undefined
        ? await storage.delete(key, expected)
        : await storage.put(key, bytes(value), expected);
    if (fits && (value !== undefined || current)) entries.push({ revision: newest() + 1, key, value });
    const before = result.ok ? result.previous : result.current;
    equal(
      `write ${i}`,
      [result.ok, result.revision, before?.value.toString()],
      [fits, newest(), current?.value],
    );
  }
  for (let revision = Math.max(compacted, 1); revision <= newest(); revision++) {
    for (const prefix of PREFIXES) {
      const { kvs } = await storage.range({ prefix, revision });
      const expected = KEYS.filter((key) => key.startsWith(prefix)).flatMap(
        (key) => at(key, revision)?.value ?? [],
      );
      equal(
        `range ${prefix} at ${revision}`,
        kvs.map((kv) => kv.value.toString()).toSorted(),
        expected.toSorted(),
      );
    }
    const recorder = await watch(storage, '', revision);
    const expected = entries.filter((entry) => entry.revision >= revision);
    await recorder.until(expected.length);
    equal(
      `watch from ${revision}`,
      recorder.events.map(({ key, type, revision, value }) => [
        key,
        revision,
        type === 'put' ? value.toString() : undefined,
      ]),
      expected.map(({ key, revision, value }) => [key, revision, value]),
    );
  }
}

function equal(what: string, actual: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: got ${left}, expected ${right}`);
}
