import type {
  KeyValue,
  RangeOptions,
  RangeResult,
  Storage,
  StorageEvent,
  StorageWatch,
  StorageWatchHandler,
  WriteResult,
} from '../../storage/storage.ts';
import { CompactedError } from '../../storage/errors.ts';
import type { EncryptionConfig } from './encryption-config.ts';
import type { Transformer } from './providers.ts';

const ROOT = '/registry/';
const PAGE = 500;

/**
 * A store whose chosen values are encrypted: whoever reads it sees them in the clear, whoever reads the disk does not.
 * Revisions and keys are those of the store below.
 */
export class EncryptedStorage implements Storage {
  readonly #below: Storage;
  #config: EncryptionConfig;
  #onStale: () => void = () => undefined;

  /** The services of `config` must have been started. They are closed with the store. */
  constructor(below: Storage, config: EncryptionConfig) {
    this.#below = below;
    this.#config = config;
    this.#followRotations(config);
  }

  /** `listener` is told when values may be kept with a key that is no longer that of new ones. */
  onStale(listener: () => void): void {
    this.#onStale = listener;
  }

  /** Reads and writes by another configuration from now on, which must open everything that is kept. */
  replaceConfig(config: EncryptionConfig): void {
    const before = this.#config;
    this.#config = config;
    this.#followRotations(config);
    for (const service of before.services) service.close();
    this.#onStale();
  }

  /** Services that keep keys. */
  get services(): EncryptionConfig['services'] {
    return this.#config.services;
  }

  async get(key: string, revision?: number): Promise<{ kv: KeyValue | undefined; revision: number }> {
    const found = await this.#below.get(key, revision);
    if (found.kv) await this.#prepare([found.kv]);
    return { ...found, kv: await this.#ofThePast(revision, () => this.#open(found.kv)) };
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    const found = await this.#below.range(options);
    await this.#prepare(found.kvs);
    const kvs = await this.#ofThePast(options.revision, () => found.kvs.map((kv) => this.#opened(kv)));
    return { ...found, kvs };
  }

  async put(key: string, value: Buffer, expected?: number): Promise<WriteResult> {
    const sealed = this.#transformer(key)?.seal(key, value) ?? value;
    return this.#result(await this.#below.put(key, sealed, expected));
  }

  async delete(key: string, expected?: number): Promise<WriteResult> {
    return this.#result(await this.#below.delete(key, expected));
  }

  async watch(prefix: string, fromRevision: number, handler: StorageWatchHandler): Promise<StorageWatch> {
    const present = await this.#below.currentRevision();
    let watch: StorageWatch | undefined;
    let ended = false;
    const end = (error: Error): void => {
      ended = true;
      watch?.cancel();
      handler.onEnd(error);
    };
    const deliver = (events: readonly StorageEvent[]): void => {
      if (ended) return;
      let opened: StorageEvent[];
      try {
        opened = events.map((event) => this.#event(event));
      } catch (error) {
        const at = events[0]?.revision ?? 0;
        end(at <= present ? new CompactedError(at, present) : (error as Error));
        return;
      }
      handler.onEvents(opened);
    };
    // Events stay in their order while a service is asked for the key of one of them.
    let waiting: Promise<void> | undefined;
    const after = (wait: Promise<unknown>, then: () => void): void => {
      const mine = wait
        .then(then, (error: unknown) => {
          if (!ended) end(error as Error);
        })
        .finally(() => {
          if (waiting === mine) waiting = undefined;
        });
      waiting = mine;
    };
    watch = await this.#below.watch(prefix, fromRevision, {
      onEvents: (events) => {
        const prepared = this.#prepareEvents(events);
        const wait = waiting && prepared ? Promise.all([waiting, prepared]) : (waiting ?? prepared);
        if (wait) after(wait, () => deliver(events));
        else deliver(events);
      },
      onEnd: (error) => {
        const tell = (): void => {
          if (!ended) handler.onEnd(error);
        };
        if (waiting) after(waiting, tell);
        else tell();
      },
    });
    if (ended) watch.cancel();
    return watch;
  }

