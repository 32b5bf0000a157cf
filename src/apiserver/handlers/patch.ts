import { decodeValue, strictDecodingMessage } from '../../api/json/decode.ts';
import { stringifyJson } from '../../api/json/encode.ts';
import { deepClone } from '../../api/objects.ts';
import type { JsonObject } from '../../api/objects.ts';
import { PatchError } from '../../api/patch/errors.ts';
import { goText } from '../../api/patch/directives.ts';
import { applyJsonPatch } from '../../api/patch/json-patch.ts';
import { applyMergePatch } from '../../api/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '../../api/patch/strategic-merge.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { apiVersionOf } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import { SlipwayError } from '../../base/errors.ts';
import { APPLY_PATCH } from '../apply/apply-handler.ts';
import { bodyReading } from '../codec/body-reading.ts';
import { conversionProblem, mediaType, warningsOf } from '../codec/decode-body.ts';
import type { CustomKind } from '../custom-kind.ts';
import { invalid } from '../field-error.ts';
import type { RequestContext } from '../request-context.ts';
import {
  badRequest,
  failure,
  invalidObject,
  requestEntityTooLarge,
  unsupportedMediaType,
} from '../status-errors.ts';

const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';

/** The kinds of patches that an endpoint takes, in upstream's order. */
function acceptedPatches(strategic: boolean): string[] {
  return [JSON_PATCH, MERGE_PATCH, ...(strategic ? [STRATEGIC_PATCH] : []), APPLY_PATCH];
}

/** Whether the request applies a configuration rather than a patch. */
export function isApply(context: RequestContext): boolean {
  return mediaType(context.http.headers['content-type']) === APPLY_PATCH;
}

/** A patch that was read but not applied yet; it is applied anew when an update is tried again. */
export interface Patch {
  type: typeof JSON_PATCH | typeof MERGE_PATCH | typeof STRATEGIC_PATCH;
  value: unknown;
  /** What strict decoding of the patch itself objects to. */
  strictErrors: string[];
  /** Whether it may touch metadata.managedFields, which is large and else stays aside. */
  touchesManagers: boolean;
}

/** Reads the body. Strategic merge is for kinds with a schema of ours; custom resources have none. */
export async function readPatch(context: RequestContext, strategic: boolean): Promise<Patch> {
  const { http } = context;
  const accepted = acceptedPatches(strategic);
  const type = mediaType(http.headers['content-type']);
  if (!accepted.includes(type)) {
    // For kinds of its own upstream's router says it, before anyone knows what would be taken.
    if (strategic) throw failure(415, 'UnsupportedMediaType', '415: Unsupported Media Type');
    throw unsupportedMediaType(accepted);
  }
  const bytes = await http.body();
  try {
    const { value, duplicates } = await bodyReading.read('patch', { bytes }, http.signal);
    const problem = shapeProblem(type, value);
    if (problem !== undefined) throw badRequest(problem);
    const strictErrors: string[] = [];
    for (const names of duplicates.values()) {
      for (const name of names) strictErrors.push(`duplicate field ${JSON.stringify(name)}`);
    }
    context.witness?.requestPatch(value);
    return {
      type: type as Patch['type'],
      value: value ?? (type === JSON_PATCH ? [] : {}),
      strictErrors,
      touchesManagers: mayTouchManagers(value ?? {}, bytes.toString()),
    };
  } catch (error) {
    if (error instanceof SlipwayError && error.code === 'E_JSON') {
      throw badRequest(type === STRATEGIC_PATCH ? error.message : `error decoding patch: ${error.message}`);
    }
    throw error;
  }
}

/** What is wrong with the patch's outermost value, in the words of Go's decoder. */
function shapeProblem(type: string, value: unknown): string | undefined {
  if (value === null) return type === MERGE_PATCH ? 'Invalid JSON Patch' : undefined;
  const isList = Array.isArray(value);
  const isMap = typeof value === 'object' && !isList;
  if (type === JSON_PATCH ? isList : isMap) return undefined;
  const simple = typeof value === 'boolean' ? 'bool' : typeof value === 'bigint' ? 'number' : typeof value;
  const found = isList ? 'array' : simple;
  const wanted = type === JSON_PATCH ? '[]handlers.jsonPatchOp' : 'map[string]interface {}';
  const why = `json: cannot unmarshal ${found} into Go value of type ${wanted}`;
  // Upstream's strategic merge leaves the introduction out.
  return type === STRATEGIC_PATCH ? why : `error decoding patch: ${why}`;
}

