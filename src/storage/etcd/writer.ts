import type { KeyValue, StorageEvent, WriteResult } from '../storage.ts';
import { SlipwayError } from '../../base/errors.ts';
import { StorageUnavailableError, UnknownOutcomeError } from './errors.ts';
import type { KeySpace } from './key-space.ts';
import { AmbiguousError, type MemberPool } from './member-pool.ts';
import { COMPARE_MOD_REVISION, type RequestOp } from './messages.ts';
import { DELETE_RANGE, PUT, RANGE, TXN } from './methods.ts';
import { KeyedQueue } from './slots.ts';
import type { WatchMux } from './watch-mux.ts';

interface Write {
  key: string;
  /** Undefined deletes. */
  value: Buffer | undefined;
  /** As in Storage.put. */
  expected: number | undefined;
}

/** How long the events that tell what became of a write may take to come. */
const HISTORY_WAIT_MS = 3000;
/** How often a write is begun again because its answer was lost. */
const MAX_ROUNDS = 8;

/**
 * Writes by compare-and-set. A write whose answer was lost is never simply repeated: repeated with its
 * comparison it can succeed only if the first one did not, and if it fails the key's history tells whether
 * that was our own doing.
 */
export class Writer {
  readonly #pool: MemberPool;
  readonly #keys: KeySpace;
  readonly #watches: WatchMux;
  readonly #queue = new KeyedQueue();

  constructor(pool: MemberPool, keys: KeySpace, watches: WatchMux) {
    this.#pool = pool;
    this.#keys = keys;
    this.#watches = watches;
  }

