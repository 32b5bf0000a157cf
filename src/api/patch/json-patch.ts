import jsonPatch, { JsonPatchError, type Operation } from 'fast-json-patch';
import { messageOf } from '../../base/errors.ts';
import { deepClone, isObject } from '../objects.ts';
import { PatchError } from './errors.ts';

/** Upstream's limit (apiserver's endpoints/handlers/patch.go). */
const MAX_OPERATIONS = 10_000;
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
    return jsonPatch.applyPatch<unknown>(deepClone(original), patch as Operation[], true, true).newDocument;
  } catch (error) {
    throw new PatchError(422, describe(error), error);
  }
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

function describe(error: unknown): string {
  if (!(error instanceof JsonPatchError)) return `the patch cannot be applied: ${messageOf(error)}`;
  const operation = error.operation as { op?: string; path?: string } | undefined;
  const op = operation?.op ?? 'patch';
  const path = operation?.path ?? '';
  switch (error.name) {
    case 'TEST_OPERATION_FAILED':
      return `testing path ${path} failed: test failed`;
    case 'OPERATION_PATH_UNRESOLVABLE':
    case 'OPERATION_PATH_CANNOT_ADD':
    case 'OPERATION_FROM_UNRESOLVABLE':
      return `${op} operation does not apply: doc is missing path: "${path}": missing value`;
    case 'OPERATION_VALUE_OUT_OF_BOUNDS':
    case 'OPERATION_PATH_ILLEGAL_ARRAY_INDEX':
      return `error in ${op} for path: '${path}': Unable to access invalid index: ${path.split('/').at(-1)}: invalid index referenced`;
    default:
      return `${op} operation does not apply: ${error.message.split('\n')[0]}`;
  }
}
