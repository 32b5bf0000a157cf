import { SlipwayError } from '../../base/errors.ts';
import { setKey, type JsonObject } from '../objects.ts';
import type { Field, MessageSchema, Schema } from '../schema.ts';
import { schemaForMessage } from '../schema.ts';
import { emptyMessage, zeroFields } from '../zero.ts';
import { JsonError } from './errors.ts';
import { NumberLiteral } from './exact-parser.ts';
import { goTypeName, goValueName } from './go-types.ts';
import { canonicalScalar, isScalarZero } from './scalars.ts';

type Duplicates = ReadonlyMap<object, ReadonlySet<string>>;

const NO_DUPLICATES: Duplicates = new Map();
const MAX_STRICT_ERRORS = 100;

/** A parsed value brought to the form that Go's decoder and encoder would leave of it. */
export interface Canonical {
  readonly object: unknown;
  /** `unknown field "spec.foo"`, `duplicate field "spec.bar"`, in the order of the document. */
  readonly strictErrors: string[];
}

/**
 * Brings a parsed JSON value to its canonical form, in place where it can: unknown fields go, null is absence,
 * zero values that Go's encoder leaves out go and those that it writes come, quantities, times and base64 are
 * normalised. Throws JsonError with upstream's text where a value does not fit its field.
 */
export function canonicalise(
  value: unknown,
  schema: MessageSchema,
  duplicates: Duplicates = NO_DUPLICATES,
): Canonical {
  const walker = new Walker(duplicates);
  const object = walker.root(value, schema);
  return { object, strictErrors: [...walker.strictErrors] };
}

class Walker {
  readonly strictErrors = new Set<string>();
  readonly #duplicates: Duplicates;
  /** Where we are: strings are members, numbers indexes. */
  readonly #path: Array<string | number> = [];
  /** The struct whose field is being read, for error texts. */
  #owner: MessageSchema | undefined;
  #fieldPath: string[] = [];

  constructor(duplicates: Duplicates) {
    this.#duplicates = duplicates;
  }

  root(value: unknown, schema: MessageSchema): unknown {
    if (!isPlainObject(value)) this.#mismatch(value, schema);
    return this.#message(value, schema);
  }

  #message(value: JsonObject, schema: MessageSchema): JsonObject {
    const { fields } = schema;
    const repeated = this.#duplicates.get(value);
    const [outerOwner, depth] = [this.#owner, this.#fieldPath.length];
    for (const name of Object.keys(value)) {
      const field = fields.get(name);
      if (field === undefined) {
        this.#unknown(value, name, schema);
        continue;
      }
      if (repeated?.has(name)) this.#strict('duplicate field', name);
      const given = value[name];
      if (given === null) {
        delete value[name];
        continue;
      }
      this.#owner = schema;
      this.#fieldPath.push(name);
      this.#path.push(name);
      this.#member(value, name, field, given);
      this.#path.pop();
      this.#fieldPath.length = depth;
    }
    this.#owner = outerOwner;
    const zeros = zeroFields(schema);
    for (let index = 0; index < zeros.length; index++) {
      const { name, make } = zeros[index]!;
      if (value[name] === undefined) value[name] = make();
    }
    return value;
  }

  #member(holder: JsonObject, name: string, field: Field, given: unknown): void {
    const result = this.#value(given, field.schema);
    const isLeftOut = field.omitEmpty && !field.pointer && isEmptyFor(field.schema, result);
    if (result === undefined || (isLeftOut && !this.#isReset(name))) {
      delete holder[name];
    } else if (result !== given) {
      holder[name] = result;
    }
  }

