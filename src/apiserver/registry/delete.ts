import type { KubeObject } from '../../api/resource.ts';
import { messageOf } from '../../base/errors.ts';
import type { ObjectDeleteOptions } from '../object-store.ts';
import type { RequestContext } from '../request-context.ts';
import type { StrategyContext } from '../resource-definition.ts';
import { conflict, notFound } from '../status-errors.ts';
import type { CacheEntry } from '../watch-cache/cache-entry.ts';
import { planDeletion } from './deletion-plan.ts';
import { readEntry } from './read-entry.ts';
import { strategyContext } from './registry-env.ts';
import type { RegistryEnv } from './registry-env.ts';
import type { ServedResource } from './served-resource.ts';
import { caughtUp, storedOutcome } from './write-outcome.ts';
import type { WriteOutcome } from './write-outcome.ts';

export interface DeleteParams {
  namespace: string;
  name: string;
  context: RequestContext;
  dryRun: boolean;
  admission: boolean;
  /** As the client sent them; with `orphanDependents` folded into propagationPolicy. */
  deleteOptions: ObjectDeleteOptions;
  /** The same as an object, for admission. */
  options?: KubeObject;
}

export interface DeleteOutcome {
  /** False where it only began: finalizers or grace are left. */
  deleted: boolean;
  /** The last state; with `entry` where it is stored. */
  object: KubeObject;
  entry: CacheEntry | undefined;
}

/** Deletes, or begins to. Mirrors Delete of apiserver pkg/registry/generic/registry/store.go. */
export async function deleteObject(
  env: RegistryEnv,
  served: ServedResource,
  params: DeleteParams,
): Promise<DeleteOutcome> {
  const warnings = served.definition.strategy?.warningsOnDelete?.(params.deleteOptions) ?? [];
  for (const text of warnings) params.context.warn(text);
  let fresh = false;
  for (;;) {
    const entry = await readEntry(env, served, params.namespace, params.name, fresh);
    if (!entry) {
      if (fresh) throw notFound(served.groupResource, params.name);
      fresh = true;
      continue;
    }
    try {
      const outcome = await deleteOnce(env, served, params, entry);
      if (outcome) return outcome;
    } catch (error) {
      const newest = fresh ? entry : await readEntry(env, served, params.namespace, params.name, true);
      if (newest?.revision === entry.revision) throw error;
    }
    fresh = true;
  }
}

async function deleteOnce(
  env: RegistryEnv,
  served: ServedResource,
  params: DeleteParams,
  entry: CacheEntry,
): Promise<DeleteOutcome | undefined> {
  const old = served.object(entry);
  const context = strategyContext(env, params.context);
  checkPreconditions(served, old, params);
  if (params.admission) await review(env, served, params, old);
  const plan = planDeletion(served, served.copy(entry), params.deleteOptions, context);
  if (plan.next === 'nothing') return { deleted: false, object: old, entry };
  if (plan.next === 'delete') return remove(env, served, params, entry, old, context);
  if (params.dryRun)
    return { deleted: plan.next === 'update-then-delete', object: plan.object, entry: undefined };
  const value = await served.toStored(plan.object);
  const key = served.storageKey(params.namespace, params.name);
  const result = await env.storage.put(key, value, entry.revision);
  if (!result.ok) return undefined;
  const outcome = await storedOutcome(
    env,
    served,
    params.namespace,
    params.name,
    value,
    result.revision,
    false,
  );
  if (plan.next === 'update' || !outcome.entry) {
    return { deleted: false, object: outcome.object, entry: outcome.entry };
  }
  // Where someone wrote between the two steps, begin again: the object may have got finalizers.
  return remove(env, served, params, outcome.entry, outcome.object, context);
}

/** Takes the object out of the store if it still is what was looked at. */
async function remove(
  env: RegistryEnv,
  served: ServedResource,
  params: { namespace: string; name: string; dryRun: boolean },
  entry: CacheEntry,
  object: KubeObject,
  context: StrategyContext,
): Promise<DeleteOutcome | undefined> {
  if (params.dryRun) return { deleted: true, object, entry: undefined };
  const key = served.storageKey(params.namespace, params.name);
  const result = await env.storage.delete(key, entry.revision);
  if (!result.ok) return undefined;
  await caughtUp(env, result.revision);
  try {
    await served.definition.strategy?.afterDelete?.(object, context);
  } catch (error) {
    env.log.error({ key, error: messageOf(error) }, 'what a deleted object held could not be released');
  }
  return { deleted: true, object, entry };
}

/** An update took the last finalizer away: the object goes instead of being written. */
export async function finishDeletion(
  env: RegistryEnv,
  served: ServedResource,
  params: { namespace: string; name: string; dryRun: boolean },
  entry: CacheEntry,
  object: KubeObject,
  context: StrategyContext,
): Promise<WriteOutcome | undefined> {
  const removed = await remove(env, served, params, entry, object, context);
  return removed && { object, entry: undefined, created: false };
}

function checkPreconditions(served: ServedResource, old: KubeObject, params: DeleteParams): void {
  const wanted = params.deleteOptions.preconditions;
  const uid = old.metadata?.uid ?? '';
  const version = old.metadata?.resourceVersion ?? '';
  const resource = { group: served.info.group, resource: served.info.kind };
  if (wanted?.uid !== undefined && wanted.uid !== uid) {
    const why =
      `the UID in the precondition (${wanted.uid}) does not match the UID in record (${uid}). ` +
      'The object might have been deleted and then recreated';
    throw conflict(resource, params.name, why);
  }
  if (wanted?.resourceVersion !== undefined && wanted.resourceVersion !== version) {
    const why =
      `the ResourceVersion in the precondition (${wanted.resourceVersion}) does not match the ` +
      `ResourceVersion in record (${version}). The object might have been modified`;
    throw conflict(resource, params.name, why);
  }
}

async function review(
  env: RegistryEnv,
  served: ServedResource,
  params: DeleteParams,
  old: KubeObject,
): Promise<void> {
  const attributes = {
    operation: 'DELETE' as const,
    resource: served.info,
    subresource: '',
    namespace: params.namespace,
    name: params.name,
    object: undefined,
    oldObject: old,
    options: params.options,
    context: params.context,
  };
  await env.admission.admit(attributes, env.store);
  await env.admission.validate(attributes, env.store);
}
