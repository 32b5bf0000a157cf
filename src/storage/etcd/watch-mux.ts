import type { ClientDuplexStream } from '@grpc/grpc-js';
import { Backoff } from '../../base/backoff.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { CompactedError, StorageClosedError } from '../errors.ts';
import type { StorageEvent, StorageWatchHandler } from '../storage.ts';
import type { Endpoint } from './endpoint.ts';
import { StorageUnavailableError } from './errors.ts';
import type { KeySpace } from './key-space.ts';
import type { MemberPool } from './member-pool.ts';
import type { WatchRequest, WatchResponse } from './messages.ts';
import { WATCH } from './methods.ts';
import { Watcher, type WatchTarget } from './watcher.ts';

type WatchStream = ClientDuplexStream<Partial<WatchRequest>, WatchResponse>;

/** How long a write is held back for a watch that is up to date; then the watch counts as behind. */
const DELIVERY_WAIT_MS = 1000;

/**
 * All watches of one store on one stream to one member. When the stream breaks, each watch goes on at
 * another member from the first revision that it has not delivered, so that nothing is missed or repeated.
 *
 * History is asked for from one revision earlier than needed: etcd up to 3.5.17 forgets a deletion at the
 * very revision that it compacts, so that a watch from there would miss it without a word. The store's
 * compacted revision is for the same reason etcd's plus one.
 */
export class WatchMux {
  readonly #pool: MemberPool;
  readonly #keys: KeySpace;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #watchers = new Set<Watcher>();
  readonly #byId = new Map<number, Watcher>();
  /** Callers who wait until etcd has taken their watch up. */
  readonly #opening = new Map<
    Watcher,
    { resolve: () => void; reject: (error: Error) => void; timer: Timer }
  >();
  readonly #backoff = new Backoff({ initialMs: 20, maxMs: 1000, jitter: 0.2 });
  #stream: WatchStream | undefined;
  #reconnecting = false;
  #nextId = 1;
  #closed: Error | undefined;

