import { isObject } from '../../../api/objects.ts';
import type { JsonObject } from '../../../api/objects.ts';
import { sameValue } from '../../../api/apply/typed-value.ts';
import { EvaluationError } from '../../../cel/issues.ts';
import { JsonList, JsonMap } from '../../../cel/json-values.ts';
import type { Convert } from '../../../cel/json-values.ts';
import { parseDurationText, parseTimestamp } from '../../../cel/time.ts';
import { DYN } from '../../../cel/types.ts';
import { MapValue, OpaqueValue, valuesEqual } from '../../../cel/values.ts';
import type { Value, ListValue } from '../../../cel/values.ts';
import {
  additionalOf,
  isEmbedded,
  isIntOrString,
  itemsOf,
  preservesUnknown,
  propertyOf,
} from '../schema-node.ts';
import type { SchemaNode } from '../schema-node.ts';
import { escapeField, unescapeField } from './field-names.ts';
import { withObjectMeta } from './schema-types.ts';

const converters = new WeakMap<SchemaNode, Convert>();

/**
 * How values of a schema are seen by rules; made once for each schema. Mirrors UnstructuredToVal of apiserver
 * pkg/cel/common/valuesunstructured.go.
 */
export function converterOf(node: SchemaNode): Convert {
  let convert = converters.get(node);
  if (!convert) {
    // Made when it is first used, so that deep schemas cost nothing until then.
    let own: Convert | undefined;
    convert = (raw) => (raw === null ? null : (own ??= makeConverter(node))(raw));
    converters.set(node, convert);
  }
  return convert;
}

function makeConverter(given: SchemaNode): Convert {
  if (isIntOrString(given)) return intOrString;
  const node = isEmbedded(given) ? withObjectMeta(given) : given;
  switch (node.type) {
    case 'object':
      return objectConverter(node);
    case 'array':
      return listConverter(node);
    case 'string':
      return stringConverter(node.format);
    case 'number':
      return (raw) =>
        typeof raw === 'number' || typeof raw === 'bigint' ? Number(raw) : wrong('float', raw);
    case 'integer':
      return (raw) => integer(raw) ?? wrong('int', raw);
    case 'boolean':
      return (raw) => (typeof raw === 'boolean' ? raw : wrong('bool', raw));
    default:
      return preservesUnknown(node) ? (raw) => new Unknown(raw) : (raw) => wrong('a declared type', raw);
  }
}

function wrong(expected: string, raw: unknown): never {
  throw new EvaluationError(`invalid data, expected ${expected}, got ${typeof raw}`);
}

function integer(raw: unknown): bigint | undefined {
  if (typeof raw === 'bigint') return raw;
  return typeof raw === 'number' && Number.isInteger(raw) ? BigInt(raw) : undefined;
}

const intOrString: Convert = (raw) => {
  if (typeof raw === 'string') return raw;
  const whole = integer(raw);
  if (whole !== undefined) return whole;
  throw new EvaluationError('invalid data, expected XIntOrString value to be either a string or integer');
};

function stringConverter(format: string | undefined): Convert {
  const parse = format === undefined ? undefined : PARSERS[format];
  return (raw) => {
    if (typeof raw !== 'string') return wrong('string', raw);
    return parse ? parse(raw) : raw;
  };
}

const PARSERS: Readonly<Record<string, (text: string) => Value>> = {
  duration: (text) => parseDurationText(text) ?? bad('duration', text),
  date: (text) => parseTimestamp(`${text}T00:00:00Z`) ?? bad('date', text),
  'date-time': (text) => parseTimestamp(text) ?? bad('date-time', text),
  byte: (text) => Buffer.from(text, 'base64'),
};

function bad(format: string, text: string): never {
  throw new EvaluationError(`Invalid ${format} formatted string ${text}`);
}

function objectConverter(node: SchemaNode): Convert {
  const additional = additionalOf(node);
  if (!node.properties && additional) {
    const convert = converterOf(additional);
    return (raw) => (isObject(raw) ? new JsonMap(raw, convert) : wrong('a map', raw));
  }
  return (raw) => (isObject(raw) ? new SchemaObject(raw, node) : wrong('a map', raw));
}

