import { OBJECT_CODEC } from '../codec/object-codec.ts';
import type { ResourceInfo } from '../../api/resource.ts';
import { deleteObject } from '../registry/delete.ts';
import type { RegistryEnv } from '../registry/registry-env.ts';
import { ServedResource } from '../registry/served-resource.ts';
import { systemContext } from '../registry/system-context.ts';
import type { ResourceDefinition } from '../resource-definition.ts';
import { StatusError } from '../status-errors.ts';

/** Deletions under way at once. */
const WORKERS = 16;

/**
 * Deletes all objects of a definition that is being deleted, whether a version of it is served or not. Mirrors
 * apiextensions-apiserver pkg/controller/finalizer/crd_finalizer.go, but waits for events where that polls.
 */
export class InstanceCleanup {
  readonly #env: RegistryEnv;
  readonly #wake: (crd: string) => void;
  readonly #following = new Map<string, () => void>();

  constructor(env: RegistryEnv, wake: (crd: string) => void) {
    this.#env = env;
    this.#wake = wake;
  }

  /** Deletes what is there; tells how many are left, and wakes the definition when that may have changed. */
  async advance(crd: string, definition: ResourceDefinition, info: ResourceInfo): Promise<{ left: number }> {
    const { cache, parsed } = this.#env;
    const served = new ServedResource(definition, OBJECT_CODEC, cache, parsed);
    await cache.consistent();
    const entries = cache.resource(info).entries();
    if (!this.#following.has(crd)) {
      this.#following.set(
        crd,
        cache.resource(info).onChange(() => this.#wake(crd)),
      );
    }
    const queue = entries.filter((entry) => served.object(entry).metadata?.deletionTimestamp === undefined);
    const work = async () => {
      for (let entry = queue.shift(); entry; entry = queue.shift()) {
        await this.#deleteOne(served, entry.namespace, entry.name);
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
    await cache.consistent();
    const left = cache.resource(info).size;
    if (left === 0) this.forget(crd);
    return { left };
  }

  forget(crd: string): void {
    this.#following.get(crd)?.();
    this.#following.delete(crd);
  }

  stop(): void {
    for (const off of this.#following.values()) off();
    this.#following.clear();
  }

  async #deleteOne(served: ServedResource, namespace: string, name: string): Promise<void> {
    try {
      await deleteObject(this.#env, served, {
        namespace,
        name,
        context: systemContext(this.#env.clock),
        dryRun: false,
        admission: false,
        deleteOptions: {},
      });
    } catch (error) {
      if (!(error instanceof StatusError && error.reason === 'NotFound')) throw error;
    }
  }
}
