/**
 * A small protobuf codec driven by tables: the few field types that etcd's messages use, proto3 rules
 * (defaults are not written, unknown fields are skipped). int64 become numbers: etcd's revisions and sizes
 * stay below 2^53. Identifiers, which use all 64 bits, become 16 hexadecimal digits, as etcdctl prints them.
 */
type ScalarType = 'int' | 'id' | 'bool' | 'bytes' | 'string';

interface Field {
  readonly number: number;
  readonly name: string;
  readonly type: ScalarType | MessageType<object>;
  readonly repeated: boolean;
}

/** A message: its fields in the order in which they are written, and what absent ones read as. */
export interface MessageType<T extends object> {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
  /** Never set: it ties the table to its TypeScript type. */
  readonly shape?: T;
}

type FieldSpec = readonly [number: number, type: ScalarType | MessageType<object>, repeated?: 'repeated'];

/** Declares a message. Every field of T that is not optional there must be in the table. */
export function messageType<T extends object>(
  name: string,
  specs: { readonly [K in keyof T]-?: FieldSpec },
): MessageType<T> {
  const fields = Object.entries<FieldSpec>(specs).map(([field, [number, type, repeated]]) => ({
    number,
    name: field,
    type,
    repeated: repeated !== undefined,
  }));
  return { name, fields, byNumber: new Map(fields.map((field) => [field.number, field])) };
}

/** What a reader found is no message: truncated, or of another wire type. */
export class MalformedMessageError extends Error {}

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

/** Types whose absence reads as something else than undefined. */
const DEFAULTS = { int: 0, id: '0000000000000000', bool: false, bytes: Buffer.alloc(0), string: '' } as const;

export function encode<T extends object>(type: MessageType<T>, message: Partial<T>): Buffer {
  const values = message as Record<string, unknown>;
  const buffer = Buffer.allocUnsafe(sizeOf(type, values));
  write(buffer, 0, type, values);
  return buffer;
}

function sizeOf(type: MessageType<object>, values: Record<string, unknown>): number {
  let size = 0;
  for (const field of type.fields) {
    const value = values[field.name];
    if (value === undefined) continue;
    if (field.repeated) for (const item of value as unknown[]) size += sizeOfField(field, item, true);
    else size += sizeOfField(field, value, false);
  }
  return size;
}

function sizeOfField(field: Field, value: unknown, always: boolean): number {
  const tag = sizeOfVarint(field.number * 8);
  if (typeof field.type === 'object') {
    const size = sizeOf(field.type, value as Record<string, unknown>);
    return tag + sizeOfVarint(size) + size;
  }
  switch (field.type) {
    case 'int':
      return value === 0 && !always ? 0 : tag + sizeOfVarint(value as number);
    case 'id':
      return value === DEFAULTS.id && !always ? 0 : tag + sizeOfBig(BigInt(`0x${value as string}`));
    case 'bool':
      return value === false && !always ? 0 : tag + 1;
    default: {
      const size = typeof value === 'string' ? Buffer.byteLength(value) : (value as Buffer).length;
      return size === 0 && !always ? 0 : tag + sizeOfVarint(size) + size;
    }
  }
}

function write(
  buffer: Buffer,
  start: number,
  type: MessageType<object>,
  values: Record<string, unknown>,
): number {
  let at = start;
  for (const field of type.fields) {
    const value = values[field.name];
    if (value === undefined) continue;
    if (field.repeated) for (const item of value as unknown[]) at = writeField(buffer, at, field, item, true);
    else at = writeField(buffer, at, field, value, false);
  }
  return at;
}

