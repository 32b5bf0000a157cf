import type { JsonObject } from '../objects.ts';
import type { MessageSchema } from '../schema.ts';
import { canonicalise, countMembers, plain } from './canonical.ts';
import { JsonError } from './errors.ts';
import { parseExact, type ExactResult } from './exact-parser.ts';
import { scanJson } from './scan.ts';

export interface Decoded {
  readonly object: JsonObject;
  /**
   * What strict decoding objects to, in upstream's words: `unknown field "spec.foo"`, `duplicate field
   * "spec.bar"`. With fieldValidation=Strict they are an error (strictDecodingMessage), with Warn warnings.
   */
  readonly strictErrors: string[];
}

/**
 * Reads an API object. With a schema the result is canonical (see canonicalise) and every field is checked;
 * without one it is what was sent. Integers beyond 2^53 are bigints. Throws JsonError with upstream's text.
 */
export function decodeJson(bytes: Uint8Array, schema: MessageSchema | undefined): Decoded {
  const scan = scanJson(bytes);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  if (!scan.needsExact) {
    const parsed = parseFast(text);
    // A count before the walk: the walk changes the value, and duplicates need the exact parser.
    if (countMembers(parsed) === scan.members) return decodeValue(parsed, schema);
  }
  const exact = parseBody(text);
  return decodeValue(exact.value, schema, exact);
}

/** What upstream puts before every error of syntax: it reads version and kind first. */
const INTERPRET = "couldn't get version/kind; json parse error: ";
const TYPE_META =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';

function parseBody(text: string): ExactResult {
  try {
    return parseExact(text, true);
  } catch (error) {
    if (error instanceof JsonError) throw new JsonError(`${INTERPRET}${error.message}`);
    throw error;
  }
}

/** The same for a value that is parsed already (from YAML, or out of a patch); the value is changed. */
export function decodeValue(value: unknown, schema: MessageSchema | undefined, exact?: ExactResult): Decoded {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new JsonError(
      `${INTERPRET}json: cannot unmarshal ${kindOf(value)} into Go value of type ${TYPE_META}`,
    );
  }
  if (schema) {
    const { object, strictErrors } = canonicalise(value, schema, exact?.duplicates);
    return { object: object as JsonObject, strictErrors };
  }
  const strictErrors: string[] = [];
  if (exact && exact.duplicates.size > 0) collectDuplicates(value, '', exact, strictErrors);
  return { object: plain(value) as JsonObject, strictErrors };
}

/** Parses with the platform's parser; the exact one, which is slow, words the error. */
function parseFast(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    parseBody(text);
    throw new JsonError('invalid JSON');
  }
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return value === null ? 'null' : typeof value === 'boolean' ? 'bool' : typeof value;
}

function collectDuplicates(value: unknown, path: string, exact: ExactResult, into: string[]): void {
  if (typeof value !== 'object' || value === null) return;
  const repeated = exact.duplicates.get(value);
  for (const [key, item] of Object.entries(value)) {
    const place = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    if (repeated?.has(key) && into.length < 100) into.push(`duplicate field ${JSON.stringify(place)}`);
    collectDuplicates(item, place, exact, into);
  }
}

/** 'strict decoding error: unknown field "spec.foo", duplicate field "spec.bar"'. */
export function strictDecodingMessage(strictErrors: readonly string[]): string {
  return `strict decoding error: ${strictErrors.join(', ')}`;
}
