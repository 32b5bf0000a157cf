import { insertInto } from '../comprehension.ts';
import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration } from '../functions.ts';
import { EvaluationError } from '../issues.ts';
import { ArrayList, Duration, ListValue, MapValue, Optional, Timestamp, Uint } from '../values.ts';
import type { Value } from '../values.ts';

const YEAR_ONE = -62_135_596_800_000_000_000n;

function isZero(value: Value): boolean {
  if (value === null || value === false || value === '' || value === 0 || value === 0n) return true;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Uint8Array) return value.length === 0;
  if (value instanceof ListValue) return value.length === 0;
  if (value instanceof MapValue) return value.size === 0;
  if (value instanceof Duration) return value.nanos === 0n;
  if (value instanceof Timestamp) return value.nanos === YEAR_ONE;
  return value instanceof Optional && value.value === undefined;
}

function valueOf(optional: Value): Value {
  const { value } = optional as Optional;
  if (value === undefined) throw new EvaluationError('optional.none() dereference');
  return value;
}

function unwrapAll(list: ListValue): ListValue {
  const items: Value[] = [];
  for (const item of list) if (item instanceof Optional && item.value !== undefined) items.push(item.value);
  return new ArrayList(items);
}

function merge(map: Value, more: MapValue): Value {
  let result = map;
  for (const key of more.keys()) result = insertInto(result, key, more.get(key) ?? null);
  return result;
}

const either = (a: Value, b: Value): Value => ((a as Optional).value === undefined ? b : a);

/** Optional values, and what the transformations of maps use. Mirrors cel-go cel/library.go. */
export const OPTIONALS: readonly FunctionDeclaration[] = [
  declare(
    'optional.of',
    overload('optional_of', '(V) -> optional_type(V)', (a) => new Optional(a)),
  ),
  declare(
    'optional.ofNonZeroValue',
    overload('optional_ofNonZeroValue', '(V) -> optional_type(V)', (a) =>
      isZero(a) ? Optional.NONE : new Optional(a),
    ),
  ),
  declare(
    'optional.none',
    overload('optional_none', '() -> optional_type(V)', () => Optional.NONE),
  ),
  declare('value', overload('optional_value', 'optional_type(V).() -> V', valueOf)),
  declare(
    'hasValue',
    overload('optional_hasValue', 'optional_type(V).() -> bool', (a) => (a as Optional).value !== undefined),
  ),
  declare(
    'or',
    overload('optional_or_optional', 'optional_type(V).(optional_type(V)) -> optional_type(V)', either),
  ),
  declare(
    'orValue',
    overload(
      'optional_orValue_value',
      'optional_type(V).(V) -> V',
      (a, b) => (a as Optional).value ?? orNull(a, b),
    ),
  ),
  declare('_?._', overload('select_optional_field', '(dyn, string) -> optional_type(V)')),
  declare(
    '_[?_]',
    overload('list_optindex_optional_int', '(list(V), int) -> optional_type(V)'),
    overload('optional_list_optindex_optional_int', '(optional_type(list(V)), int) -> optional_type(V)'),
    overload('map_optindex_optional_value', '(map(K, V), K) -> optional_type(V)'),
    overload('optional_map_optindex_optional_value', '(optional_type(map(K, V)), K) -> optional_type(V)'),
  ),
  declare(
    '_[_]',
    overload('optional_list_index_int', '(optional_type(list(V)), int) -> optional_type(V)'),
    overload('optional_map_index_value', '(optional_type(map(K, V)), K) -> optional_type(V)'),
  ),
  declare(
    'optional.unwrap',
    overload('optional_unwrap', '(list(optional_type(V))) -> list(V)', (a) => unwrapAll(a as ListValue)),
  ),
  declare(
    'unwrapOpt',
    overload('optional_unwrapOpt', 'list(optional_type(V)).() -> list(V)', (a) => unwrapAll(a as ListValue)),
  ),
  declare(
    'cel.@mapInsert',
    overload('@mapInsert_map_key_value', '(map(K, V), K, V) -> map(K, V)', (map, key, value) =>
      insertInto(map, key, value),
    ),
    overload('@mapInsert_map_map', '(map(K, V), map(K, V)) -> map(K, V)', (map, more) =>
      merge(map, more as MapValue),
    ),
  ),
];

/** null in an optional is a value too. */
function orNull(optional: Value, other: Value): Value {
  return (optional as Optional).value === null ? null : other;
}
