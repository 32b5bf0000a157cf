import test from 'ava';
import * as fc from 'fast-check';
import {
  difference,
  eachPath,
  hasPath,
  intersection,
  recursiveDifference,
  sameSet,
  SetBuilder,
  sortedSet,
  union,
} from '../../../src/api/apply/field-set.ts';
import type { FieldSet } from '../../../src/api/apply/field-set.ts';
import { compareElements } from '../../../src/api/apply/path-element.ts';

const element = fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:"s"', 'v:2', 'i:0');
const paths = fc.array(fc.array(element, { minLength: 1, maxLength: 3 }), { maxLength: 12 });
const seed = { seed: 20261124, numRuns: 400 };

function setOf(list: readonly string[][]): FieldSet {
  const builder = new SetBuilder();
  for (const path of list) builder.insert(path);
  return builder.build();
}

function pathsOf(set: FieldSet): string[] {
  const found: string[] = [];
  eachPath(set, (path) => found.push(path.join('/')));
  return found.toSorted();
}

const text = (list: readonly string[][]) => [...new Set(list.map((path) => path.join('/')))].toSorted();

test('a set holds just what was put in', (t) => {
  fc.assert(
    fc.property(paths, (list) => {
      const set = setOf(list);
      t.deepEqual(pathsOf(set), text(list));
      for (const path of list) t.true(hasPath(set, path));
    }),
    seed,
  );
});

test('union, intersection and difference are those of the members', (t) => {
  fc.assert(
    fc.property(paths, paths, (left, right) => {
      const [a, b] = [setOf(left), setOf(right)];
      const [x, y] = [text(left), text(right)];
      t.deepEqual(pathsOf(union(a, b)), [...new Set([...x, ...y])].toSorted());
      t.deepEqual(
        pathsOf(intersection(a, b)),
        x.filter((path) => y.includes(path)),
      );
      t.deepEqual(
        pathsOf(difference(a, b)),
        x.filter((path) => !y.includes(path)),
      );
      t.true(sameSet(union(a, b), union(b, a)));
      // Neither argument has changed.
      t.deepEqual([pathsOf(a), pathsOf(b)], [x, y]);
    }),
    seed,
  );
});

test('a recursive difference takes what is below its members, too', (t) => {
  fc.assert(
    fc.property(paths, paths, (left, right) => {
      const kept = left.filter(
        (path) => !right.some((gone) => gone.every((step, index) => path[index] === step)),
      );
      t.deepEqual(pathsOf(recursiveDifference(setOf(left), setOf(right))), text(kept));
    }),
    seed,
  );
});

test('a sorted set has the same members, every level in order', (t) => {
  const ordered = (set: FieldSet): boolean => {
    const keys = Object.keys(set).filter((key) => key !== '.');
    const isSorted = keys.every((key, at) => at === 0 || compareElements(keys[at - 1]!, key) < 0);
    return isSorted && keys.every((key) => ordered(set[key]!));
  };
  fc.assert(
    fc.property(paths, (list) => {
      const sorted = sortedSet(setOf(list));
      t.deepEqual(pathsOf(sorted), text(list));
      t.true(ordered(sorted));
      t.is(sortedSet(sorted), sorted, 'what is sorted is shared');
    }),
    seed,
  );
});

test('steps are ordered as upstream orders them: fields, keys, values, indexes', (t) => {
  const sorted = [
    'f:A',
    'f:a',
    'k:{"a":1}',
    'k:{"a":"1"}',
    'k:{"b":1}',
    'v:1',
    'v:10',
    'v:"1"',
    'v:true',
    'i:2',
    'i:10',
  ];
  t.deepEqual(sorted.toReversed().toSorted(compareElements), sorted);
});