function listConverter(node: SchemaNode): Convert {
  const items = itemsOf(node);
  if (!items) return (raw) => wrong('Items with a non-empty Schema', raw);
  const convert = converterOf(items);
  const keys = node['x-kubernetes-list-map-keys'] ?? [];
  const type = node['x-kubernetes-list-type'];
  return (raw) => {
    if (!Array.isArray(raw)) return wrong('an array', raw);
    if (type === 'map') return new MapList(raw, convert, keys);
    return type === 'set' ? new SetList(raw, convert) : new JsonList(raw, convert);
  };
}

/** Data of which no schema is known: it can be compared, and nothing else. */
class Unknown extends OpaqueValue {
  override readonly type = DYN;
  readonly #raw: unknown;

  constructor(raw: unknown) {
    super();
    this.#raw = raw;
  }

  override equals(other: Value): boolean {
    return other instanceof Unknown && sameValue(this.#raw, other.#raw);
  }
}

/** An object with declared fields, under the names that they have in CEL. */
class SchemaObject extends MapValue {
  readonly raw: JsonObject;
  readonly #node: SchemaNode;

  constructor(raw: JsonObject, node: SchemaNode) {
    super();
    this.raw = raw;
    this.#node = node;
  }

  override get size(): number {
    return [...this.keys()].length;
  }

  override get(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined;
    const name = unescapeField(key);
    if (name === undefined || !Object.hasOwn(this.raw, name)) return undefined;
    const property = propertyOf(this.#node, name);
    const value = this.raw[name];
    return property && value !== undefined ? converterOf(property)(value) : undefined;
  }

  override *keys(): IterableIterator<Value> {
    for (const name of Object.keys(this.raw)) {
      const escaped = propertyOf(this.#node, name) ? escapeField(name) : undefined;
      if (escaped !== undefined) yield escaped;
    }
  }
}

/** Items are told apart by keys, and their order does not matter. */
class MapList extends JsonList {
  readonly #keys: readonly string[];

  constructor(raw: readonly unknown[], convert: Convert, keys: readonly string[]) {
    super(raw, convert);
    this.#keys = keys;
  }

  #keyOf(item: unknown): string {
    return JSON.stringify(this.#keys.map((name) => (isObject(item) ? item[name] : undefined)));
  }

  override equals(other: ListValue): boolean {
    if (!(other instanceof JsonList)) return super.equals(other);
    if (other.length !== this.length) return false;
    const own = new Map(this.raw.map((item) => [this.#keyOf(item), item]));
    return other.raw.every((item, index) => {
      const mine = own.get(this.#keyOf(item));
      return mine !== undefined && valuesEqual(this.convert(mine), other.at(index));
    });
  }

  /** Items of the other take the place of those with the same keys; the rest comes after. */
  override concat(other: ListValue): ListValue {
    if (!(other instanceof JsonList)) return super.concat(other);
    const merged = new Map(this.raw.map((item) => [this.#keyOf(item), item]));
    for (const item of other.raw) merged.set(this.#keyOf(item), item);
    return new MapList([...merged.values()], this.convert, this.#keys);
  }
}

/** A list in which each value is once, and the order does not matter. */
class SetList extends JsonList {
  override equals(other: ListValue): boolean {
    if (!(other instanceof JsonList)) return super.equals(other);
    const own = new Set(this.raw.map(setKey));
    return this.length === other.length && other.raw.every((item) => own.has(setKey(item)));
  }

  override concat(other: ListValue): ListValue {
    if (!(other instanceof JsonList)) return super.concat(other);
    const merged = new Map([...this.raw, ...other.raw].map((item) => [setKey(item), item]));
    return new SetList([...merged.values()], this.convert);
  }
}

function setKey(item: unknown): string {
  return typeof item === 'bigint' ? String(item) : JSON.stringify(item);
}
