import { isObject, type JsonObject } from '../objects.ts';
import { schemaForMessage, type MessageSchema, type ScalarKind } from '../schema.ts';
import { ProtobufError } from './errors.ts';
import type { Reader } from './reader.ts';
import { delimited } from './scalars.ts';
import type { Writer } from './writer.ts';

/** The codec's own functions, given in so that the modules do not need each other. */
type WriteMessage = (writer: Writer, schema: MessageSchema, value: JsonObject) => void;
type ReadMessage = (reader: Reader, end: number, schema: MessageSchema, depth: number) => JsonObject;

type UnionKind = 'schemaOrArray' | 'schemaOrBool' | 'schemaOrStrings';

/** Whether the kind is one of apiextensions' JSONSchemaPropsOr…: one JSON value, two fields on the wire. */
export function isSchemaUnion(kind: ScalarKind): kind is UnionKind {
  return kind === 'schemaOrArray' || kind === 'schemaOrBool' || kind === 'schemaOrStrings';
}

function props(): MessageSchema {
  const schema = schemaForMessage('apiextensions-v1', 'JSONSchemaProps');
  if (!schema) throw new Error('the schema tables have no JSONSchemaProps');
  return schema;
}

export function writeSchemaUnion(writer: Writer, kind: UnionKind, value: unknown, write: WriteMessage): void {
  const writeProps = (item: unknown, tag: number): void => {
    if (!isObject(item)) throw new ProtobufError('an object is needed');
    delimited(writer, () => write(writer, props(), item));
    writer.byte(tag);
  };
  delimited(writer, () => {
    if (kind === 'schemaOrBool') {
      if (isObject(value)) writeProps(value, 0x12);
      // Allows is true wherever there is a schema.
      writer.byte(value === false || value === undefined ? 0 : 1);
      writer.byte(0x08);
      return;
    }
    if (Array.isArray(value)) {
      for (let index = value.length - 1; index >= 0; index--) {
        if (kind === 'schemaOrArray') {
          writeProps(value[index], 0x12);
        } else {
          writer.string(String(value[index]));
          writer.byte(0x12);
        }
      }
    } else if (isObject(value)) {
      writeProps(value, 0x0a);
    }
  });
}

export function readSchemaUnion(reader: Reader, kind: UnionKind, depth: number, read: ReadMessage): unknown {
  const end = reader.limit();
  let allows: boolean | undefined;
  let schema: unknown;
  const list: unknown[] = [];
  while (reader.position < end) {
    const tag = reader.uint32();
    if (kind === 'schemaOrBool' && tag === 0x08) {
      allows = reader.int64() !== 0;
    } else if (kind === 'schemaOrStrings' && tag === 0x12) {
      list.push(reader.string());
    } else if (tag === 0x0a || tag === 0x12) {
      const found = read(reader, reader.limit(), props(), depth + 1);
      if (kind === 'schemaOrArray' && tag === 0x12) list.push(found);
      else schema = found;
    } else {
      reader.skip(tag & 7);
    }
  }
  if (schema !== undefined) return schema;
  return kind === 'schemaOrBool' ? (allows ?? false) : list;
}
