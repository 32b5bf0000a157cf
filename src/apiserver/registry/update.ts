import type { KubeObject } from '../../api/resource.ts';
import { keepTimesOfNoChange, trackManager } from '../apply/field-managers.ts';
import type { FieldError } from '../field-error.ts';
import { invalid } from '../field-error.ts';
import type { RequestContext } from '../request-context.ts';
import type { StatusSubresource, StrategyContext, Undo } from '../resource-definition.ts';
import { identicalJson } from './identical-json.ts';
import { badRequest, conflict, failure, invalidObject, notFound } from '../status-errors.ts';
import type { CacheEntry } from '../watch-cache/cache-entry.ts';
import { createObject } from './create.ts';
import { finishDeletion } from './delete.ts';
import { bumpsGeneration } from './generation.ts';
import { validateMetaOnUpdate } from './object-meta.ts';
import { readEntry } from './read-entry.ts';
import { strategyContext } from './registry-env.ts';
import type { RegistryEnv } from './registry-env.ts';
import type { ServedResource } from './served-resource.ts';
import { storedOutcome } from './write-outcome.ts';
import type { WriteOutcome } from './write-outcome.ts';

export interface UpdateParams {
  namespace: string;
  name: string;
  context: RequestContext;
  dryRun: boolean;
  admission: boolean;
  /** The part that is written; undefined for the object itself. */
  part?: StatusSubresource<KubeObject>;
  options?: KubeObject;
  /** Who changes the fields, for metadata.managedFields; undefined leaves these as the transform gives them. */
  manager?: string;
  /** A patch: it names no object of its own, whatever uid it sets. */
  isPatch?: boolean;
  /** What a PUT to a missing name creates; undefined where that is not allowed. */
  createInstead?: () => KubeObject | Promise<KubeObject>;
  /** False for the server's own writes that may change what clients may not. */
  strategy?: boolean;
}

/** Makes the new object out of the current one (shared: not to be changed). undefined leaves it as it is. */
export type Transform = (
  current: KubeObject,
  context: StrategyContext,
) => KubeObject | undefined | Promise<KubeObject | undefined>;

/**
 * Reads, transforms, reviews and writes, again from the start when another write came between and the
 * client named no version. The first try uses the cache; only its failure asks the store.
 */
export async function updateObject(
  env: RegistryEnv,
  served: ServedResource,
  params: UpdateParams,
  transform: Transform,
): Promise<WriteOutcome> {
  let fresh = false;
  for (;;) {
    const entry = await readEntry(env, served, params.namespace, params.name, fresh);
    if (!entry) {
      if (!fresh) {
        fresh = true;
        continue;
      }
      if (!params.createInstead) throw notFound(served.groupResource, params.name);
      return createObject(env, served, await params.createInstead(), {
        ...params,
        options: { ...params.options, kind: 'CreateOptions' },
      });
    }
    try {
      const outcome = await updateOnce(env, served, params, transform, entry);
      if (outcome) return outcome;
      fresh = true;
    } catch (error) {
      // What looked wrong may only have looked so in an old state.
      const newest = fresh ? entry : await readEntry(env, served, params.namespace, params.name, true);
      if (newest?.revision === entry.revision) throw error;
      fresh = true;
    }
  }
}

