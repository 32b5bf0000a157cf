import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { StatusError } from '../status-errors.ts';
import type { ObjectDeleteOptions, ObjectStore } from '../object-store.ts';
import type { RequestContext } from '../request-context.ts';
import { createObject } from './create.ts';
import { deleteObject } from './delete.ts';
import { readEntry } from './read-entry.ts';
import type { RegistryEnv } from './registry-env.ts';
import type { ResourceTable } from './resource-table.ts';
import { updateObject } from './update.ts';
import { systemContext } from './system-context.ts';

/** The server's own hands on its objects: the generic handlers without policy. */
export class ServerObjectStore implements ObjectStore {
  readonly #table: ResourceTable;
  readonly #env: () => RegistryEnv;

  constructor(table: ResourceTable, env: () => RegistryEnv) {
    this.#table = table;
    this.#env = env;
  }

  async get<T extends KubeObject>(
    resource: ResourceInfo<T>,
    name: string,
    namespace?: string,
  ): Promise<T | undefined> {
    const served = this.#table.get(resource);
    const entry = await readEntry(this.#env(), served, namespace ?? '', name, false);
    return entry && (served.object(entry) as T);
  }

  async getFresh<T extends KubeObject>(
    resource: ResourceInfo<T>,
    name: string,
    namespace?: string,
  ): Promise<T | undefined> {
    const served = this.#table.get(resource);
    const entry = await readEntry(this.#env(), served, namespace ?? '', name, true);
    return entry && (served.object(entry) as T);
  }

  async list<T extends KubeObject>(resource: ResourceInfo<T>, namespace?: string): Promise<T[]> {
    const served = this.#table.get(resource);
    const prefix = namespace && resource.namespaced ? `${namespace}/` : '';
    const entries = served.cache.entries(prefix);
    await served.prepare(entries);
    return entries.map((entry) => served.object(entry) as T);
  }

  async create<T extends KubeObject>(resource: ResourceInfo<T>, object: T): Promise<T> {
    const served = this.#table.get(resource);
    const outcome = await createObject(this.#env(), served, served.codec.clone(object), {
      namespace: object.metadata?.namespace ?? '',
      context: this.#context(),
      dryRun: false,
      admission: false,
    });
    return outcome.object as T;
  }

  async update<T extends KubeObject>(
    resource: ResourceInfo<T>,
    name: string,
    namespace: string | undefined,
    change: (current: T) => T | undefined | Promise<T | undefined>,
  ): Promise<T> {
    const served = this.#table.get(resource);
    const outcome = await updateObject(
      this.#env(),
      served,
      {
        namespace: namespace ?? '',
        name,
        context: this.#context(),
        dryRun: false,
        admission: false,
        strategy: false,
      },
      (current) => change(served.codec.clone(current) as T),
    );
    return outcome.object as T;
  }

  async delete(
    resource: ResourceInfo,
    name: string,
    namespace: string | undefined,
    options: ObjectDeleteOptions = {},
  ): Promise<boolean> {
    try {
      await deleteObject(this.#env(), this.#table.get(resource), {
        namespace: namespace ?? '',
        name,
        context: this.#context(),
        dryRun: options.dryRun ?? false,
        admission: false,
        deleteOptions: options,
      });
      return true;
    } catch (error) {
      if (error instanceof StatusError && error.reason === 'NotFound') return false;
      throw error;
    }
  }

  #context(): RequestContext {
    return systemContext(this.#env().clock);
  }
}
