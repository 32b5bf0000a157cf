import type { JsonObject } from '../objects.ts';
import { schemaForKind, type MessageSchema } from '../schema.ts';
import { decodeMessage } from './decode.ts';
import { encodeMessage } from './encode.ts';
import { ProtobufError } from './errors.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** 'k8s\0': what every protobuf body of the Kubernetes API starts with. */
export const MAGIC = Buffer.from('k8s\0', 'latin1');

/** runtime.Unknown: the message's type and its bytes. Mirrors apimachinery's runtime/serializer/protobuf. */
export interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Buffer;
  readonly contentType: string;
}

export function hasMagic(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x6b && bytes[1] === 0x38 && bytes[2] === 0x73 && bytes[3] === 0;
}

export function splitApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** Wraps a message's bytes; the result is one allocation of exactly the needed size. */
export function wrapEnvelope(apiVersion: string, kind: string, raw: Uint8Array): Buffer {
  const writer = new Writer(raw.length + apiVersion.length + kind.length + 64);
  writer.string('');
  writer.byte(0x22);
  writer.string('');
  writer.byte(0x1a);
  writer.bytes(raw);
  writer.byte(0x12);
  const before = writer.size;
  writer.string(kind);
  writer.byte(0x12);
  writer.string(apiVersion);
  writer.byte(0x0a);
  writer.uint32(writer.size - before);
  writer.byte(0x0a);
  const result = Buffer.allocUnsafeSlow(writer.size + MAGIC.length);
  result.set(MAGIC, 0);
  writer.buffer.copy(result, MAGIC.length, writer.position);
  return result;
}

/** Opens an envelope without reading the message. Throws ProtobufError. */
export function readEnvelope(bytes: Buffer): Envelope {
  if (!hasMagic(bytes)) throw new ProtobufError('provided data does not appear to be a protobuf message');
  const reader = new Reader(bytes, MAGIC.length);
  let typeMeta = { apiVersion: '', kind: '' };
  let raw: Buffer = Buffer.alloc(0);
  let contentType = '';
  while (reader.position < reader.end) {
    const tag = reader.uint32();
    if (tag === 0x0a) typeMeta = readTypeMeta(reader);
    else if (tag === 0x12) raw = reader.bytes();
    else if (tag === 0x22) contentType = reader.string();
    else reader.skip(tag & 7);
  }
  return { ...typeMeta, raw, contentType };
}

function readTypeMeta(reader: Reader): { apiVersion: string; kind: string } {
  const end = reader.limit();
  let apiVersion = '';
  let kind = '';
  while (reader.position < end) {
    const tag = reader.uint32();
    if (tag === 0x0a) apiVersion = reader.string();
    else if (tag === 0x12) kind = reader.string();
    else reader.skip(tag & 7);
  }
  return { apiVersion, kind };
}

/** The schema that the envelope's type names. */
export function schemaOfType(apiVersion: string, kind: string): MessageSchema {
  const { group, version } = splitApiVersion(apiVersion);
  const schema = schemaForKind(group, version, kind);
  if (!schema) throw new ProtobufError(`no kind "${kind}" is registered for version "${apiVersion}"`);
  return schema;
}

/** 'k8s\0' and the object; its apiVersion and kind name the schema. Throws ProtobufError. */
export function encodeProtobuf(object: { apiVersion?: string; kind?: string }): Buffer {
  const { apiVersion = '', kind = '' } = object;
  return wrapEnvelope(apiVersion, kind, encodeMessage(schemaOfType(apiVersion, kind), object));
}

/**
 * Reads 'k8s\0' and an object; `fallback` names the type where the envelope does not (some clients leave it
 * empty for DeleteOptions). Throws ProtobufError.
 */
export function decodeProtobuf(bytes: Buffer, fallback?: { apiVersion: string; kind: string }): JsonObject {
  const envelope = readEnvelope(bytes);
  const apiVersion = envelope.apiVersion || (fallback?.apiVersion ?? '');
  const kind = envelope.kind || (fallback?.kind ?? '');
  return { kind, apiVersion, ...decodeMessage(schemaOfType(apiVersion, kind), envelope.raw) };
}

/**
 * A frame of a protobuf watch: four bytes of length (big endian), then a meta/v1 WatchEvent in its envelope's
 * stead bare, whose object is the raw bytes of an enveloped object.
 */
export function encodeWatchFrame(type: string, object: Uint8Array): Buffer {
  const writer = new Writer(object.length + type.length + 32);
  const before = writer.size;
  writer.bytes(object);
  writer.byte(0x0a);
  writer.uint32(writer.size - before);
  writer.byte(0x12);
  writer.string(type);
  writer.byte(0x0a);
  const frame = Buffer.allocUnsafeSlow(writer.size + 4);
  frame.writeUInt32BE(writer.size, 0);
  writer.buffer.copy(frame, 4, writer.position);
  return frame;
}

/** The type and enveloped object of one frame, without its four bytes of length. */
export function decodeWatchEvent(frame: Buffer): { type: string; object: Buffer } {
  const reader = new Reader(frame);
  let type = '';
  let object: Buffer = Buffer.alloc(0);
  while (reader.position < reader.end) {
    const tag = reader.uint32();
    if (tag === 0x0a) type = reader.string();
    else if (tag === 0x12) object = readRawField(reader);
    else reader.skip(tag & 7);
  }
  return { type, object };
}

function readRawField(reader: Reader): Buffer {
  const end = reader.limit();
  let raw: Buffer = Buffer.alloc(0);
  while (reader.position < end) {
    const tag = reader.uint32();
    if (tag === 0x0a) raw = reader.bytes();
    else reader.skip(tag & 7);
  }
  return raw;
}