/** One try; undefined where another write came between. */
async function updateOnce(
  env: RegistryEnv,
  served: ServedResource,
  params: UpdateParams,
  transform: Transform,
  entry: CacheEntry,
): Promise<WriteOutcome | undefined> {
  const old = served.object(entry);
  const context = strategyContext(env, params.context);
  let object = await transform(old, context);
  if (object === undefined) return { object: old, entry, created: false };
  checkIdentity(served, object, params);
  checkVersion(served, object, old, params);
  const strategy = served.definition.strategy;
  object.apiVersion = served.apiVersion;
  object.kind = served.info.kind;
  if (params.strategy !== false) strategy?.defaults?.(object);
  const subresource = params.part?.name ?? '';
  if (params.manager !== undefined) {
    trackManager(env, served, old, object, { manager: params.manager, subresource });
  }
  const attributes = {
    operation: 'UPDATE' as const,
    resource: served.info,
    subresource,
    namespace: params.namespace,
    name: params.name,
    object: object as KubeObject | undefined,
    oldObject: old,
    options: params.options,
    context: params.context,
  };
  if (params.admission) {
    await env.admission.admit(attributes, env.store);
    object = attributes.object ?? object;
    if (params.strategy !== false) strategy?.defaults?.(object);
  }
  keepTimesOfNoChange(object, old);
  takeOverMeta(object, old);
  if (params.strategy !== false) prepare(served, object, old, params, context);
  served.fillZeros(object);
  if (params.strategy !== false) await validate(served, object, old, params, context);
  if (params.admission) await env.admission.validate({ ...attributes, object }, env.store);
  if (identicalJson(object, old)) return { object: old, entry, created: false };
  if (shouldDelete(served, object, old)) {
    return finishDeletion(env, served, params, entry, object, context);
  }
  const undo =
    params.strategy === false || params.part
      ? undefined
      : await strategy?.beforeUpdate?.(object, old, context);
  return store(env, served, params, entry, object, context, undo);
}

async function store(
  env: RegistryEnv,
  served: ServedResource,
  params: UpdateParams,
  entry: CacheEntry,
  object: KubeObject,
  context: StrategyContext,
  undo: Undo | undefined,
): Promise<WriteOutcome | undefined> {
  let kept = false;
  try {
    if (params.dryRun) {
      const { kv } = await env.storage.get(served.storageKey(params.namespace, params.name));
      if (kv?.modRevision !== entry.revision) return undefined;
      return { object, entry: undefined, created: false };
    }
    const value = await served.toStored(object);
    const key = served.storageKey(params.namespace, params.name);
    const result = await env.storage.put(key, value, entry.revision);
    if (!result.ok) return undefined;
    kept = true;
    const old = served.object(entry);
    if (!params.part) await served.definition.strategy?.afterUpdate?.(object, old, context);
    return await storedOutcome(env, served, params.namespace, params.name, value, result.revision, false);
  } finally {
    if (!kept && undo) await undo();
  }
}

