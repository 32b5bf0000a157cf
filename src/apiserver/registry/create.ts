import type { KubeObject } from '../../api/resource.ts';
import { rfc3339 } from '../../base/clock.ts';
import { trackManager } from '../apply/field-managers.ts';
import type { AdmissionAttributes } from '../admission-plugin.ts';
import type { RequestContext } from '../request-context.ts';
import type { StrategyContext, Undo } from '../resource-definition.ts';
import type { FieldError } from '../field-error.ts';
import { alreadyExists, badRequest, failure, generateNameConflict, invalidObject } from '../status-errors.ts';
import { generatedName } from './generated-name.ts';
import { countsGeneration } from './generation.ts';
import { pathSegmentErrors, validateMetaOnCreate } from './object-meta.ts';
import { strategyContext } from './registry-env.ts';
import type { RegistryEnv } from './registry-env.ts';
import type { ServedResource } from './served-resource.ts';
import { storedOutcome } from './write-outcome.ts';
import type { WriteOutcome } from './write-outcome.ts';

/** Generated names collide once in 14 million; upstream tries as often. */
const NAME_ATTEMPTS = 8;

export interface CreateParams {
  namespace: string;
  context: RequestContext;
  dryRun: boolean;
  /** Who owns the fields from now on, for metadata.managedFields; undefined leaves them as they are. */
  manager?: string;
  /** The server's own writes are not reviewed. */
  admission: boolean;
  options?: KubeObject;
}

/** Creates an object; `object` is the request's own copy and is changed. */
export async function createObject(
  env: RegistryEnv,
  served: ServedResource,
  object: KubeObject,
  params: CreateParams,
): Promise<WriteOutcome> {
  checkNamespace(served, object, params.namespace);
  const base = object.metadata?.generateName ?? '';
  const wantsName = !object.metadata?.name && base !== '';
  if (!wantsName) return createOnce(env, served, object, params);
  for (let attempt = 1; ; attempt++) {
    const copy = served.codec.clone(object);
    try {
      return await createOnce(env, served, copy, params);
    } catch (error) {
      if (!isNameTaken(error)) throw error;
      if (attempt >= NAME_ATTEMPTS)
        throw generateNameConflict(served.groupResource, copy.metadata?.name ?? '');
    }
  }
}

async function createOnce(
  env: RegistryEnv,
  served: ServedResource,
  object: KubeObject,
  params: CreateParams,
): Promise<WriteOutcome> {
  const { definition } = served;
  const strategy = definition.strategy;
  const context = strategyContext(env, params.context);
  object.apiVersion = served.apiVersion;
  object.kind = served.info.kind;
  // The store refuses a version, and a trial does not come to it.
  if (params.dryRun && object.metadata) delete object.metadata.resourceVersion;
  resetSystemFields(object);
  strategy?.defaults?.(object);
  trackManager(env, served, undefined, object, { ...managerOf(params), subresource: '' });
  const attributes = createAttributes(served, object, params);
  if (params.admission) {
    await env.admission.admit(attributes, env.store);
    object = attributes.object ?? object;
    checkNamespace(served, object, params.namespace);
    strategy?.defaults?.(object);
  }
  prepare(env, served, object, context);
  const name = object.metadata?.name ?? '';
  const errors: FieldError[] = [
    ...validateMetaOnCreate(definition, object),
    ...((await strategy?.validateCreate?.(object, context)) ?? []),
  ];
  if (errors.length === 0) errors.push(...pathSegmentErrors(object));
  if (errors.length > 0) throw invalidObject({ ...served.info }, name, errors);
  for (const text of strategy?.warningsOnCreate?.(object) ?? []) params.context.warn(text);
  if (params.admission) await env.admission.validate({ ...attributes, object, name }, env.store);
  const undo = await strategy?.beforeCreate?.(object, context);
  return store(env, served, object, params, context, undo);
}

function managerOf(params: CreateParams): { manager?: string } {
  return params.manager === undefined ? {} : { manager: params.manager };
}

/** Writes the object, and takes allocations back where that fails or was only a trial. */
async function store(
  env: RegistryEnv,
  served: ServedResource,
  object: KubeObject,
  params: CreateParams,
  context: StrategyContext,
  undo: Undo | undefined,
): Promise<WriteOutcome> {
  const name = object.metadata?.name ?? '';
  const key = served.storageKey(params.namespace, name);
  let kept = false;
  try {
    if (params.dryRun) {
      const { kv } = await env.storage.get(key);
      if (kv) throw alreadyExists(served.groupResource, name);
      return { object, entry: undefined, created: true };
    }
    const value = await served.toStored(object);
    const result = await env.storage.put(key, value, 0);
    if (!result.ok) throw nameTaken(served, name, result.current?.value);
    kept = true;
    await served.definition.strategy?.afterCreate?.(object, context);
    return await storedOutcome(env, served, params.namespace, name, value, result.revision, true);
  } finally {
    if (!kept && undo) await undo();
  }
}

function nameTaken(served: ServedResource, name: string, current: Buffer | undefined): Error {
  const error = alreadyExists(served.groupResource, name);
  const existing = current ? served.codec.parse(current) : undefined;
  if (existing?.metadata?.deletionTimestamp) {
    error.status.message = `object is being deleted: ${error.status.message}`;
  }
  return error;
}

function isNameTaken(error: unknown): boolean {
  return error instanceof Error && 'reason' in error && error.reason === 'AlreadyExists';
}

/** Puts the request's namespace into the object, or refuses one that differs. */
export function checkNamespace(served: ServedResource, object: KubeObject, namespace: string): void {
  const metadata = (object.metadata ??= {});
  if (!served.info.namespaced) {
    // What belongs to no namespace is in none, whatever the client says.
    if (namespace === '') delete metadata.namespace;
    return;
  }
  if (!metadata.namespace) metadata.namespace = namespace;
  if (metadata.namespace !== namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
}

/** Clients may send back what they read; what only the server sets is dropped. */
export function resetSystemFields(object: KubeObject): void {
  const metadata = (object.metadata ??= {});
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== '') {
    throw failure(500, '', 'resourceVersion should not be set on objects to be created');
  }
  delete metadata.resourceVersion;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.uid;
  delete metadata.creationTimestamp;
  delete (metadata as { selfLink?: string }).selfLink;
}

function prepare(
  env: RegistryEnv,
  served: ServedResource,
  object: KubeObject,
  context: StrategyContext,
): void {
  const metadata = (object.metadata ??= {});
  metadata.uid = env.random.uuid();
  metadata.creationTimestamp = rfc3339(env.clock.now());
  if (!metadata.name && metadata.generateName)
    metadata.name = generatedName(metadata.generateName, env.random);
  const strategy = served.definition.strategy;
  if (strategy?.prepareForCreate) strategy.prepareForCreate(object, context);
  else if (served.subresource('status')) delete (object as { status?: unknown }).status;
  served.fillZeros(object);
  // Where nobody counts changes, what the client says stays as it is.
  if (countsGeneration(served.definition, object)) metadata.generation = 1;
}

function createAttributes(
  served: ServedResource,
  object: KubeObject,
  params: CreateParams,
): AdmissionAttributes {
  return {
    operation: 'CREATE',
    resource: served.info,
    subresource: '',
    namespace: params.namespace,
    name: object.metadata?.name ?? '',
    object,
    oldObject: undefined,
    options: params.options,
    context: params.context,
  };
}
