import { setKey, type JsonObject } from '../objects.ts';
import type { MessageSchema, Schema } from '../schema.ts';
import { ProtobufError } from './errors.ts';
import { planOf, wireTypeOf, type Plan, type WireField } from './plan.ts';
import { Reader } from './reader.ts';
import { readScalar } from './scalars.ts';
import { isSchemaUnion, readSchemaUnion } from './schema-unions.ts';

const MAX_DEPTH = 1000;

/** The object in its JSON form, canonical as decodeJson makes it. Throws ProtobufError. */
export function decodeMessage(schema: MessageSchema, bytes: Buffer): JsonObject {
  return readMessage(new Reader(bytes), bytes.length, schema, 0);
}

/** Reads a message up to `end`. */
export function readMessage(reader: Reader, end: number, schema: MessageSchema, depth: number): JsonObject {
  const target: JsonObject = {};
  readInto(reader, end, planOf(schema), target, depth);
  return target;
}

function readInto(reader: Reader, end: number, plan: Plan, target: JsonObject, depth: number): void {
  if (depth > MAX_DEPTH) throw new ProtobufError('the message is nested too deeply');
  readFields(reader, end, plan, target, depth);
  const { fill } = plan;
  for (let index = 0; index < fill.length; index++) {
    const { name, make } = fill[index]!;
    if (target[name] === undefined) target[name] = make();
  }
}

function readFields(reader: Reader, end: number, plan: Plan, target: JsonObject, depth: number): void {
  while (reader.position < end) {
    const tag = reader.uint32();
    const field = plan.byNumber[tag >>> 3];
    if (field === undefined) {
      if (tag >>> 3 === 0)
        throw new ProtobufError(`proto: ${plan.schema.name}: illegal tag 0 (wire type ${tag & 7})`);
      reader.skip(tag & 7);
    } else if (tag === field.tag && field.fast !== undefined) {
      readFast(reader, field, target);
    } else if (tag === field.tag || (field.shape === 'list' && isListTag(field, tag & 7))) {
      readField(reader, field, tag & 7, target, depth);
    } else {
      throw new ProtobufError(`proto: wrong wireType = ${tag & 7} for field ${field.name}`);
    }
    if (reader.position > end) throw new ProtobufError('unexpected EOF');
  }
}

/** Strings, booleans and int32, which most fields are; a zero that Go's omitempty drops is not kept. */
function readFast(reader: Reader, field: WireField, target: JsonObject): void {
  const { fast } = field;
  const value = fast === 'string' ? reader.string() : fast === 'int' ? reader.int32() : reader.int64() !== 0;
  if (field.pointer || !field.omitEmpty || (value !== '' && value !== 0 && value !== false)) {
    target[field.name] = value;
  } else if (Object.hasOwn(target, field.name)) {
    delete target[field.name];
  }
}

/** A list of numbers may come packed or not, whatever the writer's habit. */
function isListTag(field: WireField, wireType: number): boolean {
  const own = wireTypeOf(field.value);
  return wireType === own || (wireType === 2 && own !== 2);
}

function readField(
  reader: Reader,
  field: WireField,
  wireType: number,
  target: JsonObject,
  depth: number,
): void {
  if (field.inline && field.value.kind === 'message') {
    const end = nested(reader);
    readFields(reader, end, planOf(field.value), target, depth + 1);
  } else if (field.shape === 'list') {
    readListItem(reader, field, wireType, target, depth);
  } else if (field.shape === 'map') {
    readEntry(reader, field, target, depth);
  } else if (field.wrapped) {
    target[field.name] = readWrapped(reader, field.value, depth);
  } else if (field.value.kind === 'message') {
    readSingleMessage(reader, field, field.value, target, depth);
  } else {
    const value = readValue(reader, field.value, depth);
    if (value === undefined || (field.omitEmpty && !field.pointer && isZero(value, field.value.kind))) {
      // Never there before, unless the field came twice; deleting makes an object slow.
      if (Object.hasOwn(target, field.name)) delete target[field.name];
    } else {
      target[field.name] = value;
    }
  }
}

/** Go's omitempty: false, 0 and '' are left out; structs such as quantities never are. */
function isZero(value: unknown, kind: string): boolean {
  if (kind === 'quantity' || kind === 'intOrString' || kind === 'duration') return false;
  return value === 0 || value === '' || value === false;
}

/** The end of a nested message, which must lie inside what is left. */
function nested(reader: Reader): number {
  return reader.limit();
}

function readSingleMessage(
  reader: Reader,
  field: WireField,
  schema: MessageSchema,
  target: JsonObject,
  depth: number,
): void {
  const end = nested(reader);
  // A message that comes twice is merged, as protobuf demands.
  const known = target[field.name] as JsonObject | undefined;
  const value = known ?? {};
  readInto(reader, end, planOf(schema), value, depth + 1);
  target[field.name] = value;
}

function readListItem(
  reader: Reader,
  field: WireField,
  wireType: number,
  target: JsonObject,
  depth: number,
): void {
  const list = (target[field.name] ??= []) as unknown[];
  if (wireType === 2 && wireTypeOf(field.value) !== 2) {
    const end = nested(reader);
    while (reader.position < end) list.push(readValue(reader, field.value, depth));
  } else {
    list.push(readValue(reader, field.value, depth) ?? null);
  }
}

function readEntry(reader: Reader, field: WireField, target: JsonObject, depth: number): void {
  const map = (target[field.name] ??= {}) as JsonObject;
  const end = nested(reader);
  const entry = new Reader(reader.buffer, reader.position, end);
  let key = '';
  let value: unknown;
  while (entry.position < end) {
    const tag = entry.uint32();
    if (tag === 0x0a) key = entry.string();
    else if (tag >>> 3 === 2) value = readValue(entry, field.value, depth);
    else entry.skip(tag & 7);
  }
  reader.position = end;
  setKey(map, key, value ?? zeroEntry(field.value, depth));
}

function zeroEntry(schema: Schema, depth: number): unknown {
  if (schema.kind === 'list') return [];
  if (schema.kind === 'message') return readMessage(new Reader(Buffer.alloc(0)), 0, schema, depth);
  if (schema.kind === 'string' || schema.kind === 'bytes') return '';
  return schema.kind === 'quantity' ? '0' : null;
}

function readWrapped(reader: Reader, items: Schema, depth: number): unknown[] {
  const end = nested(reader);
  const list: unknown[] = [];
  while (reader.position < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) list.push(readValue(reader, items, depth));
    else reader.skip(tag & 7);
  }
  return list;
}

function readValue(reader: Reader, schema: Schema, depth: number): unknown {
  if (schema.kind === 'message') return readMessage(reader, nested(reader), schema, depth + 1);
  if (schema.kind === 'list') return readWrapped(reader, schema.items, depth + 1);
  if (schema.kind === 'map') throw new ProtobufError('a map inside a list or map is not on the wire');
  if (isSchemaUnion(schema.kind)) return readSchemaUnion(reader, schema.kind, depth, readMessage);
  return readScalar(reader, schema.kind);
}
