import type { JsonObject } from './objects.ts';
import type { Field, MessageSchema, Schema } from './schema.ts';

type Make = () => unknown;

/**
 * What Go's JSON encoder writes for a field that nobody set, or undefined where it writes nothing: scalars
 * without omitempty are zero, structs that are no pointers are always there. A nil list or map without
 * omitempty would be written as null, which no reader wants; here it is an empty one.
 */
export function zeroOf(field: Field): Make | undefined {
  const { schema } = field;
  if (field.proto3) return schema.kind === 'message' ? undefined : zeroValue(schema);
  if (field.pointer || field.omitZero) return undefined;
  const isStruct = schema.kind === 'message' || schema.kind === 'quantity' || schema.kind === 'intOrString';
  if (field.omitEmpty && !isStruct) return undefined;
  return zeroValue(schema);
}

function zeroValue(schema: Schema): Make | undefined {
  switch (schema.kind) {
    case 'message':
      return () => emptyMessage(schema);
    case 'list':
      return () => [];
    case 'map':
      return () => ({});
    case 'string':
      return () => '';
    case 'bool':
      return () => false;
    case 'buffer':
      return () => Buffer.alloc(0);
    case 'quantity':
      return () => '0';
    case 'duration':
      return () => '0s';
    case 'int32':
    case 'int64':
    case 'uint32':
    case 'uint64':
    case 'double':
    case 'intOrString':
      return () => 0;
    default:
      return undefined;
  }
}

/** A message of which nothing is set, as Go's JSON encoder writes it. */
export function emptyMessage(schema: MessageSchema): JsonObject {
  const value: JsonObject = {};
  for (const { name, make } of zeroFields(schema)) value[name] = make();
  return value;
}

const cache = new WeakMap<MessageSchema, ReadonlyArray<{ name: string; make: Make }>>();

/** The fields of a message that are written even if nobody set them. */
export function zeroFields(schema: MessageSchema): ReadonlyArray<{ name: string; make: Make }> {
  const known = cache.get(schema);
  if (known) return known;
  const made = [...schema.fields.values()].flatMap((field) => {
    const make = zeroOf(field);
    return make === undefined ? [] : [{ name: field.name, make }];
  });
  cache.set(schema, made);
  return made;
}
