import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration } from '../functions.ts';
import { noSuchOverload } from '../frame.ts';
import { EvaluationError } from '../issues.ts';
import { ArrayList, Duration, ListValue, nameOf, Optional, Uint, valuesEqual } from '../values.ts';
import type { Value } from '../values.ts';
import { durationOf } from '../time.ts';
import { checkedInt, checkedUint, compareValues } from './operators.ts';

const COMPARABLE = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];
const SORTABLE: ReadonlyArray<readonly [id: string, type: string]> = [
  ['int', 'int'],
  ['uint', 'uint'],
  ['double', 'double'],
  ['bool', 'bool'],
  ['google.protobuf.Duration', 'duration'],
  ['google.protobuf.Timestamp', 'timestamp'],
  ['string', 'string'],
  ['bytes', 'bytes'],
];

/** 0, 1, 2 …: a list that takes no memory, however long. */
class Range extends ListValue {
  override readonly length: number;

  constructor(length: number) {
    super();
    this.length = length;
  }

  override at(index: number): Value {
    return BigInt(index);
  }
}

function slice(list: ListValue, start: bigint, end: bigint): ListValue {
  const call = `cannot slice(${start}, ${end})`;
  if (start < 0n || end < 0n) throw new EvaluationError(`${call}, negative indexes not supported`);
  if (start > end) throw new EvaluationError(`${call}, start index must be less than or equal to end index`);
  if (BigInt(list.length) < end) throw new EvaluationError(`${call}, list is length ${list.length}`);
  const items: Value[] = [];
  for (let index = Number(start); index < Number(end); index++) items.push(list.at(index));
  return new ArrayList(items);
}

function flatten(list: ListValue, depth: bigint): Value[] {
  if (depth < 0n) throw new EvaluationError('level must be non-negative');
  const items: Value[] = [];
  for (const item of list) {
    if (!(item instanceof ListValue) || depth === 0n) items.push(item);
    else for (const inner of flatten(item, depth - 1n)) items.push(inner);
  }
  return items;
}

function sorted(list: ListValue, keys: ListValue): ListValue {
  if (list.length !== keys.length) {
    throw new EvaluationError(
      `@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${list.length} and ${keys.length} elements respectively`,
    );
  }
  const order = Array.from({ length: list.length }, (_, index) => index);
  const type = list.length === 0 ? '' : nameOf(keys.at(0));
  if (list.length > 0 && !/int|double|bool|Duration|Timestamp|string|bytes/.test(type)) {
    throw new EvaluationError('list elements must be comparable');
  }
  if (order.some((index) => nameOf(keys.at(index)) !== type)) {
    throw new EvaluationError('list elements must have the same type');
  }
  order.sort((a, b) => compareValues(keys.at(a), keys.at(b)));
  return new ArrayList(order.map((index) => list.at(index)));
}

function distinct(list: ListValue): ListValue {
  const items: Value[] = [];
  const simple = new Set<Value>();
  for (const item of list) {
    if (typeof item === 'string') {
      if (simple.has(item)) continue;
      simple.add(item);
    } else if (items.some((other) => valuesEqual(item, other))) continue;
    items.push(item);
  }
  return new ArrayList(items);
}

function isSorted(list: ListValue): boolean {
  let previous: Value | undefined;
  for (const item of list) {
    if (previous !== undefined && compareValues(previous, item) > 0) return false;
    previous = item;
  }
  return true;
}

function extreme(name: string, list: ListValue, isBetter: (order: number) => boolean): Value {
  let result: Value | undefined;
  for (const item of list) {
    if (result === undefined || isBetter(compareValues(item, result))) result = item;
  }
  if (result === undefined) throw new EvaluationError(`${name} called on empty list`);
  return result;
}

function position(list: ListValue, item: Value, fromEnd: boolean): bigint {
  for (let step = 0; step < list.length; step++) {
    const index = fromEnd ? list.length - 1 - step : step;
    if (valuesEqual(list.at(index), item)) return BigInt(index);
  }
  return -1n;
}

function added(sum: Value, item: Value): Value {
  if (typeof sum === 'bigint' && typeof item === 'bigint') return checkedInt(sum + item);
  if (typeof sum === 'number' && typeof item === 'number') return sum + item;
  if (sum instanceof Uint && item instanceof Uint) return checkedUint(sum.value + item.value);
  if (sum instanceof Duration && item instanceof Duration) return durationOf(sum.nanos + item.nanos);
  throw noSuchOverload();
}

/** Where the types do not tell, items do. */
function sumOf(list: ListValue, zero: Value): Value {
  const [first, ...others] = list;
  return first === undefined ? zero : others.reduce(added, first);
}

const ZEROS: ReadonlyArray<readonly [string, Value]> = [
  ['int', 0n],
  ['uint', new Uint(0n)],
  ['double', 0],
  ['duration', new Duration(0n)],
];

