import { isObject, type JsonObject } from '../objects.ts';
import type { MessageSchema, Schema } from '../schema.ts';
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
  for (let index = fields.length - 1; index >= 0; index--) {
    const field = fields[index]!;
    const item = field.inline ? value : value[field.name];
    try {
      writeField(writer, field, item);
    } catch (error) {
      throw located(error, field.name);
    }
  }
}

/** An error that says where the value is. */
function located(error: unknown, name: string): unknown {
  return error instanceof ProtobufError ? new ProtobufError(`${name}: ${error.message}`) : error;
}

function writeField(writer: Writer, field: WireField, item: unknown): void {
  if (field.shape === 'single') {
    const isAbsent = item === undefined || item === null;
    if (isAbsent && !field.always) return;
    if (field.skipZero && isZero(item)) return;
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
  const keys = Object.keys(item).toSorted(byteOrder);
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

/** gogo sorts keys by their bytes; UTF-16 order differs from that only beyond the surrogates. */
function byteOrder(a: string, b: string): number {
  if (a === b) return 0;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
