import jsonPatch, { JsonPatchError, type Operation } from 'fast-json-patch';
import { messageOf } from '../../base/errors.ts';
import { deepClone, isObject } from '../objects.ts';
import type { JsonObject } from '../objects.ts';
import { PatchError } from './errors.ts';

/** Upstream's limit (apiserver's endpoints/handlers/patch.go). */
const MAX_OPERATIONS = 10_000;
/** Upstream's limit on what all copies together may add (--json-patch-max-copy-bytes): each may double the object. */
const MAX_COPY_BYTES = 3 * 1024 * 1024;
const OPERATIONS: ReadonlySet<unknown> = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

/**
 * Applies a JSON patch (RFC 6902) to a copy; the original stays as it is, whether it succeeds or not.
 * Throws PatchError.
 */
export function applyJsonPatch(original: object, patch: unknown): unknown {
  if (!Array.isArray(patch)) {
    const kind = isObject(patch) ? 'object' : typeof patch;
    throw new PatchError(400, `json: cannot unmarshal ${kind} into Go value of type jsonpatch.Patch`);
  }
  if (patch.length > MAX_OPERATIONS) {
    throw new PatchError(
      413,
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  }
  for (const operation of patch) checkOperation(operation);
  try {
    // Our own copy: the library's goes through JSON, which knows no bigint.
    return applyAll(deepClone(original), patch as Operation[]);
  } catch (error) {
    if (error instanceof PatchError) throw error;
    throw new PatchError(422, describe(error), error);
  }
}

function applyAll(object: unknown, patch: readonly Operation[]): unknown {
  let copied = 0;
  let document = object;
  for (const [index, operation] of patch.entries()) {
    if (operation.op === 'copy') {
      copied += sizeAt(document, operation.from, MAX_COPY_BYTES);
      if (copied > MAX_COPY_BYTES) {
        throw new PatchError(
          422,
          `Unable to complete the copy, the accumulated size increase of copy is ${copied}, exceeding the limit ${MAX_COPY_BYTES}`,
        );
      }
    }
    const normal = asUpstream(document, operation);
    if (!normal) continue;
    document = jsonPatch.applyOperation<unknown>(document, normal, true, true, true, index).newDocument;
  }
  return document;
}

/**
 * The operation in the stricter terms of the library. Upstream's takes a member that is not there for one that
 * is null, and counts negative indexes from the end. Undefined for what is done already.
 */
function asUpstream(document: unknown, operation: Operation): Operation | undefined {
  const { op, path } = operation;
  if (path === '' && op !== 'test' && op !== 'replace') {
    throw new PatchError(422, `${op} operation does not apply: doc is missing path: "": missing value`);
  }
  const place = placeOf(document, path);
  if (!place) return operation;
  const { parent, name } = place;
  if (Array.isArray(parent)) {
    if (!/^-[0-9]+$/.test(name)) return withValue(operation);
    const index = parent.length + Number(name) + (op === 'add' ? 1 : 0);
    const base = path.slice(0, path.lastIndexOf('/'));
    return index < 0 ? operation : withValue({ ...operation, path: `${base}/${index}` });
  }
  const isThere = Object.hasOwn(parent, name);
  if (op === 'replace' && !isThere) return { op: 'add', path, value: (operation.value as unknown) ?? null };
  if (op === 'test' && !isThere && ((operation.value as unknown) ?? null) === null) return undefined;
  if (op === 'copy') {
    const from = placeOf(document, operation.from);
    const isMissing = from && !Array.isArray(from.parent) && !Object.hasOwn(from.parent, from.name);
    if (isMissing) return { op: 'add', path, value: null };
  }
  return withValue(operation);
}

function withValue(operation: Operation): Operation {
  const takes = operation.op === 'add' || operation.op === 'replace' || operation.op === 'test';
  return takes && operation.value === undefined ? { ...operation, value: null } : operation;
}

/** What holds the member that a pointer names; undefined where nothing does. */
function placeOf(
  document: unknown,
  pointer: unknown,
): { parent: JsonObject | unknown[]; name: string } | undefined {
  if (typeof pointer !== 'string' || !pointer.includes('/')) return undefined;
  const parts = pointer.split('/').slice(1).map(unescape);
  const name = parts.pop() ?? '';
  let at = document;
  for (const part of parts) {
    if (!isObject(at) && !Array.isArray(at)) return undefined;
    at = Object.hasOwn(at, part) ? (at as JsonObject)[part] : undefined;
  }
  return isObject(at) || Array.isArray(at) ? { parent: at, name } : undefined;
}

function unescape(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** About the bytes that the value at a pointer is in JSON; what is larger than the limit is not counted to its end. */
function sizeAt(document: unknown, pointer: unknown, limit: number): number {
  if (typeof pointer !== 'string') return 0;
  let at = document;
  for (const part of pointer.split('/').slice(1)) {
    if (!isObject(at) && !Array.isArray(at)) return 0;
    at = (at as JsonObject)[part.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  const left: unknown[] = [at];
  let size = 0;
  while (left.length > 0 && size <= limit) {
    const value = left.pop();
    if (typeof value === 'string') size += value.length + 2;
    else if (typeof value !== 'object' || value === null) size += 4;
    else {
      for (const [name, item] of Object.entries(value)) {
        size += Array.isArray(value) ? 1 : name.length + 4;
        left.push(item);
      }
    }
  }
  return size;
}

function checkOperation(operation: unknown): void {
  if (!isObject(operation)) throw new PatchError(400, 'json: a JSON patch is a list of operations');
  const { op, path } = operation;
  if (!OPERATIONS.has(op))
    throw new PatchError(422, `Unexpected kind: ${typeof op === 'string' ? op : 'unknown'}`);
  if (typeof path !== 'string') {
    throw new PatchError(422, `${String(op)} operation failed to decode path: missing value`);
  }
}

/** Mirrors the texts of gopkg.in/evanphx/json-patch.v4 patch.go. */
function describe(error: unknown): string {
  if (!(error instanceof JsonPatchError)) return `the patch cannot be applied: ${messageOf(error)}`;
  const operation = error.operation as { op?: string; path?: string; from?: string } | undefined;
  const { op = 'patch', path = '', from = '' } = operation ?? {};
  switch (error.name) {
    case 'TEST_OPERATION_FAILED':
      return `testing value ${path} failed: test failed`;
    case 'OPERATION_PATH_UNRESOLVABLE':
    case 'OPERATION_PATH_CANNOT_ADD':
    case 'OPERATION_FROM_UNRESOLVABLE':
      return missing(op, path, from, error.tree);
    case 'OPERATION_VALUE_OUT_OF_BOUNDS':
    case 'OPERATION_PATH_ILLEGAL_ARRAY_INDEX':
      return `error in ${op} for path: '${path}': Unable to access invalid index: ${lastPart(path)}: invalid index referenced`;
    default:
      return `${op} operation does not apply: ${error.message.split('\n')[0]}`;
  }
}

function missing(op: string, path: string, from: string, tree: unknown): string {
  switch (op) {
    case 'remove':
      if (!hasParent(tree, path)) break;
      return `error in remove for path: '${path}': Unable to remove nonexistent key: ${lastPart(path)}: missing value`;
    case 'replace': {
      const what = hasParent(tree, path) ? 'key' : 'path';
      return `replace operation does not apply: doc is missing ${what}: ${path}: missing value`;
    }
    case 'move':
      if (!hasParent(tree, from)) {
        return `move operation does not apply: doc is missing from path: ${from}: missing value`;
      }
      return `error in move for path: '${lastPart(from)}': Unable to remove nonexistent key: ${lastPart(from)}: missing value`;
    case 'copy':
      return `copy operation does not apply: doc is missing from path: ${from}: missing value`;
    case 'test':
      return `test operation does not apply: is missing path: ${path}: missing value`;
    default:
  }
  return `${op} operation does not apply: doc is missing path: "${path}": missing value`;
}

function lastPart(path: string): string {
  return (path.split('/').at(-1) ?? '').replaceAll('~1', '/').replaceAll('~0', '~');
}

function hasParent(tree: unknown, path: string): boolean {
  let at = tree;
  for (const part of path.split('/').slice(1, -1)) {
    if (!isObject(at) && !Array.isArray(at)) return false;
    at = (at as JsonObject)[part.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return isObject(at) || Array.isArray(at);
}