function checkIdentity(served: ServedResource, object: KubeObject, params: UpdateParams): void {
  const metadata = (object.metadata ??= {});
  metadata.name ??= params.name;
  if (metadata.name === '') metadata.name = params.name;
  if (metadata.name !== params.name) {
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${params.name})`,
    );
  }
  if (!served.info.namespaced) return;
  if (!metadata.namespace) metadata.namespace = params.namespace;
  if (metadata.namespace !== params.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

function checkVersion(
  served: ServedResource,
  object: KubeObject,
  old: KubeObject,
  params: UpdateParams,
): void {
  const { name } = params;
  const metadata = (object.metadata ??= {});
  const uid = metadata.uid ?? '';
  // In a patch the uid is an immutable field: validation says so.
  if (!params.isPatch && uid !== '' && uid !== old.metadata?.uid) {
    throw conflict(served.groupResource, name, otherObject(served, params, uid, old.metadata?.uid ?? ''));
  }
  const asked = metadata.resourceVersion ?? '';
  if (asked === '' || asked === '0') {
    if (served.definition.strategy?.allowUnconditionalUpdate === false) {
      const error = invalid('metadata.resourceVersion', 0, 'must be specified for an update');
      // Upstream names the resource where others have the kind.
      throw invalidObject({ group: served.info.group, kind: served.info.resource }, name, [error]);
    }
  } else if (!/^[0-9]+$/.test(asked)) {
    throw failure(500, '', `strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`);
  } else if (asked !== old.metadata?.resourceVersion) {
    throw conflict(served.groupResource, name);
  }
  metadata.resourceVersion = old.metadata?.resourceVersion ?? '';
}

/** What a client left out or may not change is taken from the old object, as upstream's rest.BeforeUpdate. */
/** The words of upstream's store (pkg/storage/errors.go), which operators' tools look for. */
function otherObject(served: ServedResource, params: UpdateParams, asked: string, found: string): string {
  const { group, resource } = served.info;
  const folder = served.definition.custom ? `${group}/${resource}` : resource;
  const path = [folder, params.namespace, params.name].filter((part) => part !== '').join('/');
  const why = `Precondition failed: UID in precondition: ${asked}, UID in object meta: ${found}`;
  return `StorageError: invalid object, Code: 4, Key: /registry/${path}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`;
}

function takeOverMeta(object: KubeObject, old: KubeObject): void {
  const metadata = (object.metadata ??= {});
  const before = old.metadata ?? {};
  if (!metadata.uid) metadata.uid = before.uid ?? '';
  // What clients say of it is passed over.
  if (before.creationTimestamp) metadata.creationTimestamp = before.creationTimestamp;
  else metadata.creationTimestamp ??= '';
  if (before.deletionTimestamp) metadata.deletionTimestamp = before.deletionTimestamp;
  if (before.deletionGracePeriodSeconds !== undefined) {
    metadata.deletionGracePeriodSeconds ??= before.deletionGracePeriodSeconds;
  }
  if (before.generation === undefined) delete metadata.generation;
  else metadata.generation = before.generation;
  if (before.generateName !== undefined) metadata.generateName ??= before.generateName;
  delete (metadata as { selfLink?: string }).selfLink;
}

function prepare(
  served: ServedResource,
  object: KubeObject,
  old: KubeObject,
  params: UpdateParams,
  context: StrategyContext,
): void {
  const { definition } = served;
  if (params.part) {
    if (params.part.prepareForUpdate) params.part.prepareForUpdate(object, old, context);
    else if (params.part.name === 'status') keepAllButStatus(object, old);
    if (params.part.bumpsGeneration && bumpsGeneration(definition, object, old)) bump(object, old);
    return;
  }
  if (definition.strategy?.prepareForUpdate) definition.strategy.prepareForUpdate(object, old, context);
  else if (served.subresource('status')) takeStatus(object, old);
  if (bumpsGeneration(definition, object, old)) bump(object, old);
}

function bump(object: KubeObject, old: KubeObject): void {
  (object.metadata ??= {}).generation = (old.metadata?.generation ?? 0) + 1;
}

/** An update of the object does not touch its status. */
export function takeStatus(object: KubeObject, old: KubeObject): void {
  const target = object as { status?: unknown };
  const status = (old as { status?: unknown }).status;
  if (status === undefined) delete target.status;
  else target.status = status;
}

/** An update of the status touches only it and labels, annotations, owners and finalizers. */
export function keepAllButStatus(object: KubeObject, old: KubeObject): void {
  const target = object as Record<string, unknown>;
  for (const name of Object.keys(target)) if (name !== 'status' && name !== 'metadata') delete target[name];
  for (const [name, value] of Object.entries(old)) {
    if (name !== 'status' && name !== 'metadata') target[name] = value;
  }
}

async function validate(
  served: ServedResource,
  object: KubeObject,
  old: KubeObject,
  params: UpdateParams,
  context: StrategyContext,
): Promise<void> {
  const errors: FieldError[] = validateMetaOnUpdate(
    served.definition,
    object,
    old,
    params.part?.anyFinalizer,
  );
  const strategy = served.definition.strategy;
  const rules = params.part ?? strategy;
  errors.push(...((await rules?.validateUpdate?.(object, old, context)) ?? []));
  if (errors.length > 0) throw invalidObject({ ...served.info }, params.name, errors);
  for (const text of rules?.warningsOnUpdate?.(object, old) ?? []) params.context.warn(text);
}

/** The last finalizer of an object that is being deleted has gone. */
function shouldDelete(served: ServedResource, object: KubeObject, old: KubeObject): boolean {
  if ((object.metadata?.finalizers?.length ?? 0) > 0) return false;
  if (!old.metadata?.deletionTimestamp) return false;
  if ((old.metadata.deletionGracePeriodSeconds ?? 0) > 0) return false;
  return served.definition.strategy?.readyToDelete?.(object) ?? true;
}
