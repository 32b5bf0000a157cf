import type { KubeObject, ObjectMetaLike } from '../../api/resource.ts';
import { rfc3339 } from '../../base/clock.ts';
import type { ObjectDeleteOptions } from '../object-store.ts';
import type { StrategyContext } from '../resource-definition.ts';
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from './object-meta.ts';
import type { ServedResource } from './served-resource.ts';

export interface DeletionPlan {
  /**
   * 'nothing': it is already being deleted and stays so. 'update': grace or finalizers are left.
   * 'update-then-delete': a kind with grace goes at once, but watchers see the mark first, as upstream.
   */
  next: 'nothing' | 'update' | 'update-then-delete' | 'delete';
  /** The object to write, for the two updates. */
  object: KubeObject;
}

/**
 * What a DELETE does to an object in its present state; `object` is a copy that becomes the next state.
 * Mirrors apiserver pkg/registry/rest/delete.go and generic/registry/store.go.
 */
export function planDeletion(
  served: ServedResource,
  object: KubeObject,
  options: ObjectDeleteOptions,
  context: StrategyContext,
): DeletionPlan {
  const meta = (object.metadata ??= {});
  const strategy = served.definition.strategy;
  let graceSeconds: number | undefined;
  if (strategy?.gracePeriodSeconds) {
    const grace = applyGrace(meta, asked(options), context, (wanted) =>
      strategy.gracePeriodSeconds!(object, wanted, context),
    );
    if (grace === 'pending') return { next: 'nothing', object };
    if (grace !== 'none') graceSeconds = grace;
  }
  const finalizersChanged = applyPropagation(served, meta, options);
  const pending = (meta.finalizers?.length ?? 0) > 0 || strategy?.readyToDelete?.(object) === false;
  if (graceSeconds !== undefined) {
    return { next: graceSeconds > 0 || pending ? 'update' : 'update-then-delete', object };
  }
  if (!pending) return { next: 'delete', object };
  if (meta.deletionTimestamp && !finalizersChanged) return { next: 'nothing', object };
  markDeleting(served, object, context);
  return { next: 'update', object };
}

/** A negative grace period counts as one second. */
function asked(options: ObjectDeleteOptions): ObjectDeleteOptions {
  const grace = options.gracePeriodSeconds;
  return grace !== undefined && grace < 0 ? { ...options, gracePeriodSeconds: 1 } : options;
}

/** Sets or shortens the grace period; its length, 'pending' where nothing changes, 'none' where it is over. */
function applyGrace(
  meta: ObjectMetaLike,
  options: ObjectDeleteOptions,
  context: StrategyContext,
  graceFor: (options: ObjectDeleteOptions) => number,
): number | 'pending' | 'none' {
  const present = meta.deletionGracePeriodSeconds;
  if (!meta.deletionTimestamp) {
    const grace = graceFor(options);
    meta.deletionTimestamp = rfc3339(context.now + grace * 1000);
    meta.deletionGracePeriodSeconds = grace;
    if ((meta.generation ?? 0) > 0) meta.generation = (meta.generation ?? 0) + 1;
    return grace;
  }
  if (present === undefined || present === 0) return 'none';
  let period = options.gracePeriodSeconds;
  if (period === undefined || period >= present) return 'pending';
  let due = Date.parse(meta.deletionTimestamp) + (period - present) * 1000;
  if (due < context.now) {
    due = context.now;
    // Whoever ends the object still has to notice: the shortest grace that is one.
    if (period !== 0) period = 1;
  }
  meta.deletionTimestamp = rfc3339(due);
  meta.deletionGracePeriodSeconds = period;
  return period;
}

/** Sets the garbage collector's finalizers as the client or the kind wants; tells whether they changed. */
function applyPropagation(
  served: ServedResource,
  meta: ObjectMetaLike,
  options: ObjectDeleteOptions,
): boolean {
  const before = meta.finalizers ?? [];
  const policy = propagation(served, before, options);
  const after = before.filter((name) => name !== ORPHAN_FINALIZER && name !== FOREGROUND_FINALIZER);
  if (policy === 'Orphan') after.push(ORPHAN_FINALIZER);
  if (policy === 'Foreground') after.push(FOREGROUND_FINALIZER);
  const same = after.length === before.length && after.every((name) => before.includes(name));
  if (same) return false;
  if (after.length > 0) meta.finalizers = after;
  else delete meta.finalizers;
  return true;
}

function propagation(
  served: ServedResource,
  finalizers: readonly string[],
  options: ObjectDeleteOptions,
): 'Orphan' | 'Foreground' | 'Background' {
  if (options.propagationPolicy) return options.propagationPolicy;
  if (finalizers.includes(ORPHAN_FINALIZER)) return 'Orphan';
  if (finalizers.includes(FOREGROUND_FINALIZER)) return 'Foreground';
  const byKind = served.definition.strategy?.defaultPropagation;
  if (byKind === 'orphan') return 'Orphan';
  return byKind === 'foreground' ? 'Foreground' : 'Background';
}

function markDeleting(served: ServedResource, object: KubeObject, context: StrategyContext): void {
  const meta = (object.metadata ??= {});
  const strategy = served.definition.strategy;
  const first = !meta.deletionTimestamp;
  if (first && (meta.generation ?? 0) > 0) meta.generation = (meta.generation ?? 0) + 1;
  if (first || Date.parse(meta.deletionTimestamp ?? '') > context.now) {
    meta.deletionTimestamp = rfc3339(context.now);
  }
  // Namespaces end in their own way and have no grace.
  if (strategy?.beginDeletion) {
    if (first) strategy.beginDeletion(object, context);
  } else meta.deletionGracePeriodSeconds = 0;
}
