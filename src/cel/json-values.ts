import { isObject } from '../api/objects.ts';
import type { JsonObject } from '../api/objects.ts';
import { ListValue, MapValue } from './values.ts';
import type { Value } from './values.ts';

/** Makes a value of JSON when an expression asks for it: the rest of an object is never looked at. */
export type Convert = (raw: unknown) => Value;

export class JsonList extends ListValue {
  readonly raw: readonly unknown[];
  readonly convert: Convert;

  constructor(raw: readonly unknown[], convert: Convert) {
    super();
    this.raw = raw;
    this.convert = convert;
  }

  override get length(): number {
    return this.raw.length;
  }

  override at(index: number): Value {
    return this.convert(this.raw[index]);
  }
}

export class JsonMap extends MapValue {
  readonly raw: JsonObject;
  readonly #convert: Convert;

  constructor(raw: JsonObject, convert: Convert) {
    super();
    this.raw = raw;
    this.#convert = convert;
  }

  override get size(): number {
    return Object.keys(this.raw).length;
  }

  override get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.raw, key)) return undefined;
    const found = this.raw[key];
    return found === undefined ? undefined : this.#convert(found);
  }

  override keys(): Iterable<Value> {
    return Object.keys(this.raw);
  }
}

/** JSON of which no schema is known: whole numbers are ints, others doubles. */
export const dynamicValue: Convert = (raw) => {
  switch (typeof raw) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return raw;
    case 'number':
      return Number.isInteger(raw) ? BigInt(raw) : raw;
    default:
      if (Array.isArray(raw)) return new JsonList(raw, dynamicValue);
      return isObject(raw) ? new JsonMap(raw, dynamicValue) : null;
  }
};
