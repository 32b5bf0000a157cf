import { EvaluationError } from './issues.ts';
import { noSuchOverload } from './frame.ts';
import { ListValue, MapValue, nameOf, Optional, Uint } from './values.ts';
import type { Value } from './values.ts';
import { display } from './display.ts';

/** `value.field` and `value[index]`; an optional gives an optional. Mirrors cel-go interpreter/attributes.go. */
export function select(value: Value, key: Value): Value {
  if (value instanceof Optional) return selectOptional(value, key);
  if (value instanceof MapValue) {
    const found = value.get(key);
    if (found === undefined) throw new EvaluationError(`no such key: ${display(key)}`);
    return found;
  }
  if (value instanceof ListValue) {
    const index = indexOf(key);
    if (index < 0 || index >= value.length) throw new EvaluationError(`index out of bounds: ${display(key)}`);
    return value.at(index);
  }
  throw new EvaluationError(`no such key: ${display(key)}`);
}

/** `value.?field` and `value[?index]`. */
export function selectOptional(value: Value, key: Value): Optional {
  const inner = value instanceof Optional ? value.value : value;
  if (inner === undefined) return Optional.NONE;
  // What is no container within an optional has no fields; it is not an error, as upstream has it.
  if (value instanceof Optional && !(inner instanceof MapValue || inner instanceof ListValue))
    return Optional.NONE;
  const found = find(inner, key);
  if (found === undefined) return Optional.NONE;
  return found instanceof Optional && value instanceof Optional ? found : new Optional(found);
}

/** For has(): whether it is there. */
export function isPresent(value: Value, field: string): boolean {
  const inner = value instanceof Optional ? value.value : value;
  return inner !== undefined && find(inner, field) !== undefined;
}

function find(value: Value, key: Value): Value | undefined {
  if (value instanceof MapValue) return value.get(key);
  if (value instanceof ListValue) {
    const index = indexOf(key);
    return index >= 0 && index < value.length ? value.at(index) : undefined;
  }
  throw value === null || typeof value !== 'object'
    ? noSuchOverload()
    : new EvaluationError(`no such key: ${display(key)}`);
}

function indexOf(key: Value): number {
  if (typeof key === 'bigint') return Number(key);
  if (key instanceof Uint) return Number(key.value);
  if (typeof key === 'number' && Number.isInteger(key)) return key;
  throw new EvaluationError(
    typeof key === 'number'
      ? `unsupported index value ${display(key)} in list`
      : `unsupported index type '${nameOf(key)}' in list`,
  );
}
