import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { deepClone } from '../../src/api/objects.ts';
import { PatchError } from '../../src/api/patch/errors.ts';
import { applyJsonPatch } from '../../src/api/patch/json-patch.ts';
import { applyMergePatch } from '../../src/api/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '../../src/api/patch/strategic-merge.ts';
import { schemaForKind } from '../../src/api/schema.ts';

interface Fixture {
  name: string;
  apiVersion: string;
  kind: string;
  original: Record<string, unknown>;
  patch: Record<string, unknown>;
  result?: unknown;
  error?: string;
}

/** Patches, and what Go's strategicpatch makes of them. */
const FIXTURES = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/api/strategic.json'), 'utf8'),
) as Fixture[];

for (const { name, apiVersion, kind, original, patch, result, error } of FIXTURES) {
  test(`strategic merge: ${name}`, (t) => {
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
    const schema = schemaForKind(group!, version!, kind)!;
    const before = deepClone([original, patch]);
    if (error === undefined)
      t.deepEqual(applyStrategicMergePatch(original, patch, schema), result as typeof original);
    else
      t.throws(() => applyStrategicMergePatch(original, patch, schema), {
        instanceOf: PatchError,
        message: error,
      });
    t.deepEqual([original, patch], before, 'neither argument is changed');
  });
}

/** The table of RFC 7396, appendix A. */
const MERGE: Array<[unknown, unknown, unknown]> = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

test('merge patch: the cases of RFC 7396', (t) => {
  for (const [original, patch, wanted] of MERGE) {
    const before = deepClone([original, patch]);
    t.deepEqual(applyMergePatch(original, patch), wanted);
    t.deepEqual([original, patch], before);
  }
});

test('merge patch: __proto__ is an ordinary key', (t) => {
  const patch = JSON.parse('{"__proto__":{"polluted":true}}') as unknown;
  const result = applyMergePatch({ a: 1 }, patch) as object;
  t.deepEqual(Object.keys(result), ['a', '__proto__']);
  t.is(({} as { polluted?: boolean }).polluted, undefined);
});

test('JSON patch applies to a copy', (t) => {
  const original = { a: [1, 2], b: { c: 'd' } };
  const patch = [
    { op: 'test', path: '/b/c', value: 'd' },
    { op: 'add', path: '/a/-', value: 3 },
    { op: 'remove', path: '/b/c' },
    { op: 'copy', from: '/a', path: '/b/e~1f' },
  ];
  t.deepEqual(applyJsonPatch(original, patch), { a: [1, 2, 3], b: { 'e/f': [1, 2, 3] } });
  t.deepEqual(original, { a: [1, 2], b: { c: 'd' } });
});

test('JSON patch: copies of copies end before they fill the memory', (t) => {
  const doubling = Array.from({ length: 60 }, (_, n) => ({ op: 'copy', from: '', path: `/k${n}` }));
  const error = t.throws<PatchError>(() => applyJsonPatch({ a: 'x'.repeat(1000) }, doubling), {
    instanceOf: PatchError,
  });
  t.is(error?.status, 422);
  t.regex(
    error?.message ?? '',
    /^Unable to complete the copy, the accumulated size increase of copy is \d+, /,
  );
  const few = doubling.slice(0, 5);
  t.is(Object.keys(applyJsonPatch({ a: 'x' }, few) as object).length, 6);
});

test('JSON patch: what does not fit the object is 422, what is no patch 400, what is too long 413', (t) => {
  const status = (patch: unknown): number | undefined =>
    t.throws<PatchError>(() => applyJsonPatch({ a: 1 }, patch), { instanceOf: PatchError })?.status;
  t.is(status([{ op: 'test', path: '/a', value: 2 }]), 422);
  t.is(status([{ op: 'remove', path: '/b' }]), 422);
  t.is(status([{ op: 'replace', path: '/b/c', value: 1 }]), 422);
  t.is(status([{ op: 'add', path: '/__proto__/x', value: 1 }]), 422);
  t.is(status([{ op: 'fly', path: '/a' }]), 422);
  t.is(status({ a: 2 }), 400);
  t.is(status(['x']), 400);
  t.is(status(Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 }))), 413);
  t.is(({} as { x?: number }).x, undefined);
});