function ends(list: ListValue, index: number): Optional {
  return list.length === 0 ? Optional.NONE : new Optional(list.at(index));
}

/** cel-go ext/lists.go in its version 3. */
export const LISTS: readonly FunctionDeclaration[] = [
  declare(
    'slice',
    overload('list_slice', 'list(T).(int, int) -> list(T)', (a, b, c) =>
      slice(a as ListValue, b as bigint, c as bigint),
    ),
  ),
  declare(
    'flatten',
    overload(
      'list_flatten',
      'list(list(T)).() -> list(T)',
      (a) => new ArrayList(flatten(a as ListValue, 1n)),
    ),
    overload(
      'list_flatten_int',
      'list(dyn).(int) -> list(dyn)',
      (a, b) => new ArrayList(flatten(a as ListValue, b as bigint)),
    ),
  ),
  declare(
    'sort',
    ...SORTABLE.map(([id, type]) =>
      overload(`list_${id}_sort`, `list(${type}).() -> list(${type})`, (a) =>
        sorted(a as ListValue, a as ListValue),
      ),
    ),
  ),
  declare(
    '@sortByAssociatedKeys',
    ...SORTABLE.map(([id, type]) =>
      overload(`list_${id}_sortByAssociatedKeys`, `list(T).(list(${type})) -> list(T)`, (a, b) =>
        sorted(a as ListValue, b as ListValue),
      ),
    ),
  ),
  declare(
    'lists.range',
    overload('lists_range', '(int) -> list(int)', (a) => new Range(Math.max(0, Number(a)))),
  ),
  declare(
    'reverse',
    overload(
      'list_reverse',
      'list(T).() -> list(T)',
      (a) => new ArrayList([...(a as ListValue)].toReversed()),
    ),
  ),
  declare(
    'distinct',
    overload('list_distinct', 'list(T).() -> list(T)', (a) => distinct(a as ListValue)),
  ),
  declare(
    'last',
    overload('list_last', 'list(T).() -> optional_type(T)', (a) =>
      ends(a as ListValue, (a as ListValue).length - 1),
    ),
  ),
  declare(
    'first',
    overload('list_first', 'list(T).() -> optional_type(T)', (a) => ends(a as ListValue, 0)),
  ),
];

/** Kubernetes' own functions of lists. Mirrors apiserver pkg/cel/library/lists.go. */
export const KUBERNETES_LISTS: readonly FunctionDeclaration[] = [
  declare(
    'isSorted',
    ...COMPARABLE.map((type) =>
      overload(`list_${type}_is_sorted_bool`, `list(${type}).() -> bool`, (a) => isSorted(a as ListValue)),
    ),
  ),
  declare(
    'sum',
    ...ZEROS.map(([type, zero]) =>
      overload(`list_${type}_sum_${type}`, `list(${type}).() -> ${type}`, (a) => sumOf(a as ListValue, zero)),
    ),
  ),
  ...(['max', 'min'] as const).map((name) =>
    declare(
      name,
      ...COMPARABLE.map((type) =>
        overload(`list_${type}_${name}_${type}`, `list(${type}).() -> ${type}`, (a) =>
          extreme(name, a as ListValue, (order) => (name === 'max' ? order > 0 : order < 0)),
        ),
      ),
    ),
  ),
  declare(
    'indexOf',
    overload('list_a_index_of_int', 'list(A).(A) -> int', (a, b) => position(a as ListValue, b, false)),
  ),
  declare(
    'lastIndexOf',
    overload('list_a_last_index_of_int', 'list(A).(A) -> int', (a, b) => position(a as ListValue, b, true)),
  ),
];

function includes(list: ListValue, item: Value): boolean {
  for (const each of list) if (valuesEqual(each, item)) return true;
  return false;
}

function containsAll(list: ListValue, wanted: ListValue): boolean {
  for (const item of wanted) if (!includes(list, item)) return false;
  return true;
}

function intersects(a: ListValue, b: ListValue): boolean {
  for (const item of a) if (includes(b, item)) return true;
  return false;
}

/** cel-go ext/sets.go. */
export const SETS: readonly FunctionDeclaration[] = [
  declare(
    'sets.contains',
    overload('list_sets_contains_list', '(list(T), list(T)) -> bool', (a, b) =>
      containsAll(a as ListValue, b as ListValue),
    ),
  ),
  declare(
    'sets.equivalent',
    overload(
      'list_sets_equivalent_list',
      '(list(T), list(T)) -> bool',
      (a, b) => containsAll(a as ListValue, b as ListValue) && containsAll(b as ListValue, a as ListValue),
    ),
  ),
  declare(
    'sets.intersects',
    overload('list_sets_intersects_list', '(list(T), list(T)) -> bool', (a, b) =>
      intersects(a as ListValue, b as ListValue),
    ),
  ),
];
