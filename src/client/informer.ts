import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import { Backoff } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { isAbort, messageOf } from '../base/errors.ts';
import { untilAborted } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Client } from './client.ts';
import { ApiError } from './errors.ts';
import { listAll } from './list-all.ts';
import { ObjectStore } from './object-store.ts';
import type { Indexer } from './object-store.ts';

export interface InformerHandler<T> {
  added?(object: T): void;
  updated?(old: T, object: T): void;
  /** The last state that is known: a deletion that happened out of sight carries the state before it. */
  deleted?(object: T): void;
}

/** A local copy of a collection that follows the server. The objects are shared: never change one. */
export interface Informer<T extends KubeObject> {
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when the first list has been delivered to the handlers; rejects when `signal` aborts first. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  readonly synced: boolean;
  get(name: string, namespace?: string): T | undefined;
  list(namespace?: string): T[];
  byIndex(index: string, value: string): T[];
  addIndex(name: string, of: Indexer<T>): void;
  /** Existing objects are replayed as added, at once. The result ends the subscription. */
  subscribe(handler: InformerHandler<T>): () => void;
}

export interface InformerOptions<T extends KubeObject> {
  client: Client;
  resource: ResourceInfo<T>;
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  indexes?: Record<string, Indexer<T>>;
  /** Keeps metadata alone, and asks the server for no more. */
  metadataOnly?: boolean;
  /** Makes an object smaller before it is kept; it may change it. Default: drops managedFields. */
  trim?: (object: T) => T;
  clock: Clock;
  log: Logger;
  random?: () => number;
}

/** Long enough that a quiet collection costs nothing, short enough that servers can be balanced and drained. */
const WATCH_SECONDS = 300;
const SHORT_WATCH_MS = 1_000;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

/**
 * Lists once, then watches from there for good: resumes where a watch ended, lists again after 410, backs
 * off with jitter while the server fails. The first list is streamed by the watch itself where the server
 * can (sendInitialEvents), else read in pages. Mirrors client-go tools/cache/reflector.go.
 */
