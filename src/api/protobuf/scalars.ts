import { parseExact } from '../json/exact-parser.ts';
import { stringifyJson } from '../json/encode.ts';
import type { ScalarKind } from '../schema.ts';
import {
  ZERO_TIME_SECONDS,
  formatDuration,
  formatMicroTime,
  formatTime,
  parseDuration,
  parseTime,
} from '../time.ts';
import { ProtobufError } from './errors.ts';
import { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** Writes a scalar's value (with its length where it is length-delimited), not its tag. */
export function writeScalar(writer: Writer, kind: ScalarKind, value: unknown): void {
  switch (kind) {
    case 'string':
      return writer.string(asString(value));
    case 'bool':
      return writer.byte(value === true ? 1 : 0);
    case 'int32':
    case 'int64':
    case 'uint32':
    case 'uint64':
      return writer.varint(asInteger(value));
    case 'double':
      return writer.double(Number(value ?? 0));
    case 'bytes':
      return writer.bytes(Buffer.from(asString(value), 'base64'));
    case 'buffer':
      return writer.bytes(value instanceof Uint8Array ? value : Buffer.alloc(0));
    case 'quantity':
      return delimited(writer, () => {
        writer.string(typeof value === 'number' ? String(value) : asString(value ?? '0'));
        writer.byte(0x0a);
      });
    case 'intOrString':
      return delimited(writer, () => writeIntOrString(writer, value));
    case 'time':
    case 'microTime':
      return delimited(writer, () => writeTime(writer, kind, value));
    case 'duration':
      return delimited(writer, () => {
        writer.varint(value === undefined ? 0 : parseDuration(asString(value)));
        writer.byte(0x08);
      });
    default:
      return delimited(writer, () => writeRaw(writer, value));
  }
}

/** Writes what `body` writes, and its length before it. */
export function delimited(writer: Writer, body: () => void): void {
  const before = writer.size;
  body();
  writer.uint32(writer.size - before);
}

function asString(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  throw new ProtobufError(`a string is needed, not ${typeof value}`);
}

function asInteger(value: unknown): number | bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  if (value === undefined) return 0;
  throw new ProtobufError(`an integer is needed, not ${typeof value === 'number' ? value : typeof value}`);
}

function writeIntOrString(writer: Writer, value: unknown): void {
  const isString = typeof value === 'string';
  writer.string(isString ? value : '');
  writer.byte(0x1a);
  writer.varint(isString ? 0 : asInteger(value));
  writer.byte(0x10);
  writer.byte(isString ? 1 : 0);
  writer.byte(0x08);
}

function writeTime(writer: Writer, kind: 'time' | 'microTime', value: unknown): void {
  if (value === undefined || value === null || value === '') return;
  const { seconds, nanos } = parseTime(asString(value));
  if (seconds === ZERO_TIME_SECONDS && nanos === 0) return;
  writer.varint(kind === 'time' ? 0 : nanos - (nanos % 1000));
  writer.byte(0x10);
  writer.varint(seconds);
  writer.byte(0x08);
}

function writeRaw(writer: Writer, value: unknown): void {
  if (value === undefined) return;
  writer.bytes(value instanceof Uint8Array ? value : Buffer.from(stringifyJson(value)));
  writer.byte(0x0a);
}

/** Reads a scalar's value; undefined where it says nothing (the zero time, no raw bytes). */
export function readScalar(reader: Reader, kind: ScalarKind): unknown {
  switch (kind) {
    case 'string':
      return reader.string();
    case 'bool':
      return reader.int64() !== 0;
    case 'int32':
      return reader.int32();
    case 'int64':
      return reader.int64();
    case 'uint32':
      return reader.uint32();
    case 'uint64':
      return reader.uint64();
    case 'double':
      return reader.double();
    case 'bytes':
      return reader.bytes().toString('base64');
    case 'buffer':
      return Buffer.from(reader.bytes());
    default:
      return readStructured(reader, kind);
  }
}

function readStructured(reader: Reader, kind: ScalarKind): unknown {
  const end = reader.limit();
  const inner = new Reader(reader.buffer, reader.position, end);
  reader.position = end;
  if (kind === 'time' || kind === 'microTime') return readTime(inner, kind);
  if (kind === 'intOrString') return readIntOrString(inner);
  if (kind === 'duration') {
    let nanos: number | bigint = 0;
    while (inner.position < inner.end) {
      const tag = inner.uint32();
      if (tag === 0x08) nanos = inner.int64();
      else inner.skip(tag & 7);
    }
    return formatDuration(BigInt(nanos));
  }
  const raw = readField1(inner);
  if (kind === 'quantity') return raw === undefined || raw.length === 0 ? '0' : raw.toString();
  return raw === undefined ? undefined : readRaw(raw);
}

function readField1(reader: Reader): Buffer | undefined {
  let found: Buffer | undefined;
  while (reader.position < reader.end) {
    const tag = reader.uint32();
    if (tag === 0x0a) found = reader.bytes();
    else reader.skip(tag & 7);
  }
  return found;
}

function readRaw(raw: Buffer): unknown {
  if (raw.length === 0) return undefined;
  try {
    return parseExact(raw.toString()).value;
  } catch (error) {
    throw new ProtobufError('the raw bytes of an embedded object are no JSON', error);
  }
}

function readTime(reader: Reader, kind: 'time' | 'microTime'): string | undefined {
  if (reader.position === reader.end) return undefined;
  let seconds = 0;
  let nanos = 0;
  while (reader.position < reader.end) {
    const tag = reader.uint32();
    if (tag === 0x08) seconds = Number(reader.int64());
    else if (tag === 0x10) nanos = reader.int32();
    else reader.skip(tag & 7);
  }
  // The years that RFC 3339 can write.
  if (seconds < ZERO_TIME_SECONDS || seconds > 253_402_300_799)
    throw new ProtobufError('time is out of range');
  return kind === 'time' ? formatTime(seconds) : formatMicroTime({ seconds, nanos });
}

function readIntOrString(reader: Reader): number | string {
  let isString = false;
  let number = 0;
  let text = '';
  while (reader.position < reader.end) {
    const tag = reader.uint32();
    if (tag === 0x08) isString = reader.int64() === 1;
    else if (tag === 0x10) number = reader.int32();
    else if (tag === 0x1a) text = reader.string();
    else reader.skip(tag & 7);
  }
  return isString ? text : number;
}
