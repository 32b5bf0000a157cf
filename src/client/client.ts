import type { KubeObject, ResourceInfo } from '../api/resource.ts';

export interface ObjectRef {
  namespace?: string;
  name: string;
}

export interface GetOptions {
  subresource?: string;
  metadataOnly?: boolean;
  signal?: AbortSignal;
}

export interface ListOptions {
  /** All namespaces where absent. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  /** Asks for PartialObjectMetadata: the objects come with apiVersion, kind and metadata alone. */
  metadataOnly?: boolean;
  signal?: AbortSignal;
}

export interface ObjectList<T> {
  items: T[];
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
}

export interface WatchOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion?: string;
  allowWatchBookmarks?: boolean;
  sendInitialEvents?: boolean;
  timeoutSeconds?: number;
  metadataOnly?: boolean;
  signal: AbortSignal;
}

export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; object: KubeObject };

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

export interface WriteOptions {
  subresource?: string;
  dryRun?: boolean;
  fieldManager?: string;
  signal?: AbortSignal;
}

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: boolean;
}

/**
 * What components use of the API. The REST client (rest-client.ts) talks to one of several API servers and
 * moves on when one fails; the fake (memory-client.ts) keeps objects in memory for unit tests. Every method
 * rejects with ApiError (errors.ts) where the server answers with a Status.
 */
export interface Client {
  get<T extends KubeObject>(resource: ResourceInfo<T>, ref: ObjectRef, options?: GetOptions): Promise<T>;
  list<T extends KubeObject>(resource: ResourceInfo<T>, options?: ListOptions): Promise<ObjectList<T>>;
  /** `subresource` posts to '/<name>/<subresource>' of the object's own name, e.g. a Binding to pods/web/binding. */
  create<T extends KubeObject>(resource: ResourceInfo<T>, object: T, options?: WriteOptions): Promise<T>;
  /** POST of another kind to a subresource: pods/binding, pods/eviction, serviceaccounts/token. */
  createSubresource<T extends KubeObject, S extends KubeObject>(
    resource: ResourceInfo<T>,
    ref: ObjectRef,
    subresource: string,
    object: S,
  ): Promise<S>;
  update<T extends KubeObject>(resource: ResourceInfo<T>, object: T, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(
    resource: ResourceInfo<T>,
    ref: ObjectRef,
    patch: unknown,
    options: WriteOptions & { type: PatchType; force?: boolean },
  ): Promise<T>;
  delete<T extends KubeObject>(
    resource: ResourceInfo<T>,
    ref: ObjectRef,
    options?: DeleteOptions,
  ): Promise<void>;
  deleteCollection<T extends KubeObject>(
    resource: ResourceInfo<T>,
    options: ListOptions & DeleteOptions,
  ): Promise<void>;
  /** Events until the server ends the stream (a clean end) or the signal aborts; ERROR events reject as ApiError. */
  watch<T extends KubeObject>(resource: ResourceInfo<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** A raw JSON request, for discovery and health. */
  request(method: string, path: string, body?: unknown): Promise<{ status: number; body: Buffer }>;
  close(): void;
}