export class ResourceInformer<T extends KubeObject> implements Informer<T> {
  readonly #options: InformerOptions<T>;
  readonly #store = new ObjectStore<T>();
  readonly #handlers = new Set<InformerHandler<T>>();
  readonly #random: () => number;
  readonly #trim: (object: T) => T;
  readonly #firstSync = Promise.withResolvers<void>();
  #synced = false;
  #streamedList = true;
  /** Where to go on; undefined asks for a new list. */
  #resourceVersion: string | undefined;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#trim = options.trim ?? dropManagedFields;
    for (const [name, of] of Object.entries(options.indexes ?? {})) this.#store.addIndex(name, of);
  }

  get synced(): boolean {
    return this.#synced;
  }

  async whenSynced(signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#firstSync.promise;
    await Promise.race([this.#firstSync.promise, untilAborted(signal)]);
    if (!this.#synced) signal.throwIfAborted();
  }

  get(name: string, namespace?: string): T | undefined {
    return this.#store.get(name, namespace);
  }

  list(namespace?: string): T[] {
    return this.#store.list(namespace);
  }

  byIndex(index: string, value: string): T[] {
    return this.#store.byIndex(index, value);
  }

  addIndex(name: string, of: Indexer<T>): void {
    this.#store.addIndex(name, of);
  }

  subscribe(handler: InformerHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#store.list()) this.#tell(() => handler.added?.(object));
    return () => this.#handlers.delete(handler);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, resource } = this.#options;
    const backoff = new Backoff({ initialMs: 200, maxMs: 10_000, jitter: 1, random: this.#random });
    while (!signal.aborted) {
      const startMs = clock.monotonicMs();
      try {
        if (this.#resourceVersion === undefined) await this.#start(signal);
        else await this.#follow(this.#resourceVersion, signal);
        // A watch that ends at once, over and over, is a server in trouble too.
        if (clock.monotonicMs() - startMs >= SHORT_WATCH_MS) {
          backoff.reset();
          continue;
        }
      } catch (error) {
        if (signal.aborted || isAbort(error)) return;
        if (isExpired(error)) this.#resourceVersion = undefined;
        else log.warn({ resource: resource.resource, err: messageOf(error) }, 'watch failed, trying again');
        if (clock.monotonicMs() - startMs >= SHORT_WATCH_MS) backoff.reset();
      }
      await clock.sleep(backoff.next(), signal).catch(() => {});
    }
  }

  /** The first contact: a streamed list that goes on as the watch, or pages and then the watch. */
  async #start(signal: AbortSignal): Promise<void> {
    if (this.#streamedList) {
      try {
        return await this.#watch({ sendInitialEvents: true, resourceVersion: undefined }, signal);
      } catch (error) {
        // 400 and 422: the server does not know the option.
        if (!(error instanceof ApiError) || (error.status.code !== 422 && error.status.code !== 400))
          throw error;
        this.#streamedList = false;
      }
    }
    const { client, resource, namespace, labelSelector, fieldSelector, metadataOnly } = this.#options;
    const scope = { namespace, labelSelector, fieldSelector, metadataOnly, signal };
    const list = await listAll(client, resource, scope);
    const objects = new Map<string, T>();
    for (const item of list.items) objects.set(keyOf(item), this.#trim(item));
    this.#replace(objects, list.metadata.resourceVersion);
    await this.#follow(list.metadata.resourceVersion, signal);
  }

  #follow(resourceVersion: string, signal: AbortSignal): Promise<void> {
    return this.#watch({ sendInitialEvents: false, resourceVersion }, signal);
  }

  async #watch(
    start: { sendInitialEvents: boolean; resourceVersion: string | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    const { client, resource, namespace, labelSelector, fieldSelector, metadataOnly } = this.#options;
    const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + this.#random()));
    const scope = { namespace, labelSelector, fieldSelector, metadataOnly, timeoutSeconds };
    let initial = start.sendInitialEvents ? new Map<string, T>() : undefined;
    for await (const event of client.watch(resource, {
      ...scope,
      ...start,
      allowWatchBookmarks: true,
      signal,
    })) {
      const resourceVersion = event.object.metadata?.resourceVersion;
      if (event.type === 'BOOKMARK') {
        if (initial && event.object.metadata?.annotations?.[INITIAL_EVENTS_END] === 'true') {
          this.#replace(initial, resourceVersion);
          initial = undefined;
        } else if (!initial) this.#resourceVersion = resourceVersion;
      } else if (initial) {
        if (event.type === 'DELETED') initial.delete(keyOf(event.object));
        else initial.set(keyOf(event.object), this.#trim(event.object));
      } else {
        this.#apply(event.type, this.#trim(event.object));
        this.#resourceVersion = resourceVersion;
      }
    }
  }

  #apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void {
    const { name = '', namespace } = object.metadata ?? {};
    if (type === 'DELETED') {
      const old = this.#store.delete(name, namespace);
      if (old !== undefined) this.#each((handler) => handler.deleted?.(object));
      return;
    }
    const old = this.#store.set(object);
    if (old === undefined) this.#each((handler) => handler.added?.(object));
    else this.#each((handler) => handler.updated?.(old, object));
  }

  /** Makes the store equal to a list and tells the differences. A new uid under a name is a deletion first. */
  #replace(objects: Map<string, T>, resourceVersion: string | undefined): void {
    for (const old of this.#store.list()) {
      const now = objects.get(keyOf(old));
      if (now !== undefined && now.metadata?.uid === old.metadata?.uid) continue;
      this.#apply('DELETED', old);
    }
    for (const object of objects.values()) {
      const known = this.#store.get(object.metadata?.name ?? '', object.metadata?.namespace);
      if (known !== undefined && known.metadata?.resourceVersion === object.metadata?.resourceVersion)
        continue;
      this.#apply('ADDED', object);
    }
    this.#resourceVersion = resourceVersion;
    this.#synced = true;
    this.#firstSync.resolve();
  }

  #each(call: (handler: InformerHandler<T>) => void): void {
    for (const handler of this.#handlers) this.#tell(() => call(handler));
  }

  /** A handler that throws is a bug of its own; the others and the store go on. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      const stack = error instanceof Error ? error.stack : messageOf(error);
      this.#options.log.error(
        { resource: this.#options.resource.resource, stack },
        'an informer handler threw',
      );
    }
  }
}

/** 410 in both of its names, as an answer and as an event of the stream. */
function isExpired(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  return error.status.code === 410 || error.reason === 'Expired' || error.reason === 'Gone';
}

function keyOf(object: KubeObject): string {
  return `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;
}

/** Nobody reads managedFields of a cached object, and they are a third of it. */
export function dropManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata?.managedFields !== undefined) delete object.metadata.managedFields;
  return object;
}
