import { parseExact } from '../../api/json/exact-parser.ts';
import { stringifyJson } from '../../api/json/encode.ts';
import { deepClone } from '../../api/objects.ts';
import type { KubeObject } from '../../api/resource.ts';

/** JSON to and from objects that the server itself wrote. */
export interface ObjectCodec {
  readonly stringify: (value: unknown) => string;
  readonly parse: (bytes: Buffer) => KubeObject;
  readonly clone: <T>(value: T) => T;
}

const LONG_NUMBER = /[:,[]-?\d{16}/;

/** Integers beyond 2^53 survive: where the text may hold one, the exact parser reads it. */
function parse(bytes: Buffer): KubeObject {
  const text = bytes.toString();
  if (LONG_NUMBER.test(text)) return parseExact(text).value as KubeObject;
  return JSON.parse(text) as KubeObject;
}

export const OBJECT_CODEC: ObjectCodec = { stringify: stringifyJson, parse, clone: deepClone };
