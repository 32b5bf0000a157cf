import { concat } from '../comprehension.ts';
import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration, Implementation, Overload } from '../functions.ts';
import { noSuchOverload } from '../frame.ts';
import { EvaluationError } from '../issues.ts';
import { durationOf, timestampOf } from '../time.ts';
import { codePoints, compareNumbers, Duration, Timestamp, Uint, valuesEqual } from '../values.ts';
import type { Value, ListValue, MapValue } from '../values.ts';

const MIN_INT = -(2n ** 63n);
const MAX_INT = 2n ** 63n - 1n;
const MAX_UINT = 2n ** 64n - 1n;

/** More would be memory that a request should not have; upstream has no bound of its own here. */
export const MAX_STRING_LENGTH = 16 * 1024 * 1024;

export function checkedInt(value: bigint): bigint {
  if (value < MIN_INT || value > MAX_INT) throw new EvaluationError('integer overflow');
  return value;
}

export function checkedUint(value: bigint): Uint {
  if (value < 0n || value > MAX_UINT) throw new EvaluationError('unsigned integer overflow');
  return new Uint(value);
}

export function checkedLength(text: string): string {
  if (text.length > MAX_STRING_LENGTH) throw new EvaluationError('string is too long');
  return text;
}

// The signature of an overload says of which types its arguments are: these three put that into words.

function ints(id: string, compute: (a: bigint, b: bigint) => bigint): Overload {
  return overload(`${id}_int64`, '(int, int) -> int', (a, b) =>
    checkedInt(compute(a as bigint, b as bigint)),
  );
}

function uints(id: string, compute: (a: bigint, b: bigint) => bigint): Overload {
  return overload(`${id}_uint64`, '(uint, uint) -> uint', (a, b) =>
    checkedUint(compute((a as Uint).value, (b as Uint).value)),
  );
}

function doubles(id: string, compute: (a: number, b: number) => number): Overload {
  return overload(`${id}_double`, '(double, double) -> double', (a, b) => compute(a as number, b as number));
}

const nanosOf = (value: Value): bigint => (value as Duration | Timestamp).nanos;

const addMoment: Implementation = (a, b) => timestampOf(nanosOf(a) + nanosOf(b));

const ADD = declare(
  '_+_',
  overload('add_bytes', '(bytes, bytes) -> bytes', (a, b) =>
    Buffer.concat([a as Uint8Array, b as Uint8Array]),
  ),
  doubles('add', (a, b) => a + b),
  overload('add_duration_duration', '(duration, duration) -> duration', (a, b) =>
    durationOf(nanosOf(a) + nanosOf(b)),
  ),
  overload('add_duration_timestamp', '(duration, timestamp) -> timestamp', addMoment),
  overload('add_timestamp_duration', '(timestamp, duration) -> timestamp', addMoment),
  ints('add', (a, b) => a + b),
  overload('add_list', '(list(A), list(A)) -> list(A)', (a, b) => concat(a as ListValue, b as ListValue)),
  overload('add_string', '(string, string) -> string', (a, b) =>
    checkedLength((a as string) + (b as string)),
  ),
  uints('add', (a, b) => a + b),
);

const SUBTRACT = declare(
  '_-_',
  doubles('subtract', (a, b) => a - b),
  overload('subtract_duration_duration', '(duration, duration) -> duration', (a, b) =>
    durationOf(nanosOf(a) - nanosOf(b)),
  ),
  ints('subtract', (a, b) => a - b),
  overload('subtract_timestamp_duration', '(timestamp, duration) -> timestamp', (a, b) =>
    timestampOf(nanosOf(a) - nanosOf(b)),
  ),
  overload('subtract_timestamp_timestamp', '(timestamp, timestamp) -> duration', (a, b) =>
    durationOf(nanosOf(a) - nanosOf(b)),
  ),
  uints('subtract', (a, b) => a - b),
);

const MULTIPLY = declare(
  '_*_',
  doubles('multiply', (a, b) => a * b),
  ints('multiply', (a, b) => a * b),
  uints('multiply', (a, b) => a * b),
);

function divided(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new EvaluationError('division by zero');
  return a / b;
}

function modulo(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new EvaluationError('modulus by zero');
  if (a === MIN_INT && b === -1n) throw new EvaluationError('integer overflow');
  return a % b;
}

const DIVIDE = declare(
  '_/_',
  doubles('divide', (a, b) => a / b),
  ints('divide', divided),
  uints('divide', divided),
);
const MODULO = declare('_%_', ints('modulo', modulo), uints('modulo', modulo));

const NEGATE = declare(
  '-_',
  overload('negate_double', '(double) -> double', (a) => -(a as number)),
  overload('negate_int64', '(int) -> int', (a) => checkedInt(-(a as bigint))),
);

