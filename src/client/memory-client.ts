import { randomUUID } from 'node:crypto';
import { apiVersionOf } from '../api/resource.ts';
import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import { rfc3339 } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import type {
  Client,
  DeleteOptions,
  GetOptions,
  ListOptions,
  ObjectList,
  ObjectRef,
  PatchType,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts';
import { ApiError } from './errors.ts';
import { applyMemoryPatch } from './memory-patch.ts';
import { MemoryTables, cloneJson, keyOf } from './memory-tables.ts';
import type { Table } from './memory-tables.ts';
import { memoryDiscovery } from './memory-discovery.ts';
import { filterOf, graceOf, isHeld, mergeParts, metadataOf } from './memory-semantics.ts';
import type { RecordedWrite } from './memory-semantics.ts';

/**
 * The API in memory, for unit tests: optimistic concurrency, watches that resume, selectors, finalizers and
 * graceful deletion, subresources. It validates nothing and checks no permission. It passes the suite that
 * the REST client passes against the real server (test/contract/client.ts).
 */
export class MemoryClient implements Client {
  /** Every write that was accepted, in order. Empty it between steps. */
  writes: RecordedWrite[] = [];
  /** Called before each write; what it throws is the answer. */
  onWrite: ((write: RecordedWrite) => void) | undefined;
  readonly #tables: MemoryTables;
  readonly #clock: Clock;

  constructor(clock: Clock, objects: ReadonlyArray<[ResourceInfo, KubeObject]> = []) {
    this.#clock = clock;
    this.#tables = new MemoryTables();
    for (const [resource, object] of objects) this.seed(resource, object);
  }

  /** Puts an object as it is, status and deletionTimestamp included; fills in what the server would. */
  seed<T extends KubeObject>(resource: ResourceInfo<T>, object: T): T {
    return cloneJson(this.#insert(resource, cloneJson(object)));
  }

  async get<T extends KubeObject>(
    resource: ResourceInfo<T>,
    ref: ObjectRef,
    options: GetOptions = {},
  ): Promise<T> {
    const found = cloneJson(this.#find(resource, ref));
    return options.metadataOnly ? metadataOf(found) : found;
  }

  async list<T extends KubeObject>(
    resource: ResourceInfo<T>,
    options: ListOptions = {},
  ): Promise<ObjectList<T>> {
    const matches = filterOf(options);
    const table = this.#tables.of(resource);
    const after = options.continue ?? '';
    const keys = [...table.objects.keys()].sort().filter((key) => key > after);
    const found = keys
      .map((key) => [key, table.objects.get(key) as T] as const)
      .filter(([, object]) => matches(object));
    const page = options.limit ? found.slice(0, options.limit) : found;
    const items = page.map(([, object]) =>
      options.metadataOnly ? metadataOf(cloneJson(object)) : cloneJson(object),
    );
    const metadata: ObjectList<T>['metadata'] = { resourceVersion: String(this.#tables.revision) };
    if (page.length < found.length) {
      metadata.continue = page.at(-1)?.[0];
      metadata.remainingItemCount = found.length - page.length;
    }
    return { items, metadata };
  }

  async create<T extends KubeObject>(
    resource: ResourceInfo<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    const fresh = cloneJson(object);
    const metadata = (fresh.metadata ??= {});
    if (!metadata.name && metadata.generateName)
      metadata.name = metadata.generateName + randomUUID().slice(0, 5);
    this.#record({
      verb: 'create',
      resource: resource.resource,
      namespace: metadata.namespace,
      name: metadata.name,
      body: object,
    });
    if (this.#tables.of(resource).objects.has(keyOf(fresh)))
      throw this.#error(resource, 409, 'AlreadyExists', metadata.name, 'already exists');
    if (options.dryRun) return fresh;
    delete metadata.uid;
    delete metadata.deletionTimestamp;
    return cloneJson(this.#insert(resource, fresh));
  }

  async createSubresource<T extends KubeObject, S extends KubeObject>(
    resource: ResourceInfo<T>,
    ref: ObjectRef,
    subresource: string,
    object: S,
  ): Promise<S> {
    this.#record({ verb: 'create', resource: resource.resource, subresource, ...ref, body: object });
    const found = cloneJson(this.#find(resource, ref)) as T & { spec?: { nodeName?: string } };
    if (subresource === 'binding') {
      if (found.spec?.nodeName)
        throw this.#error(resource, 409, 'Conflict', ref.name, 'is already assigned to a node');
      found.spec = {
        ...found.spec,
        nodeName: (object as KubeObject & { target?: { name?: string } }).target?.name,
      };
      this.#store(resource, found);
    } else if (subresource === 'eviction') await this.delete(resource, ref);
    return object;
  }

  async update<T extends KubeObject>(
    resource: ResourceInfo<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    const { name = '', namespace } = object.metadata ?? {};
    this.#record({
      verb: 'update',
      resource: resource.resource,
      subresource: options.subresource,
      namespace,
      name,
      body: object,
    });
    return this.#replace(resource, cloneJson(object), options);
  }

  async patch<T extends KubeObject>(
    resource: ResourceInfo<T>,
    ref: ObjectRef,
    patch: unknown,
    options: WriteOptions & { type: PatchType; force?: boolean },
  ): Promise<T> {
    this.#record({
      verb: 'patch',
      resource: resource.resource,
      subresource: options.subresource,
      ...ref,
      body: patch,
    });
    const old = this.#find(resource, ref);
    return this.#replace(resource, applyMemoryPatch(cloneJson(old), patch, options.type), options);
  }

  async delete<T extends KubeObject>(
    resource: ResourceInfo<T>,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ): Promise<void> {
    this.#record({ verb: 'delete', resource: resource.resource, ...ref, body: options });
    const object = cloneJson(this.#find(resource, ref));
    const metadata = object.metadata ?? {};
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (
      (uid !== undefined && uid !== metadata.uid) ||
      (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion)
    )
      throw this.#error(resource, 409, 'Conflict', ref.name, 'the precondition does not hold');
    if (!options.dryRun) this.#delete(resource, object, options);
  }

  async deleteCollection<T extends KubeObject>(
    resource: ResourceInfo<T>,
    options: ListOptions & DeleteOptions,
  ): Promise<void> {
    this.#record({ verb: 'deleteCollection', resource: resource.resource, namespace: options.namespace });
    const matches = filterOf(options);
    for (const object of Array.from(this.#tables.of(resource).objects.values()))
      if (matches(object)) this.#delete(resource, cloneJson(object) as T, options);
  }

  async *watch<T extends KubeObject>(
    resource: ResourceInfo<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const view = (object: T): T => (options.metadataOnly ? metadataOf(cloneJson(object)) : cloneJson(object));
    yield* this.#tables.watch<T>(resource, options, filterOf(options), view);
  }

  /** Discovery of every built-in resource; anything else is 404. */
  async request(method: string, path: string): Promise<{ status: number; body: Buffer }> {
    const body = method === 'GET' ? memoryDiscovery(path) : undefined;
    return { status: body ? 200 : 404, body: Buffer.from(JSON.stringify(body ?? {})) };
  }

  /** Ends all watches, as a server that goes away. Objects stay. */
  close(): void {
    this.#tables.endWatches();
  }

  /** Forgets the events so far: watches from before them get 410. */
  compact(): void {
    this.#tables.compact();
  }

  #record(write: RecordedWrite): void {
    this.onWrite?.(write);
    const known = Object.entries(write).filter(([, value]) => value !== undefined);
    this.writes.push(cloneJson(Object.fromEntries(known) as unknown as RecordedWrite));
  }

  #find<T extends KubeObject>(resource: ResourceInfo<T>, ref: ObjectRef): T {
    const found = this.#tables.of(resource).objects.get(keyOf({ metadata: ref }));
    if (found === undefined) throw this.#error(resource, 404, 'NotFound', ref.name, 'not found');
    return found as T;
  }

  #insert<T extends KubeObject>(resource: ResourceInfo<T>, object: T): T {
    object.apiVersion ??= apiVersionOf(resource);
    object.kind ??= resource.kind;
    const metadata = (object.metadata ??= {});
    metadata.uid ??= randomUUID();
    metadata.creationTimestamp ??= rfc3339(this.#clock.now());
    if ('spec' in object) metadata.generation ??= 1;
    return this.#tables.put(resource, object, 'ADDED');
  }

  #replace<T extends KubeObject>(resource: ResourceInfo<T>, object: T, options: WriteOptions): T {
    const { name = '', namespace, resourceVersion } = object.metadata ?? {};
    const old = this.#find(resource, { name, namespace });
    if (resourceVersion && resourceVersion !== old.metadata?.resourceVersion)
      throw this.#error(
        resource,
        409,
        'Conflict',
        name,
        'the object has been modified; please apply your changes to the latest version and try again',
      );
    const next = mergeParts(old, object, options.subresource);
    if (options.dryRun) return next;
    return cloneJson(this.#store(resource, next));
  }

  /** An update that changes nothing is none; the last finalizer of a deleted object ends it. */
  #store<T extends KubeObject>(resource: ResourceInfo<T>, object: T): T {
    const table = this.#tables.of(resource) as Table<T>;
    const old = table.objects.get(keyOf(object));
    const metadata = object.metadata ?? {};
    if (metadata.deletionTimestamp && !isHeld(object) && !(metadata.deletionGracePeriodSeconds ?? 0))
      return this.#tables.remove(resource, object);
    if (old !== undefined && JSON.stringify(old) === JSON.stringify(object)) return old;
    return this.#tables.put(resource, object, 'MODIFIED');
  }

  #delete<T extends KubeObject>(resource: ResourceInfo<T>, object: T, options: DeleteOptions): void {
    const metadata = (object.metadata ??= {});
    const policy = options.propagationPolicy;
    const extra = policy === 'Foreground' ? ['foregroundDeletion'] : policy === 'Orphan' ? ['orphan'] : [];
    const finalizers = [
      ...new Set([...(metadata.finalizers ?? []), ...(metadata.deletionTimestamp ? [] : extra)]),
    ];
    const graceSeconds = graceOf(resource, object, options);
    if (finalizers.length === 0 && !isHeld(object) && graceSeconds === 0) {
      this.#tables.remove(resource, object);
      return;
    }
    if (finalizers.length > 0) metadata.finalizers = finalizers;
    if (!metadata.deletionTimestamp || graceSeconds < (metadata.deletionGracePeriodSeconds ?? 0)) {
      metadata.deletionTimestamp = rfc3339(this.#clock.now() + graceSeconds * 1000);
      metadata.deletionGracePeriodSeconds = graceSeconds;
      if (metadata.generation !== undefined) metadata.generation++;
    }
    this.#store(resource, object);
  }

  #error(
    resource: ResourceInfo,
    code: number,
    reason: string,
    name: string | undefined,
    what: string,
  ): ApiError {
    const message = `${resource.resource} "${name ?? ''}" ${what}`;
    return new ApiError({
      kind: 'Status',
      status: 'Failure',
      code,
      reason,
      message,
      details: { name, kind: resource.resource },
    });
  }
}
