import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import type { WatchEvent, WatchOptions } from './client.ts';
import { ApiError } from './errors.ts';

export interface Table<T extends KubeObject = KubeObject> {
  objects: Map<string, T>;
  events: Array<{ revision: number; type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T; old: T | undefined }>;
}

/** The objects and the history of the fake client; one counter gives the revisions of all tables. */
export class MemoryTables {
  revision = 1;
  #compacted = 0;
  #epoch = 0;
  #wakers: Array<() => void> = [];
  readonly #tables = new Map<string, Table>();

  of(resource: ResourceInfo): Table {
    const id = `${resource.group}/${resource.resource}`;
    let table = this.#tables.get(id);
    if (!table) this.#tables.set(id, (table = { objects: new Map(), events: [] }));
    return table;
  }

  put<T extends KubeObject>(resource: ResourceInfo<T>, object: T, type: 'ADDED' | 'MODIFIED'): T {
    const table = this.of(resource) as Table<T>;
    const old = table.objects.get(keyOf(object));
    this.#stamp(object);
    table.objects.set(keyOf(object), object);
    table.events.push({ revision: this.revision, type, object, old });
    this.#wake();
    return object;
  }

  remove<T extends KubeObject>(resource: ResourceInfo<T>, object: T): T {
    const table = this.of(resource) as Table<T>;
    const old = table.objects.get(keyOf(object));
    table.objects.delete(keyOf(object));
    this.#stamp(object);
    table.events.push({ revision: this.revision, type: 'DELETED', object, old });
    this.#wake();
    return object;
  }

  compact(): void {
    this.#compacted = this.revision;
    for (const table of this.#tables.values()) table.events = [];
  }

  endWatches(): void {
    this.#epoch++;
    this.#wake();
  }

  /** Events after the version asked for; one that enters or leaves the filter is told as such. */
  async *watch<T extends KubeObject>(
    resource: ResourceInfo<T>,
    options: WatchOptions,
    matches: (object: T) => boolean,
    view: (object: T) => T,
  ): AsyncGenerator<WatchEvent<T>> {
    const table = this.of(resource) as Table<T>;
    const epoch = this.#epoch;
    const fromNow = options.resourceVersion === undefined || options.resourceVersion === '0';
    let revision = fromNow ? this.revision : Number(options.resourceVersion);
    if (!fromNow && revision < this.#compacted) throw expired();
    if (options.sendInitialEvents || options.resourceVersion === undefined) {
      revision = this.revision;
      for (const object of Array.from(table.objects.values()))
        if (matches(object)) yield { type: 'ADDED', object: view(object) };
    }
    if (options.sendInitialEvents) yield bookmark(resource, revision);
    while (!options.signal.aborted && epoch === this.#epoch) {
      if (revision < this.#compacted) throw expired();
      const news = table.events.filter((event) => event.revision > revision);
      for (const event of news) {
        revision = event.revision;
        const was = event.old !== undefined && matches(event.old);
        const is = event.type !== 'DELETED' && matches(event.object);
        if (is) yield { type: was ? 'MODIFIED' : 'ADDED', object: view(event.object) };
        else if (was) yield { type: 'DELETED', object: view(event.object) };
      }
      if (news.length === 0) await this.#woken(options.signal);
    }
  }

  #stamp(object: KubeObject): void {
    object.metadata = { ...object.metadata, resourceVersion: String(++this.revision) };
  }

  #woken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#wakers.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }
}

function bookmark(resource: ResourceInfo, revision: number): WatchEvent<never> {
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  return {
    type: 'BOOKMARK',
    object: { kind: resource.kind, metadata: { resourceVersion: String(revision), annotations } },
  };
}

function expired(): ApiError {
  return new ApiError({ kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' });
}

export function keyOf(object: KubeObject): string {
  return `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;
}

/** A copy as a trip over the wire makes it. */
export function cloneJson<T>(value: T): T {
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T);
}
