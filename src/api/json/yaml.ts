import {
  NOT_RESOLVED,
  Schema,
  YAMLException,
  defineScalarTag,
  load,
  mergeTag,
  realMapTag,
  seqTag,
  strTag,
} from 'js-yaml';
import { LineCounter, parseDocument } from 'yaml';
import { setKey, type JsonObject } from '../objects.ts';
import type { MessageSchema } from '../schema.ts';
import { decodeValue, type Decoded } from './decode.ts';
import { JsonError } from './errors.ts';

const WORDS: ReadonlyMap<string, boolean | null> = new Map<string, boolean | null>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(
    (word) => [word, true] as const,
  ),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(
    (word) => [word, false] as const,
  ),
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
]);

/** Plain scalars as the Go library reads them (yaml.v2's resolve.go), which is YAML 1.1 with exceptions. */
const wordTag = defineScalarTag<boolean | null>('tag:yaml.org,2002:bool', {
  implicit: true,
  resolve: (source) => (WORDS.has(source) ? WORDS.get(source)! : NOT_RESOLVED),
  identify: () => false,
});
const nullTag = defineScalarTag<null>('tag:yaml.org,2002:null', {
  implicit: true,
  resolve: (source) => (WORDS.get(source) === null ? null : NOT_RESOLVED),
  identify: () => false,
});
const intTag = defineScalarTag<number | bigint>('tag:yaml.org,2002:int', {
  implicit: true,
  resolve: (source) => parseInteger(source) ?? NOT_RESOLVED,
  identify: () => false,
});
const floatTag = defineScalarTag<number>('tag:yaml.org,2002:float', {
  implicit: true,
  resolve: (source) => {
    const text = source.replaceAll('_', '');
    return /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/.test(text) ? Number(text) : NOT_RESOLVED;
  },
  identify: () => false,
});

const SCHEMA = new Schema([strTag, seqTag, realMapTag, mergeTag, nullTag, wordTag, intTag, floatTag]);

function parseInteger(source: string): number | bigint | undefined {
  const text = source.replaceAll('_', '');
  const match = /^([-+]?)(?:(0[xX][0-9a-fA-F]+)|(0[bB][01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/.exec(text);
  if (!match) return undefined;
  const [, sign, hex, binary, octal, decimal] = match;
  const magnitude = BigInt(hex ?? binary ?? (octal === undefined ? decimal! : `0o${octal}`));
  const value = sign === '-' ? -magnitude : magnitude;
  if (value > 2n ** 64n - 1n || value < -(2n ** 63n)) return undefined;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** Reads an API object from YAML as upstream does: to JSON first, then as decodeJson. */
export function decodeYaml(bytes: Uint8Array, schema: MessageSchema | undefined): Decoded {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const { value, duplicates } = loadYaml(text);
  const decoded = decodeValue(value, schema);
  return { object: decoded.object, strictErrors: [...duplicates, ...decoded.strictErrors] };
}

/** The JSON value of one YAML document, and upstream's complaint about keys that are set twice. */
export function loadYaml(text: string): { value: unknown; duplicates: string[] } {
  const options = { schema: SCHEMA, maxAliases: 1000, maxDepth: 1000 };
  let loaded: unknown;
  let duplicates: string[] = [];
  try {
    loaded = load(text, options);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    if (!/duplicated mapping key/.test(error.reason)) throw yamlError(error);
    duplicates = duplicateKeys(text);
    loaded = load(text, { ...options, json: true });
  }
  return { value: new Converter(text.length).convert(loaded), duplicates };
}

function yamlError(error: YAMLException): JsonError {
  const line = error.mark?.line;
  return new JsonError(`yaml: ${line === undefined ? '' : `line ${line + 1}: `}${error.reason}`);
}

/** One error for all of them, each with its line, as the Go library words it. */
function duplicateKeys(text: string): string[] {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, version: '1.1', logLevel: 'silent' });
  const lines = document.errors
    .filter((error) => error.code === 'DUPLICATE_KEY')
    .map((error) => {
      const { line } = lineCounter.linePos(error.pos[0]);
      const key = /^(?:"((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)'|([^\s:]+))/.exec(text.slice(error.pos[0]));
      return `  line ${line}: key ${JSON.stringify(key?.[1] ?? key?.[2] ?? key?.[3] ?? '')} already set in map`;
    });
  return lines.length === 0 ? [] : [`yaml: unmarshal errors:\n${lines.join('\n')}`];
}

/** Copies what aliases share, with a bound on how much that may be, and makes keys strings. */
class Converter {
  #left: number;

  constructor(size: number) {
    this.#left = 10 * size + 100_000;
  }

  convert(value: unknown): unknown {
    if (--this.#left < 0) throw new JsonError('yaml: document contains excessive aliasing');
    if (value instanceof Map) {
      const object: JsonObject = {};
      for (const [key, item] of value) setKey(object, keyText(key), this.convert(item));
      return object;
    }
    return Array.isArray(value) ? value.map((item) => this.convert(item)) : value;
  }
}

function keyText(key: unknown): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'bigint' || typeof key === 'boolean') return String(key);
  throw new JsonError('error converting YAML to JSON: unsupported map key');
}