  /** Writes of one key take effect in the order in which they are begun. */
  write(write: Write): Promise<WriteResult> {
    return this.#queue.run(write.key, async () => {
      const result = await this.#settle(write);
      const changed = result.ok && (write.value !== undefined || result.previous !== undefined);
      if (changed) await this.#watches.delivered(write.key, result.revision);
      return result;
    });
  }

  /** Resolves when every write that was begun has ended. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async #settle(write: Write): Promise<WriteResult> {
    // No answer of a member told of a later revision before the write was sent: its own is later.
    const before = this.#pool.revision;
    try {
      return await this.#try(write, write.expected);
    } catch (error) {
      if (!(error instanceof AmbiguousError)) throw error;
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const result = await this.#again(write, before, error.cause);
        if (result) return result;
      }
      throw new UnknownOutcomeError(write.key, error.cause);
    }
  }

  /** One more try of a write that may have been done; undefined when its answer was lost, too, or others were faster. */
  async #again(write: Write, before: number, cause: unknown): Promise<WriteResult | undefined> {
    const { key, expected } = write;
    try {
      if (expected !== undefined) {
        const result = await this.#try(write, expected);
        if (result.ok) return result;
        return await this.#judge(write, Math.max(before, expected), result, cause);
      }
      const { kv, revision } = await this.#read(key);
      const current = kv?.modRevision ?? 0;
      const known: WriteResult = { ok: false, revision, current: kv };
      if (current > before) {
        const judged = await this.#judge(write, before, known, cause);
        if (judged.ok) return judged;
      }
      if (write.value === undefined && !kv) return { ok: true, revision, previous: undefined };
      const result = await this.#try(write, current);
      return result.ok ? result : undefined;
    } catch (error) {
      if (error instanceof AmbiguousError) return undefined;
      // That nobody answers now says nothing about what the first try did.
      if (error instanceof StorageUnavailableError) throw new UnknownOutcomeError(key, cause);
      throw error;
    }
  }

  /** Whether the key's history since `after` holds our write: then it was done, and `refused` was its echo. */
  async #judge(
    write: Write,
    after: number,
    refused: Extract<WriteResult, { ok: false }>,
    cause: unknown,
  ): Promise<WriteResult> {
    const { key, expected } = write;
    const last = refused.current?.modRevision;
    // After a write by its last revision the very next event decides; else all up to what stands now may be ours.
    const done = (events: readonly StorageEvent[]): boolean =>
      expected ? events.length > 0 : last !== undefined && events.at(-1)!.revision >= last;
    if (!expected && last === undefined) throw new UnknownOutcomeError(key, cause);
    if (last !== undefined && last <= after) return refused;
    // Gone now: by us only if it still stood as expected when our write was sent.
    if (last === undefined && (await this.#modRevisionAt(key, after)) !== expected) return refused;
    const events = await this.#watches.collect(this.#keys.key(key), after + 1, done, HISTORY_WAIT_MS);
    if (!events) throw new UnknownOutcomeError(key, cause);
    const own = (expected ? events.slice(0, 1) : events).find((event) => isOurs(write, event));
    return own ? { ok: true, revision: own.revision, previous: own.previous } : refused;
  }

  /** Throws AmbiguousError where the answer was lost. */
  async #try({ key, value }: Write, expected: number | undefined): Promise<WriteResult> {
    const name = this.#keys.key(key);
    if (expected !== undefined) return this.#compareAndWrite(name, value, expected);
    if (value !== undefined) {
      const answer = await this.#pool.call(PUT, { key: name, value, prevKv: true }, { repeat: false });
      const previous = answer.prevKv && this.#keys.keyValue(answer.prevKv);
      return { ok: true, revision: answer.header?.revision ?? 0, previous };
    }
    const answer = await this.#pool.call(DELETE_RANGE, { key: name, prevKv: true }, { repeat: false });
    const [gone] = answer.prevKvs;
    return { ok: true, revision: answer.header?.revision ?? 0, previous: gone && this.#keys.keyValue(gone) };
  }

  async #compareAndWrite(key: Buffer, value: Buffer | undefined, expected: number): Promise<WriteResult> {
    const success: RequestOp[] = [];
    if (value !== undefined) success.push({ requestPut: { key, value, prevKv: true } });
    else if (expected > 0) success.push({ requestDeleteRange: { key, prevKv: true } });
    const answer = await this.#pool.call(
      TXN,
      {
        compare: [{ target: COMPARE_MOD_REVISION, key, modRevision: expected }],
        success,
        failure: [{ requestRange: { key } }],
      },
      { repeat: false },
    );
    const revision = answer.header?.revision ?? 0;
    const [response] = answer.responses;
    if (!answer.succeeded) {
      const kv = response?.responseRange?.kvs[0];
      return { ok: false, revision, current: kv && this.#keys.keyValue(kv) };
    }
    const kv = response?.responsePut?.prevKv ?? response?.responseDeleteRange?.prevKvs[0];
    return { ok: true, revision, previous: kv && this.#keys.keyValue(kv) };
  }

  async #modRevisionAt(key: string, revision: number): Promise<number> {
    const answer = await this.#pool.call(RANGE, { key: this.#keys.key(key), revision }, { repeat: true });
    return answer.kvs[0]?.modRevision ?? 0;
  }

  /** The key as it stands, whoever wrote it. */
  async #read(key: string): Promise<{ kv: KeyValue | undefined; revision: number }> {
    const answer = await this.#pool.call(RANGE, { key: this.#keys.key(key) }, { repeat: true });
    const [kv] = answer.kvs;
    return { kv: kv && this.#keys.keyValue(kv), revision: revisionOf(answer) };
  }
}

/** The store's revision when it gave the answer. */
export function revisionOf({ header }: { header?: { revision: number } }): number {
  if (header) return header.revision;
  throw new SlipwayError('E_STORAGE_ETCD', 'etcd gave an answer without a header');
}

function isOurs({ value, expected }: Write, event: StorageEvent): boolean {
  if (expected && event.previous?.modRevision !== expected) return false;
  if (value === undefined) return event.type === 'delete';
  if (event.type !== 'put' || !event.value.equals(value)) return false;
  return expected !== 0 || event.createRevision === event.revision;
}
