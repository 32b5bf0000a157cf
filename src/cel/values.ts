import { EvaluationError } from './issues.ts';
import * as t from './types.ts';
import type { Type } from './types.ts';

/**
 * A value while an expression is evaluated: int is a bigint, double a number, bytes a Uint8Array; null, bool
 * and string are JavaScript's own.
 */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | TypeValue
  | Optional
  | ListValue
  | MapValue
  | OpaqueValue;

export class Uint {
  readonly value: bigint;

  constructor(value: bigint) {
    this.value = value;
  }
}

export class Timestamp {
  /** Since 1970, from year 1 to 9999. */
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export class Duration {
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export class TypeValue {
  readonly type: Type;

  constructor(type: Type) {
    this.type = type;
  }
}

export class Optional {
  static readonly NONE: Optional = new Optional(undefined);
  readonly value: Value | undefined;

  constructor(value: Value | undefined) {
    this.value = value;
  }
}

/** A value of a library's own type. */
export abstract class OpaqueValue {
  abstract readonly type: Type;

  abstract equals(other: Value): boolean;

  /** What it counts as where cost goes by size; 1 where it has none. */
  get costSize(): number {
    return 1;
  }
}

export abstract class ListValue {
  abstract readonly length: number;

  abstract at(index: number): Value;

  *[Symbol.iterator](): IterableIterator<Value> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  equals(other: ListValue): boolean {
    if (this.length !== other.length) return false;
    for (let index = 0; index < this.length; index++) {
      if (!valuesEqual(this.at(index), other.at(index))) return false;
    }
    return true;
  }

  concat(other: ListValue): ListValue {
    if (other.length === 0) return this;
    return this.length === 0 ? other : new JoinedList(this, other);
  }
}

/** Two lists, one after the other. Neither is copied: joining long ones is as cheap as its cost says. */
class JoinedList extends ListValue {
  readonly #left: ListValue;
  readonly #right: ListValue;
  readonly length: number;

  constructor(left: ListValue, right: ListValue) {
    super();
    this.#left = left;
    this.#right = right;
    this.length = left.length + right.length;
  }

  override at(index: number): Value {
    const { length } = this.#left;
    return index < length ? this.#left.at(index) : this.#right.at(index - length);
  }
}

export class ArrayList extends ListValue {
  readonly items: Value[];

  constructor(items: Value[]) {
    super();
    this.items = items;
  }

  override get length(): number {
    return this.items.length;
  }

  override at(index: number): Value {
    return this.items[index] as Value;
  }
}

export abstract class MapValue {
  abstract readonly size: number;

  /** undefined where there is no such key. */
  abstract get(key: Value): Value | undefined;
  abstract keys(): Iterable<Value>;

  equals(other: MapValue): boolean {
    if (this.size !== other.size) return false;
    for (const key of this.keys()) {
      const [mine, theirs] = [this.get(key), other.get(key)];
      if (mine === undefined || theirs === undefined || !valuesEqual(mine, theirs)) return false;
    }
    return true;
  }
}

/** A map of values that the expression made. */
export class EntryMap extends MapValue {
  readonly #entries = new Map<string, readonly [Value, Value]>();

  override get size(): number {
    return this.#entries.size;
  }

  override get(key: Value): Value | undefined {
    const hash = hashKey(key);
    return hash === undefined ? undefined : this.#entries.get(hash)?.[1];
  }

  override *keys(): IterableIterator<Value> {
    for (const [key] of this.#entries.values()) yield key;
  }

  /** False where there is such a key already. Throws EvaluationError for what cannot be a key. */
  insert(key: Value, value: Value): boolean {
    const hash = hashKey(key);
    if (hash === undefined) throw new EvaluationError(`unsupported key type: ${nameOf(key)}`);
    if (this.#entries.has(hash)) return false;
    this.#entries.set(hash, [key, value]);
    return true;
  }

  /** As `insert`, but of two values of a key the last one counts, as in upstream's literals. */
  set(key: Value, value: Value): void {
    const hash = hashKey(key);
    if (hash === undefined) throw new EvaluationError(`unsupported key type: ${nameOf(key)}`);
    this.#entries.set(hash, [key, value]);
  }
}

/** 1, 1u and 1.0 are one key. */
function hashKey(key: Value): string | undefined {
  switch (typeof key) {
    case 'string':
      return `s${key}`;
    case 'boolean':
      return `b${key}`;
    case 'bigint':
      return `n${key}`;
    case 'number':
      return Number.isInteger(key) ? `n${BigInt(key)}` : `d${key}`;
    default:
      return key instanceof Uint ? `n${key.value}` : undefined;
  }
}

export function valuesEqual(a: Value, b: Value): boolean {
  if (typeof a === 'string' || typeof a === 'boolean' || a === null) return a === b;
  const order = compareNumbers(a, b);
  if (order !== undefined) return order === 0;
  if (a instanceof ListValue) return b instanceof ListValue && a.equals(b);
  if (a instanceof MapValue) return b instanceof MapValue && a.equals(b);
  if (a instanceof OpaqueValue) return a.equals(b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && typeName(a.type) === typeName(b.type);
  if (!(a instanceof Optional) || !(b instanceof Optional)) return false;
  if (a.value === undefined || b.value === undefined) return a.value === b.value;
  return valuesEqual(a.value, b.value);
}

/** -1, 0 or 1 for two numbers of any kinds, NaN where one is NaN; undefined where one is no number. */
export function compareNumbers(a: Value, b: Value): number | undefined {
  const left = numberOf(a);
  const right = numberOf(b);
  if (left === undefined || right === undefined) return undefined;
  // As cel-go: beside a double, an integer is compared as the nearest double.
  return typeof left === typeof right ? ordered(left, right) : ordered(Number(left), Number(right));
}

function ordered<T extends bigint | number>(left: T, right: T): number {
  if (left < right) return -1;
  if (left > right) return 1;
  return left === right ? 0 : Number.NaN;
}

function numberOf(value: Value): bigint | number | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  return value instanceof Uint ? value.value : undefined;
}

/** The type of a value as far as it tells: lists and maps are of dyn. */
export function typeOfValue(value: Value): Type {
  switch (typeof value) {
    case 'string':
      return t.STRING;
    case 'boolean':
      return t.BOOL;
    case 'bigint':
      return t.INT;
    case 'number':
      return t.DOUBLE;
    default:
      return typeOfObject(value);
  }
}

function typeOfObject(value: Exclude<Value, string | boolean | bigint | number>): Type {
  if (value === null) return t.NULL;
  if (value instanceof ListValue) return t.listOf(t.DYN);
  if (value instanceof MapValue) return t.mapOf(t.DYN, t.DYN);
  if (value instanceof OpaqueValue) return value.type;
  if (value instanceof Uint) return t.UINT;
  if (value instanceof Uint8Array) return t.BYTES;
  if (value instanceof Timestamp) return t.TIMESTAMP;
  if (value instanceof Duration) return t.DURATION;
  return value instanceof Optional ? t.optionalOf(t.DYN) : t.TYPE;
}

/** The name of a type without its parameters: what `type(x)` compares. */
export function typeName(type: Type): string {
  return type.name;
}

/** As errors name a value's type. */
export function nameOf(value: Value): string {
  return typeName(typeOfValue(value));
}

/** What a value counts as where cost goes by size: characters, bytes, items, entries; 1 for what has no size. */
export function costSize(value: Value): number {
  if (typeof value === 'string') return codePoints(value);
  if (value === null || typeof value !== 'object') return 1;
  if (value instanceof Uint8Array) return value.length;
  if (value instanceof ListValue) return value.length;
  if (value instanceof MapValue) return value.size;
  if (value instanceof OpaqueValue) return value.costSize;
  return value instanceof Optional && value.value !== undefined ? costSize(value.value) : 1;
}

/** How many characters a string has, where JavaScript counts some twice. */
export function codePoints(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length - 1; index++) {
    const isHigh = (text.charCodeAt(index) & 0xfc_00) === 0xd8_00;
    if (isHigh && (text.charCodeAt(index + 1) & 0xfc_00) === 0xdc_00) {
      count -= 1;
      index += 1;
    }
  }
  return count;
}