  constructor(pool: MemberPool, keys: KeySpace, clock: Clock, log: Logger) {
    this.#pool = pool;
    this.#keys = keys;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Resolves when a member has taken the watch up; nothing is delivered before `release` is called. Throws
   * StorageUnavailableError when that takes longer than `timeoutMs`.
   */
  open(
    target: WatchTarget,
    prefix: string,
    from: number,
    handler: StorageWatchHandler,
    timeoutMs: number,
  ): Promise<Watcher> {
    if (this.#closed) return Promise.reject(this.#closed);
    const watcher = new Watcher(target, prefix, from, handler);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(timeoutMs, () => {
        this.#opening.delete(watcher);
        this.cancel(watcher);
        reject(new StorageUnavailableError(this.#pool.urls));
      });
      this.#opening.set(watcher, { resolve: () => resolve(watcher), reject, timer });
      this.#watchers.add(watcher);
      if (this.#stream) this.#create(this.#stream, watcher);
      else this.#connect();
    });
  }

  cancel(watcher: Watcher): void {
    watcher.cancel();
    this.#forget(watcher);
  }

  /**
   * Events of one key from a revision on, until `done` says that there are enough. Undefined where they do
   * not come in time or are compacted.
   */
  async collect(
    key: Buffer,
    from: number,
    done: (events: readonly StorageEvent[]) => boolean,
    timeoutMs: number,
  ): Promise<StorageEvent[] | undefined> {
    const events: StorageEvent[] = [];
    let finish = (_enough: boolean): void => {};
    const enough = new Promise<boolean>((resolve) => (finish = resolve));
    const onEvents = (more: readonly StorageEvent[]): void => {
      events.push(...more);
      if (done(events)) finish(true);
    };
    const handler = { onEvents, onEnd: () => finish(false) };
    const watcher = await this.open({ key, rangeEnd: Buffer.alloc(0) }, '', from, handler, timeoutMs);
    watcher.release();
    const timer = this.#clock.after(timeoutMs, () => finish(false));
    const complete = await enough;
    timer.cancel();
    this.cancel(watcher);
    return complete ? events : undefined;
  }

  /**
   * Resolves when every watch that is up to date and wants the key has been given the revision: whoever is
   * told that a write is done can rely on its event having been seen here.
   */
  async delivered(key: string, revision: number): Promise<void> {
    const waits: Array<Promise<void>> = [];
    for (const watcher of this.#watchers) {
      if (!watcher.live || watcher.next > revision || !key.startsWith(watcher.prefix)) continue;
      if (watcher.target.rangeEnd.length === 0) continue;
      const timer = this.#clock.after(DELIVERY_WAIT_MS, () => watcher.lag(this.#pool.revision));
      waits.push(watcher.delivered(revision).finally(() => timer.cancel()));
    }
    if (waits.length > 0) await Promise.all(waits);
  }

  close(error: Error): void {
    if (this.#closed) return;
    this.#closed = error;
    for (const { reject, timer } of this.#opening.values()) {
      timer.cancel();
      reject(error);
    }
    this.#opening.clear();
    for (const watcher of this.#watchers) watcher.end(error);
    this.#watchers.clear();
    this.#byId.clear();
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
  }

  #connect(): void {
    if (this.#closed || this.#stream || this.#reconnecting) return;
    const endpoint = this.#pool.active;
    const stream = endpoint.duplex(WATCH);
    this.#stream = stream;
    stream.on('data', (response: WatchResponse) => {
      if (this.#stream === stream) this.#onResponse(stream, response);
    });
    stream.on('error', (error) => void this.#lost(stream, endpoint, error));
    stream.on('end', () => void this.#lost(stream, endpoint, new Error('etcd ended the stream')));
    for (const watcher of this.#watchers) this.#create(stream, watcher);
  }

  async #lost(stream: WatchStream, endpoint: Endpoint, error: Error): Promise<void> {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#byId.clear();
    for (const watcher of this.#watchers) watcher.lag();
    if (this.#watchers.size === 0) return;
    this.#reconnecting = true;
    const fields = { from: endpoint.url, watches: this.#watchers.size, cause: messageOf(error) };
    this.#log.info(fields, 'watches go on over another stream');
    try {
      await this.#pool.leave(endpoint, error);
      await this.#clock.sleep(this.#backoff.next());
    } catch (failure) {
      if (failure instanceof StorageClosedError) return;
      // Another cluster answers at our address: its revisions mean nothing to those who watch.
      this.#endAll(failure instanceof Error ? failure : error);
    } finally {
      this.#reconnecting = false;
    }
    if (this.#watchers.size > 0) this.#connect();
  }

  #endAll(error: Error): void {
    for (const watcher of this.#watchers) this.#end(watcher, error);
  }

  #create(stream: WatchStream, watcher: Watcher): void {
    watcher.id = this.#nextId++;
    // Of what lies in the future nothing can be compacted yet.
    const { next } = watcher;
    watcher.askedFrom = next > this.#pool.revision ? next : Math.max(next - 1, 1);
    this.#byId.set(watcher.id, watcher);
    stream.write({
      createRequest: {
        key: watcher.target.key,
        rangeEnd: watcher.target.rangeEnd,
        startRevision: watcher.askedFrom,
        progressNotify: true,
        prevKv: true,
        watchId: watcher.id,
        fragment: true,
      },
    });
  }

  #onResponse(stream: WatchStream, response: WatchResponse): void {
    this.#pool.note(response);
    this.#backoff.reset();
    const watcher = this.#byId.get(response.watchId);
    if (response.created && response.canceled) {
      // Refused; which watch is meant is not said, and there is none that etcd should refuse.
      this.#log.warn({ cause: response.cancelReason }, 'etcd refused a watch; all are taken up again');
      stream.cancel();
    } else if (!watcher) {
      // What was under way when the watch was cancelled.
    } else if (response.created) {
      this.#onCreated(stream, watcher, response.header?.revision ?? 0);
    } else if (response.canceled) {
      this.#onCanceled(stream, watcher, response);
    } else if (response.events.length > 0) {
      const events = response.events.map((event) => this.#keys.event(event));
      watcher.deliver(events, response.fragment);
    } else if (!response.fragment && response.header) {
      // A progress notification, which etcd sends by itself to a watch that has everything. Those on
      // request are not used: before 3.4.25 they could overtake events.
      watcher.advance(response.header.revision);
    }
  }

  #onCreated(stream: WatchStream, watcher: Watcher, revision: number): void {
    const { next, askedFrom } = watcher;
    if (revision >= next && askedFrom >= next && next > 1) {
      // The store was further than we knew: begin again as for history.
      this.#drop(stream, watcher);
      this.#create(stream, watcher);
      return;
    }
    watcher.caughtUpAt(revision);
    const opening = this.#opening.get(watcher);
    if (!opening) return;
    this.#opening.delete(watcher);
    opening.timer.cancel();
    opening.resolve();
  }

  #onCanceled(stream: WatchStream, watcher: Watcher, response: WatchResponse): void {
    if (response.compactRevision > 0) {
      this.#end(watcher, new CompactedError(watcher.next, response.compactRevision + 1));
      return;
    }
    this.#log.warn({ cause: response.cancelReason }, 'etcd cancelled a watch; it is taken up again');
    stream.cancel();
  }

  #end(watcher: Watcher, error: Error): void {
    this.#forget(watcher);
    const opening = this.#opening.get(watcher);
    if (opening) {
      this.#opening.delete(watcher);
      opening.timer.cancel();
      watcher.cancel();
      opening.reject(error);
    } else {
      watcher.end(error);
    }
  }

  #forget(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#stream) this.#drop(this.#stream, watcher);
  }

  #drop(stream: WatchStream, watcher: Watcher): void {
    if (!this.#byId.delete(watcher.id)) return;
    stream.write({ cancelRequest: { watchId: watcher.id } });
  }
}
