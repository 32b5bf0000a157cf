import { CONFIGMAPS, SECRETS } from '../../api/gen/resources.ts';
import type { ConfigMap, Secret } from '../../api/gen/types/core-v1.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { ObjectReader } from '../environment/environment.ts';

interface Entry {
  value: Promise<KubeObject>;
  readMs: number;
  immutable: boolean;
}

/** Long enough to serve the containers of a starting pod once, short enough for live updates. */
const FRESH_MS = 5_000;
const KEEP_MS = 300_000;

/** Config maps and secrets, read when needed and shared for a few seconds; immutable ones are kept. */
export class ObjectCache implements ObjectReader {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  configMap(namespace: string, name: string): Promise<ConfigMap> {
    return this.#get(CONFIGMAPS, namespace, name);
  }

  secret(namespace: string, name: string): Promise<Secret> {
    return this.#get(SECRETS, namespace, name);
  }

  async #get<T extends KubeObject & { immutable?: boolean }>(
    resource: ResourceInfo<T>,
    namespace: string,
    name: string,
  ): Promise<T> {
    const key = `${resource.resource}/${namespace}/${name}`;
    const now = this.#clock.monotonicMs();
    const known = this.#entries.get(key);
    if (known && (now - known.readMs < FRESH_MS || (known.immutable && now - known.readMs < KEEP_MS))) {
      return (await known.value) as T;
    }
    this.#sweep(now);
    const value = this.#client.get(resource, { namespace, name });
    const entry: Entry = { value, readMs: now, immutable: false };
    this.#entries.set(key, entry);
    try {
      const object = await value;
      entry.immutable = object.immutable ?? false;
      return object;
    } catch (error) {
      this.#entries.delete(key);
      throw error;
    }
  }

  #sweep(now: number): void {
    for (const [key, entry] of this.#entries) {
      if (now - entry.readMs > (entry.immutable ? KEEP_MS : FRESH_MS)) this.#entries.delete(key);
    }
  }
}
