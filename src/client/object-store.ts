import type { KubeObject } from '../api/resource.ts';

export type Indexer<T> = (object: T) => readonly string[];

/** Objects by namespace and name, with indexes that follow every change. */
export class ObjectStore<T extends KubeObject> {
  readonly #namespaces = new Map<string, Map<string, T>>();
  readonly #indexes = new Map<string, { of: Indexer<T>; values: Map<string, Set<T>> }>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds an index over what is there and what comes; an index that exists by this name stays. */
  addIndex(name: string, of: Indexer<T>): void {
    if (this.#indexes.has(name)) return;
    const index = { of, values: new Map<string, Set<T>>() };
    this.#indexes.set(name, index);
    for (const object of this.list()) enter(index, object);
  }

  get(name: string, namespace = ''): T | undefined {
    return this.#namespaces.get(namespace)?.get(name);
  }

  list(namespace?: string): T[] {
    if (namespace !== undefined) return [...(this.#namespaces.get(namespace)?.values() ?? [])];
    const all: T[] = [];
    for (const objects of this.#namespaces.values()) for (const object of objects.values()) all.push(object);
    return all;
  }

  byIndex(index: string, value: string): T[] {
    const found = this.#indexes.get(index);
    if (!found) throw new Error(`there is no index "${index}"`);
    return [...(found.values.get(value) ?? [])];
  }

  /** Returns the object that it replaces. */
  set(object: T): T | undefined {
    const { name = '', namespace = '' } = object.metadata ?? {};
    let objects = this.#namespaces.get(namespace);
    if (!objects) this.#namespaces.set(namespace, (objects = new Map()));
    const old = objects.get(name);
    objects.set(name, object);
    if (old === undefined) this.#size++;
    for (const index of this.#indexes.values()) {
      if (old !== undefined) leave(index, old);
      enter(index, object);
    }
    return old;
  }

  /** Returns the object that was there. */
  delete(name: string, namespace = ''): T | undefined {
    const objects = this.#namespaces.get(namespace);
    const old = objects?.get(name);
    if (!objects || old === undefined) return undefined;
    objects.delete(name);
    if (objects.size === 0) this.#namespaces.delete(namespace);
    this.#size--;
    for (const index of this.#indexes.values()) leave(index, old);
    return old;
  }
}

function enter<T>(index: { of: Indexer<T>; values: Map<string, Set<T>> }, object: T): void {
  for (const value of index.of(object)) {
    const known = index.values.get(value);
    if (known) known.add(object);
    else index.values.set(value, new Set([object]));
  }
}

function leave<T>(index: { of: Indexer<T>; values: Map<string, Set<T>> }, object: T): void {
  for (const value of index.of(object)) {
    const known = index.values.get(value);
    known?.delete(object);
    if (known?.size === 0) index.values.delete(value);
  }
}