  /** An empty list of managers is a request of its own: to forget them all. */
  #isReset(name: string): boolean {
    return name === 'managedFields' && this.#path.length === 2 && this.#path[0] === 'metadata';
  }

  #unknown(value: JsonObject, name: string, schema: MessageSchema): void {
    if (schema.preserveUnknown) {
      setKey(value, name, plain(value[name]));
      return;
    }
    this.#strict('unknown field', name);
    delete value[name];
  }

  #value(value: unknown, schema: Schema): unknown {
    switch (schema.kind) {
      case 'message':
        if (!isPlainObject(value)) return this.#mismatch(value, schema);
        return this.#message(value, schema);
      case 'list':
        if (!Array.isArray(value)) return this.#mismatch(value, schema);
        return this.#list(value, schema.items);
      case 'map':
        if (!isPlainObject(value)) return this.#mismatch(value, schema);
        return this.#map(value, schema.items);
      case 'schemaOrArray':
      case 'schemaOrBool':
      case 'schemaOrStrings':
        return this.#schemaUnion(value, schema);
      case 'rawExtension':
      case 'fieldsV1':
      case 'json':
        return plain(value);
      default:
        try {
          return canonicalScalar(value, schema);
        } catch (error) {
          if (error instanceof SlipwayError) throw error;
          return this.#mismatch(value, schema);
        }
    }
  }

  #list(value: unknown[], items: Schema): unknown[] {
    for (let index = 0; index < value.length; index++) {
      const item = value[index];
      this.#path.push(index);
      const result = item === null ? zeroItem(items) : this.#value(item, items);
      if (result !== item) value[index] = result;
      this.#path.pop();
    }
    return value;
  }

  #map(value: JsonObject, items: Schema): JsonObject {
    const repeated = this.#duplicates.get(value);
    for (const name of Object.keys(value)) {
      if (repeated?.has(name)) this.#strict('duplicate field', name);
      const item = value[name];
      this.#path.push(name);
      const result = item === null ? zeroItem(items) : this.#value(item, items);
      if (result !== item) setKey(value, name, result);
      this.#path.pop();
    }
    return value;
  }

  /** apiextensions' JSONSchemaPropsOr…: the schema, or the other form. */
  #schemaUnion(value: unknown, schema: Schema): unknown {
    const props = schemaForMessage('apiextensions-v1', 'JSONSchemaProps')!;
    if (isPlainObject(value)) return this.#message(value, props);
    if (schema.kind === 'schemaOrBool') {
      if (typeof value === 'boolean') return value;
      throw new JsonError('boolean or JSON schema expected');
    }
    if (!Array.isArray(value)) return this.#mismatch(value, schema);
    return this.#list(value, schema.kind === 'schemaOrArray' ? props : { kind: 'string' });
  }

  #strict(what: string, name: string): void {
    if (this.strictErrors.size >= MAX_STRICT_ERRORS) return;
    let path = '';
    for (const part of this.#path) {
      path += typeof part === 'number' ? `[${part}]` : path === '' ? part : `.${part}`;
    }
    this.strictErrors.add(`${what} ${JSON.stringify(path === '' ? name : `${path}.${name}`)}`);
  }

  #mismatch(value: unknown, schema: Schema): never {
    // An unmarshaller of its own reads strings and integers as such, and says so.
    const inner = UNMARSHALLED[schema.kind];
    const type = inner ?? goTypeName(schema);
    const name = this.#describe(value, type);
    const owner = this.#owner;
    throw new JsonError(
      owner === undefined
        ? `json: cannot unmarshal ${name} into Go value of type ${type}`
        : `json: cannot unmarshal ${name} into Go struct field ${owner.goName.split('.').at(-1)}.${this.#fieldPath.join('.')} of type ${type}`,
    );
  }

  #describe(value: unknown, type: string): string {
    const name = goValueName(value instanceof NumberLiteral ? value.value : value);
    if (name !== 'number' || !/^(u?int|float)/.test(type)) return name;
    return `number ${value instanceof NumberLiteral ? value.text : String(value)}`;
  }
}

const UNMARSHALLED: Readonly<Record<string, string | undefined>> = {
  time: 'string',
  microTime: 'string',
  duration: 'string',
  intOrString: 'int32',
};

function isPlainObject(value: unknown): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof NumberLiteral)
  );
}

/** What null is inside a list or map: Go leaves the zero value there. */
function zeroItem(schema: Schema): unknown {
  switch (schema.kind) {
    case 'message':
      return emptyMessage(schema);
    case 'string':
    case 'bytes':
      return '';
    case 'bool':
      return false;
    case 'quantity':
      return '0';
    case 'json':
    case 'rawExtension':
      return null;
    case 'list':
      return [];
    case 'map':
      return {};
    default:
      return 0;
  }
}

/** Whether Go's omitempty leaves the value out: structs never, lists and maps where they are empty. */
function isEmptyFor(schema: Schema, value: unknown): boolean {
  if (schema.kind === 'list') return (value as unknown[]).length === 0;
  if (schema.kind === 'map') {
    for (const key in value as object) if (Object.hasOwn(value as object, key)) return false;
    return true;
  }
  return isScalarZero(schema.kind, value);
}

/** How many members a value has, at any depth. */
export function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null || value instanceof NumberLiteral) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countMembers(item);
  } else {
    for (const item of Object.values(value)) count += 1 + countMembers(item);
  }
  return count;
}

/** The value with number literals resolved, in place. */
export function plain(value: unknown): unknown {
  if (value instanceof NumberLiteral) return value.value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (typeof value[index] === 'object') value[index] = plain(value[index]);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (item instanceof NumberLiteral) setKey(value as JsonObject, key, item.value);
      else plain(item);
    }
  }
  return value;
}
