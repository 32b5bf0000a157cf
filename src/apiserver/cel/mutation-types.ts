import type { TypeProvider } from '../../cel/environment.ts';
import { EvaluationError } from '../../cel/issues.ts';
import { DYN, opaque, STRING, struct } from '../../cel/types.ts';
import type { Type } from '../../cel/types.ts';
import { valuesEqual, ListValue, MapValue, OpaqueValue } from '../../cel/values.ts';
import type { Value } from '../../cel/values.ts';

const JSON_PATCH = 'JSONPatch';
export const JSON_PATCH_TYPE: Type = struct(JSON_PATCH);
export const OBJECT_TYPE: Type = struct('Object');

const PATCH_FIELDS: Readonly<Record<string, Type>> = { op: STRING, path: STRING, from: STRING, value: DYN };

/** `Object.spec{…}` and `JSONPatch{…}`: a map whose type has a name. */
export class NamedObject extends MapValue {
  readonly type: Type;
  readonly fields: ReadonlyMap<string, Value>;

  constructor(type: Type, fields: ReadonlyMap<string, Value>) {
    super();
    this.type = type;
    this.fields = fields;
  }

  override get size(): number {
    return this.fields.size;
  }

  override get(key: Value): Value | undefined {
    return typeof key === 'string' ? this.fields.get(key) : undefined;
  }

  override keys(): Iterable<Value> {
    return this.fields.keys();
  }

  override equals(other: MapValue): boolean {
    if (!(other instanceof NamedObject) || other.type.name !== this.type.name) return false;
    if (other.fields.size !== this.fields.size) return false;
    return [...this.fields].every(([name, value]) => {
      const theirs = other.fields.get(name);
      return theirs !== undefined && valuesEqual(value, theirs);
    });
  }
}

/** The types of patches: `Object`, `Object.spec` and so on have any fields. Mirrors apiserver pkg/cel/mutation. */
export const MUTATION_TYPES: TypeProvider = {
  find: (name) =>
    name === JSON_PATCH || name === 'Object' || name.startsWith('Object.') ? struct(name) : undefined,
  field: (type, field) => {
    if (type !== JSON_PATCH) return DYN;
    // A field of no type: upstream's message of one that there is not.
    return Object.hasOwn(PATCH_FIELDS, field) ? PATCH_FIELDS[field] : opaque('');
  },
  create: (type, fields) => new NamedObject(struct(type), fields),
};

/** What is wrong with the names of the types within an object: they follow the fields that the objects are in. */
export function typeNameProblems(value: Value, path: string): string[] {
  if (value instanceof NamedObject) {
    const own =
      value.type.name === path
        ? []
        : [
            `unexpected type name "${value.type.name}", expected "${path}", which matches field name path from root Object type`,
          ];
    return [
      ...own,
      ...[...value.fields].flatMap(([name, each]) => typeNameProblems(each, `${path}.${name}`)),
    ];
  }
  if (value instanceof ListValue) return [...value].flatMap((each) => typeNameProblems(each, path));
  if (!(value instanceof MapValue)) return [];
  return [...value.keys()].flatMap((key) => typeNameProblems(value.get(key) ?? null, path));
}

/** A value as JSON. Throws EvaluationError for what has no such form. */
export function jsonOf(value: Value): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number')
    return value;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof ListValue) return [...value].map(jsonOf);
  if (value instanceof MapValue) {
    const entries = [...value.keys()].map((key) => {
      if (typeof key !== 'string')
        throw new EvaluationError(`map key ${String(jsonOf(key))} is not a string`);
      return [key, jsonOf(value.get(key) ?? null)] as const;
    });
    return Object.fromEntries(entries);
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof OpaqueValue) throw new EvaluationError(`unsupported type: ${value.type.name}`);
  throw new EvaluationError('unsupported type');
}