/** -1, 0 or 1 in the order of values; NaN has none. Throws for values that do not compare. */
export function compareValues(a: Value, b: Value): number {
  const order = compareNumbers(a, b);
  if (order !== undefined) {
    if (Number.isNaN(order)) throw new EvaluationError('NaN values cannot be ordered');
    return order;
  }
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  const bothAre = (type: typeof Timestamp | typeof Duration): boolean =>
    a instanceof type && b instanceof type;
  if (!bothAre(Timestamp) && !bothAre(Duration)) throw noSuchOverload();
  const [left, right] = [nanosOf(a), nanosOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** By code points, where JavaScript compares UTF-16. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  if (!/[\ud800-\udfff]/.test(a) && !/[\ud800-\udfff]/.test(b)) return a < b ? -1 : 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const COMPARED: ReadonlyArray<readonly [suffix: string, left: string, right: string]> = [
  ['bool', 'bool', 'bool'],
  ['int64', 'int', 'int'],
  ['int64_double', 'int', 'double'],
  ['int64_uint64', 'int', 'uint'],
  ['uint64', 'uint', 'uint'],
  ['uint64_double', 'uint', 'double'],
  ['uint64_int64', 'uint', 'int'],
  ['double', 'double', 'double'],
  ['double_int64', 'double', 'int'],
  ['double_uint64', 'double', 'uint'],
  ['string', 'string', 'string'],
  ['bytes', 'bytes', 'bytes'],
  ['timestamp', 'timestamp', 'timestamp'],
  ['duration', 'duration', 'duration'],
];

function comparison(name: string, prefix: string, holds: (order: number) => boolean): FunctionDeclaration {
  const compare: Implementation = (a, b) => holds(compareValues(a, b));
  return declare(
    name,
    ...COMPARED.map(([suffix, left, right]) =>
      overload(`${prefix}_${suffix}`, `(${left}, ${right}) -> bool`, compare),
    ),
  );
}

function contains(item: Value, list: ListValue): boolean {
  for (const each of list) if (valuesEqual(item, each)) return true;
  return false;
}

const textSize: Implementation = (text) => BigInt(codePoints(text as string));
const bytesSize: Implementation = (bytes) => BigInt((bytes as Uint8Array).length);
const listSize: Implementation = (list) => BigInt((list as ListValue).length);
const mapSize: Implementation = (map) => BigInt((map as MapValue).size);

/** The operators of the language. Mirrors cel-go common/stdlib/standard.go. */
export const OPERATORS: readonly FunctionDeclaration[] = [
  declare('_?_:_', overload('conditional', '(bool, A, A) -> A')),
  declare('_&&_', overload('logical_and', '(bool, bool) -> bool')),
  declare('_||_', overload('logical_or', '(bool, bool) -> bool')),
  declare(
    '!_',
    overload('logical_not', '(bool) -> bool', (a) => a === false),
  ),
  declare(
    '@not_strictly_false',
    overload('not_strictly_false', '(bool) -> bool', (a) => a !== false),
  ),
  declare('_==_', overload('equals', '(A, A) -> bool', valuesEqual)),
  declare(
    '_!=_',
    overload('not_equals', '(A, A) -> bool', (a, b) => !valuesEqual(a, b)),
  ),
  ADD,
  SUBTRACT,
  MULTIPLY,
  DIVIDE,
  MODULO,
  NEGATE,
  comparison('_<_', 'less', (order) => order < 0),
  comparison('_<=_', 'less_equals', (order) => order <= 0),
  comparison('_>_', 'greater', (order) => order > 0),
  comparison('_>=_', 'greater_equals', (order) => order >= 0),
  declare(
    '_[_]',
    overload('index_list', '(list(A), int) -> A'),
    overload('index_map', '(map(A, B), A) -> B'),
  ),
  declare(
    '@in',
    overload('in_list', '(A, list(A)) -> bool', (item, list) => contains(item, list as ListValue)),
    overload('in_map', '(A, map(A, B)) -> bool', (key, map) => (map as MapValue).get(key) !== undefined),
  ),
  declare(
    'size',
    overload('size_bytes', '(bytes) -> int', bytesSize),
    overload('bytes_size', 'bytes.() -> int', bytesSize),
    overload('size_list', '(list(A)) -> int', listSize),
    overload('list_size', 'list(A).() -> int', listSize),
    overload('size_map', '(map(A, B)) -> int', mapSize),
    overload('map_size', 'map(A, B).() -> int', mapSize),
    overload('size_string', '(string) -> int', textSize),
    overload('string_size', 'string.() -> int', textSize),
  ),
];