function writeField(buffer: Buffer, start: number, field: Field, value: unknown, always: boolean): number {
  if (typeof field.type === 'object') {
    const inner = value as Record<string, unknown>;
    const at = writeVarint(buffer, start, field.number * 8 + DELIMITED);
    return write(buffer, writeVarint(buffer, at, sizeOf(field.type, inner)), field.type, inner);
  }
  if (sizeOfField(field, value, always) === 0) return start;
  switch (field.type) {
    case 'int':
      return writeVarint(buffer, writeVarint(buffer, start, field.number * 8), value as number);
    case 'id':
      return writeBig(buffer, writeVarint(buffer, start, field.number * 8), BigInt(`0x${value as string}`));
    case 'bool':
      return writeVarint(buffer, writeVarint(buffer, start, field.number * 8), value ? 1 : 0);
    default: {
      const bytes = typeof value === 'string' ? Buffer.from(value) : (value as Buffer);
      const at = writeVarint(buffer, start, field.number * 8 + DELIMITED);
      const body = writeVarint(buffer, at, bytes.length);
      bytes.copy(buffer, body);
      return body + bytes.length;
    }
  }
}

function sizeOfVarint(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

function writeVarint(buffer: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) buffer[at++] = (rest % 0x80) | 0x80;
  buffer[at++] = rest;
  return at;
}

function sizeOfBig(value: bigint): number {
  let size = 1;
  for (let rest = value; rest >= 0x80n; rest >>= 7n) size++;
  return size;
}

function writeBig(buffer: Buffer, start: number, value: bigint): number {
  let at = start;
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) buffer[at++] = Number(rest & 0x7fn) | 0x80;
  buffer[at++] = Number(rest);
  return at;
}

/**
 * Reads a message. `bytes` fields are views into `buffer`: copy what is kept for long. Throws
 * MalformedMessageError.
 */
export function decode<T extends object>(type: MessageType<T>, buffer: Buffer): T {
  const reader = new Reader(buffer);
  return readMessage(reader, type, buffer.length) as T;
}

function readMessage(reader: Reader, type: MessageType<object>, end: number): object {
  const message: Record<string, unknown> = {};
  for (const field of type.fields) {
    if (field.repeated) message[field.name] = [];
    else if (typeof field.type === 'string') message[field.name] = DEFAULTS[field.type];
  }
  while (reader.at < end) {
    const tag = reader.varint();
    const field = type.byNumber.get(Math.floor(tag / 8));
    const wireType = tag % 8;
    if (!field) {
      reader.skip(wireType);
      continue;
    }
    const value = readField(reader, field, wireType);
    if (field.repeated) (message[field.name] as unknown[]).push(value);
    else message[field.name] = value;
  }
  if (reader.at !== end) throw new MalformedMessageError(`${type.name} runs over its end`);
  return message;
}

function readField(reader: Reader, field: Field, wireType: number): unknown {
  const delimited = typeof field.type === 'object' || field.type === 'bytes' || field.type === 'string';
  if (wireType !== (delimited ? DELIMITED : VARINT)) {
    throw new MalformedMessageError(`${field.name} has wire type ${wireType}`);
  }
  if (typeof field.type === 'object') return readMessage(reader, field.type, reader.end());
  switch (field.type) {
    case 'int':
      return reader.varint();
    case 'id':
      return reader.big().toString(16).padStart(16, '0');
    case 'bool':
      return reader.varint() !== 0;
    case 'bytes':
      return reader.bytes();
    default:
      return reader.bytes().toString();
  }
}

class Reader {
  at = 0;
  readonly #buffer: Buffer;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** A whole number below 2^53; negative ones (which take ten bytes) come out as such. */
  varint(): number {
    const start = this.at;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    this.at = start;
    return Number(BigInt.asIntN(64, this.big()));
  }

  big(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new MalformedMessageError('a varint is longer than ten bytes');
  }

  /** Where the delimited field that begins here ends. */
  end(): number {
    const length = this.varint();
    const end = this.at + length;
    if (length < 0 || end > this.#buffer.length) throw new MalformedMessageError('a field is cut off');
    return end;
  }

  bytes(): Buffer {
    const end = this.end();
    const bytes = this.#buffer.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  skip(wireType: number): void {
    if (wireType === VARINT) this.big();
    else if (wireType === FIXED64) this.at += 8;
    else if (wireType === DELIMITED) this.bytes();
    else if (wireType === FIXED32) this.at += 4;
    else throw new MalformedMessageError(`wire type ${wireType}`);
  }

  #byte(): number {
    const byte = this.#buffer[this.at++];
    if (byte === undefined) throw new MalformedMessageError('a message is cut off');
    return byte;
  }
}
