import type { JsonObject } from '../objects.ts';

/**
 * JSON text of a value; bigints are written exactly. Only values that hold a bigint pay for it: JSON.stringify
 * refuses them, and then the slow way is taken.
 */
export function stringifyJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (error) {
    if (!(error instanceof TypeError) || !/BigInt/.test(error.message)) throw error;
    return stringifyExact(value) ?? 'null';
  }
}

function stringifyExact(value: unknown): string | undefined {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => stringifyExact(item) ?? 'null').join(',')}]`;
  const parts: string[] = [];
  for (const [key, item] of Object.entries(value)) {
    const text = stringifyExact(item);
    if (text !== undefined) parts.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${parts.join(',')}}`;
}

/** The bytes of an API object: kind, apiVersion and metadata first, as upstream writes them. */
export function encodeJson(object: object): Buffer {
  const { kind, apiVersion, metadata, ...rest } = object as JsonObject;
  const ordered: JsonObject = {};
  if (kind !== undefined) ordered.kind = kind;
  if (apiVersion !== undefined) ordered.apiVersion = apiVersion;
  if (metadata !== undefined) ordered.metadata = metadata;
  return Buffer.from(stringifyJson(Object.assign(ordered, rest)));
}