  /**
   * Writes every value below a resource's folder anew that is kept with another key than new ones. Gives how many were;
   * one that changes meanwhile is written with the new key by whoever changes it.
   */
  async rewriteStale(folder: string, signal?: AbortSignal): Promise<number> {
    const transformer = this.#config.transformerFor(folder);
    if (!transformer) return 0;
    const prefix = `${ROOT}${folder}/`;
    let rewritten = 0;
    for (let start: string | undefined = prefix; start !== undefined;) {
      const page: RangeResult = await this.#below.range({ prefix, start, limit: PAGE });
      await this.#prepare(page.kvs);
      for (const { key, value, modRevision } of page.kvs) {
        signal?.throwIfAborted();
        const opened = transformer.open(key, value);
        if (!opened.stale) continue;
        await this.#below.put(key, transformer.seal(key, opened.value), modRevision);
        rewritten += 1;
      }
      const last: KeyValue | undefined = page.kvs.at(-1);
      start = page.more && last ? `${last.key}\0` : undefined;
    }
    return rewritten;
  }

  compact(revision: number): Promise<void> {
    return this.#below.compact(revision);
  }

  currentRevision(): Promise<number> {
    return this.#below.currentRevision();
  }

  compactedRevision(): Promise<number> {
    return this.#below.compactedRevision();
  }

  size(): Promise<number> {
    return this.#below.size();
  }

  close(): Promise<void> {
    for (const service of this.#config.services) service.close();
    return this.#below.close();
  }

  #followRotations({ services }: EncryptionConfig): void {
    for (const service of services) service.onRotation(() => this.#onStale());
  }

  #transformer(key: string): Transformer | undefined {
    if (!key.startsWith(ROOT)) return undefined;
    const end = key.indexOf('/', ROOT.length);
    return end < 0 ? undefined : this.#config.transformerFor(key.slice(ROOT.length, end));
  }

  /** Has services open what these values need; undefined where nothing has to be waited for. */
  #prepare(kvs: Iterable<{ key: string; value: Buffer }>): Promise<unknown> | undefined {
    if (this.#config.services.length === 0) return undefined;
    let waits: Array<Promise<unknown>> | undefined;
    for (const { key, value } of kvs) {
      const wait = this.#transformer(key)?.prepare([value]);
      if (wait) (waits ??= []).push(wait);
    }
    return waits && Promise.all(waits);
  }

  #prepareEvents(events: readonly StorageEvent[]): Promise<unknown> | undefined {
    if (this.#config.services.length === 0) return undefined;
    const values = this.#prepare(events.filter(({ type }) => type === 'put'));
    // What went before may be of a key that is gone; nobody needs it.
    const previous = this.#prepare(events.flatMap((event) => event.previous ?? []))?.catch(() => undefined);
    return values && previous ? Promise.all([values, previous]) : (values ?? previous);
  }

  #open(kv: KeyValue | undefined): KeyValue | undefined {
    return kv && this.#opened(kv);
  }

  #opened(kv: KeyValue): KeyValue {
    const transformer = this.#transformer(kv.key);
    return transformer ? { ...kv, value: transformer.open(kv.key, kv.value).value } : kv;
  }

  /** History that was written with a key that is no longer configured is as good as compacted. */
  async #ofThePast<T>(revision: number | undefined, open: () => T): Promise<T> {
    try {
      return open();
    } catch (error) {
      if (revision === undefined) throw error;
      const present = await this.#below.currentRevision();
      if (revision >= present) throw error;
      throw new CompactedError(revision, present);
    }
  }

  /** What went before may be of a key that is gone; nobody needs it. */
  #openPrevious(kv: KeyValue | undefined): KeyValue | undefined {
    try {
      return this.#open(kv);
    } catch {
      return undefined;
    }
  }

  async #result(result: WriteResult): Promise<WriteResult> {
    const before = result.ok ? result.previous : result.current;
    // What stood there before may be of a key that is gone, as in a watch: the write itself is done.
    if (before) await this.#prepare([before])?.catch(() => undefined);
    return result.ok
      ? { ...result, previous: this.#openPrevious(result.previous) }
      : { ...result, current: this.#open(result.current) };
  }

  #event(event: StorageEvent): StorageEvent {
    const transformer = this.#transformer(event.key);
    if (!transformer) return event;
    const value = event.type === 'put' ? transformer.open(event.key, event.value).value : event.value;
    return { ...event, value, previous: this.#openPrevious(event.previous) };
  }
}
