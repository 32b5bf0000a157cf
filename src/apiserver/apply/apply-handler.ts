import { ApplyConflictError, ApplyError } from '../../api/apply/errors.ts';
import { decodeValue } from '../../api/json/decode.ts';
import type { loadYaml } from '../../api/json/yaml.ts';
import { deepClone, isObject } from '../../api/objects.ts';
import type { KubeObject } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import { rfc3339 } from '../../base/clock.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import { bodyReading } from '../codec/body-reading.ts';
import { warningsOf } from '../codec/decode-body.ts';
import type { ResourceCall } from '../handlers/resource-call.ts';
import type { WriteOptions } from '../handlers/write-options.ts';
import type { RequestContext } from '../request-context.ts';
import { applyConflict, badRequest, conflict, failure } from '../status-errors.ts';
import { fieldManagerOf } from './field-managers.ts';

export const APPLY_PATCH = 'application/apply-patch+yaml';

/** What someone applies, as it was sent. */
export interface AppliedConfig {
  readonly object: KubeObject;
  /** Keys that the text sets twice, in the words of the YAML library. */
  readonly duplicates: readonly string[];
}

/** Reads an applied configuration: YAML, or JSON, which is YAML too. */
export async function readApplied(context: RequestContext): Promise<AppliedConfig> {
  const bytes = await context.http.body();
  let loaded: ReturnType<typeof loadYaml>;
  if (bytes.length < 1000 && bytes.toString().trim() === '') return { object: {}, duplicates: [] };
  try {
    loaded = await bodyReading.read('yaml', { bytes }, context.http.signal);
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    throw badRequest(`error decoding YAML: error converting YAML to JSON: ${error.message}`);
  }
  const { value, duplicates } = loaded;
  if (value !== null && value !== undefined && !isObject(value)) {
    const kind = Array.isArray(value) ? 'array' : typeof value;
    throw badRequest(
      `error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`,
    );
  }
  context.witness?.requestPatch(value ?? {});
  return { object: value ?? {}, duplicates };
}

/** The object that results from an apply over `current`; undefined current is nothing there yet. */
export function applyConfig(
  call: ResourceCall,
  applied: AppliedConfig,
  options: WriteOptions,
  current: KubeObject | undefined,
  subresource: string,
): KubeObject {
  const { env, served, context } = call;
  const manager = fieldManagerOf(env, served, subresource);
  const now = rfc3339(env.clock.now());
  let object: KubeObject;
  try {
    object = manager.apply(current, applied.object, options.fieldManager, options.force, now);
  } catch (error) {
    throw answerOf(error);
  }
  reportDuplicates(applied, options, context);
  checkName(call, object, current);
  return decoded(call, object);
}

/** The merged object in the form that the server keeps. */
function decoded(call: ResourceCall, object: KubeObject): KubeObject {
  const { info, definition } = call.served;
  const { managedFields } = object.metadata ?? {};
  if (object.metadata) delete object.metadata.managedFields;
  const value: unknown = deepClone(object);
  let result: KubeObject;
  try {
    result = (
      definition.custom
        ? definition.custom.decode(value)
        : decodeValue(value, schemaForKind(info.group, info.version, info.kind))
    ).object;
  } catch (error) {
    if (!(error instanceof SlipwayError) || error.code !== 'E_JSON') throw error;
    const type = `${info.group}/${info.version}, Kind=${info.kind}`;
    const { namespace = '', name = '' } = object.metadata ?? {};
    throw failure(
      500,
      '',
      `failed to convert new object (${namespace}/${name}; ${type}) to proper version: unable to convert unstructured object to ${type}: ${conversionProblem(messageOf(error))}`,
    );
  }
  if (managedFields) (result.metadata ??= {}).managedFields = managedFields;
  return result;
}

/** What upstream's converter says where our decoder says another thing. */
function conversionProblem(message: string): string {
  const fraction = /cannot unmarshal number -?\d+\.\d+ into .* of type (\w+)$/.exec(message);
  return fraction ? `cannot convert float64 to ${fraction[1]}` : message;
}

export function answerOf(error: unknown): unknown {
  if (error instanceof ApplyConflictError) return applyConflict(error.causes(), error.message);
  if (error instanceof ApplyError) {
    return error.status === 400 ? badRequest(error.message) : failure(500, '', error.message);
  }
  return error;
}

export function reportDuplicates(
  applied: AppliedConfig,
  options: WriteOptions,
  context: RequestContext,
): void {
  for (const text of applied.duplicates) {
    const message = `error converting YAML to JSON: ${text}`;
    if (options.fieldValidation === 'Strict') throw badRequest(`error strict decoding YAML: ${message}`);
    if (options.fieldValidation !== 'Warn') continue;
    for (const warning of warningsOf([text])) context.warn(warning);
  }
}

function checkName(call: ResourceCall, object: KubeObject, current: KubeObject | undefined): void {
  const { served, context } = call;
  const { name, namespace } = context.info;
  const meta = object.metadata ?? {};
  if (!current && meta.uid) {
    const why = `uid mismatch: the provided object specified uid ${meta.uid}, and no existing object was found`;
    throw conflict(served.groupResource, name, why);
  }
  if (!meta.name) {
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  }
  if (meta.name !== name) {
    throw badRequest(`the name of the object (${meta.name}) does not match the name on the URL (${name})`);
  }
  if (meta.namespace && served.info.namespaced && meta.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}
