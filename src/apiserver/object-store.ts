import type { KubeObject, ResourceInfo } from '../api/resource.ts';

/**
 * Other objects as the server itself sees them: no authentication, authorization or admission. Returned
 * objects are shared with the cache: callers must not change them.
 */
export interface ObjectReader {
  /** From the watch cache: may lag the newest write of another server by a moment. */
  get<T extends KubeObject>(
    resource: ResourceInfo<T>,
    name: string,
    namespace?: string,
  ): Promise<T | undefined>;
  /** From the store itself: never stale. */
  getFresh<T extends KubeObject>(
    resource: ResourceInfo<T>,
    name: string,
    namespace?: string,
  ): Promise<T | undefined>;
  /** From the watch cache; all namespaces where `namespace` is absent. */
  list<T extends KubeObject>(resource: ResourceInfo<T>, namespace?: string): Promise<T[]>;
}

export interface ObjectStore extends ObjectReader {
  /** Creates with defaults and validation, without admission. Rejects with AlreadyExists and the like. */
  create<T extends KubeObject>(resource: ResourceInfo<T>, object: T): Promise<T>;
  /**
   * Reads, changes, writes; again from the start when another write came between. `change` gets its own
   * copy and returns what to store; returning undefined leaves the object alone. With `validate` false the
   * strategy's update rules are skipped (a subresource that may change what an update may not).
   */
  update<T extends KubeObject>(
    resource: ResourceInfo<T>,
    name: string,
    namespace: string | undefined,
    change: (current: T) => T | undefined | Promise<T | undefined>,
  ): Promise<T>;
  /** Deletes with the kind's deletion rules (grace, finalizers). False where there was nothing. */
  delete(
    resource: ResourceInfo,
    name: string,
    namespace: string | undefined,
    options?: ObjectDeleteOptions,
  ): Promise<boolean>;
}

export interface ObjectDeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: boolean;
}
