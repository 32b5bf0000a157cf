import { isObject, type JsonObject } from '../objects.ts';
import type { MessageSchema, ScalarKind, Schema } from '../schema.ts';
import { ProtobufError } from './errors.ts';
import { planOf, wireTypeOf, type WireField } from './plan.ts';
import { writeScalar } from './scalars.ts';
import { Writer } from './writer.ts';
import { isSchemaUnion, writeSchemaUnion } from './schema-unions.ts';

let shared: Writer | undefined = new Writer(16_384);
const KEEP_BELOW = 1 << 20;

/** The bytes of one message, without an envelope; equal to what gogo writes for the same object. */
export function encodeMessage(schema: MessageSchema, value: object): Buffer {
  // One writer is reused; encoding never yields, but may nest.
  const writer = shared ?? new Writer(1024);
  shared = undefined;
  try {
    writer.reset();
    writeMessage(writer, schema, value as JsonObject);
    return writer.finish();
  } finally {
    shared = writer.buffer.length < KEEP_BELOW ? writer : new Writer(16_384);
  }
}

/** Writes the fields of a message, the last one first. */
export function writeMessage(writer: Writer, schema: MessageSchema, value: JsonObject): void {
  const { fields } = planOf(schema);
  let field: WireField | undefined;
  try {
    for (let index = fields.length - 1; index >= 0; index--) {
      field = fields[index]!;
      const item = field.inline ? value : value[field.name];
      if (field.fast === undefined) writeField(writer, field, item);
      else writeFast(writer, field, item);
    }
  } catch (error) {
    throw located(error, field?.name ?? '');
  }
}

/** An error that says where the value is. */
function located(error: unknown, name: string): unknown {
  return error instanceof ProtobufError ? new ProtobufError(`${name}: ${error.message}`) : error;
}

/** Strings, booleans and int32, which most fields are. */
function writeFast(writer: Writer, field: WireField, item: unknown): void {
  if (item === undefined || item === null) {
    if (!field.always) return;
    // An empty string, false and 0 are all one zero byte.
    writer.byte(0);
  } else if (field.skipZero && isZero(item)) {
    return;
  } else if (field.fast === 'string' && typeof item === 'string') {
    writer.string(item);
  } else {
    writeScalar(writer, field.value.kind as ScalarKind, item);
  }
  writer.uint32(field.tag);
}

function writeField(writer: Writer, field: WireField, item: unknown): void {
  if (field.shape === 'single') {
    const isAbsent = item === undefined || item === null;
    if (isAbsent && !field.always) return;
    if (field.skipZero && isZero(item)) return;
    // Go writes no nil list, and reads none as nil.
    if (field.wrapped && Array.isArray(item) && item.length === 0) return;
    if (field.wrapped) writeWrapped(writer, field.value, item);
    else writeValue(writer, field.value, isAbsent ? undefined : item);
    writer.uint32(field.tag);
  } else if (item !== undefined && item !== null) {
    if (field.shape === 'list') writeList(writer, field, item);
    else writeMap(writer, field, item);
  }
}

function isZero(item: unknown): boolean {
  return (
    item === 0 ||
    item === '' ||
    item === false ||
    item === 0n ||
    (item instanceof Uint8Array && item.length === 0)
  );
}

function writeValue(writer: Writer, schema: Schema, item: unknown): void {
  if (schema.kind === 'message') {
    if (item !== undefined && !isObject(item)) throw new ProtobufError('an object is needed');
    const before = writer.size;
    writeMessage(writer, schema, item ?? {});
    writer.uint32(writer.size - before);
  } else if (schema.kind === 'list') {
    writeWrapped(writer, schema.items, item);
  } else if (schema.kind === 'map') {
    throw new ProtobufError('a map inside a list or map is not on the wire');
  } else if (isSchemaUnion(schema.kind)) {
    writeSchemaUnion(writer, schema.kind, item, writeMessage);
  } else {
    writeScalar(writer, schema.kind, item ?? undefined);
  }
}

function writeWrapped(writer: Writer, items: Schema, item: unknown): void {
  const before = writer.size;
  const list = asList(item ?? []);
  for (let index = list.length - 1; index >= 0; index--) {
    writeValue(writer, items, list[index]);
    writer.uint32(8 + wireTypeOf(items));
  }
  writer.uint32(writer.size - before);
}

function asList(item: unknown): unknown[] {
  if (!Array.isArray(item)) throw new ProtobufError('a list is needed');
  return item;
}

function writeList(writer: Writer, field: WireField, item: unknown): void {
  const list = asList(item);
  if (list.length === 0) return;
  const before = writer.size;
  for (let index = list.length - 1; index >= 0; index--) {
    writeValue(writer, field.value, list[index]);
    if (!field.packed) writer.uint32(field.tag);
  }
  if (field.packed) {
    writer.uint32(writer.size - before);
    writer.uint32(field.tag);
  }
}

function writeMap(writer: Writer, field: WireField, item: unknown): void {
  if (!isObject(item)) throw new ProtobufError('a map is needed');
  const keys = sortedKeys(item);
  for (let index = keys.length - 1; index >= 0; index--) {
    const key = keys[index]!;
    const before = writer.size;
    const value = item[key];
    writeValue(writer, field.value, value === null ? undefined : value);
    writer.byte(16 + wireTypeOf(field.value));
    writer.string(key);
    writer.byte(0x0a);
    writer.uint32(writer.size - before);
    writer.uint32(field.tag);
  }
}

/** gogo sorts keys by their bytes; the order of UTF-16 differs from that only where there are surrogates. */
function sortedKeys(map: JsonObject): string[] {
  const keys = Object.keys(map);
  if (keys.length < 2) return keys;
  if (keys.some((key) => SURROGATE.test(key))) {
    return keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }
  return keys.sort((a, b) => (a < b ? -1 : 1));
}

const SURROGATE = /[\ud800-\udfff]/;
