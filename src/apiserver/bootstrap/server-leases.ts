import type { Clock } from '../../base/clock.ts';
import type { Storage } from '../../storage/storage.ts';

const PREFIX = '/registry/masterleases/';

/**
 * Which API servers live. Each writes its address now and then; one whose record has not changed for the
 * time to live, by the watcher's own clock, is gone. No two clocks are compared.
 * Mirrors pkg/controlplane/reconcilers/lease.go.
 */
export class ServerLeases {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #timeToLiveMs: number;
  readonly #seen = new Map<string, { revision: number; sinceMs: number }>();

  constructor(options: { storage: Storage; clock: Clock; timeToLiveMs?: number }) {
    this.#storage = options.storage;
    this.#clock = options.clock;
    this.#timeToLiveMs = options.timeToLiveMs ?? 15_000;
  }

  /** Says that this server lives. */
  async renew(address: string): Promise<void> {
    const record = { address, renewed: new Date(this.#clock.now()).toISOString() };
    await this.#storage.put(PREFIX + address, Buffer.from(JSON.stringify(record)));
  }

  async remove(address: string): Promise<void> {
    await this.#storage.delete(PREFIX + address);
  }

  /** Addresses of those that live, sorted; the records of the others are deleted. */
  async living(): Promise<string[]> {
    const { kvs } = await this.#storage.range({ prefix: PREFIX });
    const nowMs = this.#clock.monotonicMs();
    const addresses: string[] = [];
    for (const kv of kvs) {
      const address = kv.key.slice(PREFIX.length);
      const known = this.#seen.get(address);
      if (known?.revision !== kv.modRevision) {
        this.#seen.set(address, { revision: kv.modRevision, sinceMs: nowMs });
      } else if (nowMs - known.sinceMs > this.#timeToLiveMs) {
        await this.#storage.delete(kv.key, kv.modRevision);
        this.#seen.delete(address);
        continue;
      }
      addresses.push(address);
    }
    return addresses.sort();
  }
}