function mayTouchManagers(patch: unknown, text: string): boolean {
  if (text.includes('managedFields')) return true;
  const isWhole = (path: unknown) => path === '' || path === '/metadata';
  if (Array.isArray(patch)) {
    return patch.some((operation: JsonObject | null) => isWhole(operation?.path) || isWhole(operation?.from));
  }
  // A directive or a null on the whole of it.
  const { metadata } = patch as JsonObject;
  return text.includes('$patch') || text.includes('$retainKeys') || metadata === null;
}

/** The patched object, decoded anew: a patch can break a type as a whole object can. `live` stays as it is. */
export function applyPatch(
  patch: Patch,
  live: KubeObject,
  info: ResourceInfo,
  context: RequestContext,
  fieldValidation: 'Ignore' | 'Warn' | 'Strict',
  custom?: CustomKind,
): KubeObject {
  const schema = schemaForKind(info.group, info.version, info.kind);
  const aside = patch.touchesManagers ? undefined : live.metadata?.managedFields;
  const current = aside ? withoutManagers(live) : live;
  let patched: unknown;
  try {
    if (patch.type === JSON_PATCH) patched = applyJsonPatch(current, patch.value);
    else if (patch.type === STRATEGIC_PATCH && schema) {
      patched = applyStrategicMergePatch(current, patch.value as JsonObject, schema);
    } else patched = applyMergePatch(current, patch.value);
  } catch (error) {
    if (error instanceof PatchError) throw patchFailure(error);
    throw error;
  }
  const value = deepClone(patched);
  // The text is wanted in messages only, and the decoder changes the value that it is given.
  const refuse = (why: string) => {
    const isStrategic = patch.type === STRATEGIC_PATCH && schema !== undefined;
    const shown = isStrategic ? goText(patch.value) : stringifyJson(patched);
    return invalidObject({ group: '', kind: '' }, '', [
      invalid('patch', shown, isStrategic ? converterProblem(why) : why),
    ]);
  };
  let strictErrors: string[];
  let object: KubeObject;
  try {
    const decoded = custom ? custom.decode(value) : decodeValue(value, schema);
    object = decoded.object;
    strictErrors = [...patch.strictErrors, ...decoded.strictErrors];
  } catch (error) {
    if (error instanceof SlipwayError) throw refuse(error.message);
    throw error;
  }
  object.kind ??= info.kind;
  object.apiVersion ??= apiVersionOf(info);
  if (!custom && patch.type !== STRATEGIC_PATCH) {
    const problem = conversionProblem(object.kind, object.apiVersion, info);
    if (problem !== undefined) throw refuse(problem);
  }
  if (!object.metadata?.name && live.metadata?.name) {
    throw badRequest(
      `the name of the object (${live.metadata.name} based on URL) was undeterminable: name must be provided`,
    );
  }
  if (aside) (object.metadata ??= {}).managedFields = aside;
  if (strictErrors.length > 0 && fieldValidation === 'Strict')
    throw refuse(strictDecodingMessage(strictErrors));
  if (fieldValidation === 'Warn') for (const text of warningsOf(strictErrors)) context.warn(text);
  return object;
}

const GO_KINDS: Readonly<Record<string, string>> = { array: 'slice', object: 'map', number: 'int64' };

/** What upstream's converter says, through which strategic merge goes in the decoder's place. */
function converterProblem(why: string): string {
  const [, json = '', type] = /cannot unmarshal (\w+) .*of type (\S+)$/.exec(why) ?? [];
  if (type === undefined) return why;
  const found = GO_KINDS[json] ?? json;
  if (type.startsWith('[]')) return `cannot restore slice from ${found}`;
  if (type.startsWith('map[')) return `cannot restore map from ${found}`;
  if (type.includes('.')) return `cannot restore struct from: ${found}`;
  return type === 'string' && json === 'number'
    ? 'cannot convert int64 to string'
    : `unrecognized type: ${type}`;
}

function withoutManagers(object: KubeObject): KubeObject {
  const { managedFields: _managers, ...metadata } = object.metadata ?? {};
  return { ...object, metadata };
}

function patchFailure(error: PatchError): Error {
  if (error.status === 413) return requestEntityTooLarge(error.message);
  // Upstream's words for it, which say no more (NewGenericServerResponse of apimachinery pkg/api/errors).
  if (error.status === 422) {
    return failure(
      422,
      'Invalid',
      'the server rejected our request due to an error in our request',
      {},
      error,
    );
  }
  if (error.status === 500) return failure(500, '', error.message, {}, error);
  return badRequest(error.message);
}
