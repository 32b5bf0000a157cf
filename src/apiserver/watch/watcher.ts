import { messageOf } from '../../base/errors.ts';
import type { ApiResponse } from '../request-context.ts';
import { internalError, resourceExpired, StatusError } from '../status-errors.ts';
import type { StatusBody } from '../status-errors.ts';
import type { Selection } from '../registry/selection.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import type { CacheEntry } from '../watch-cache/cache-entry.ts';
import type { CacheEvent } from '../watch-cache/event-window.ts';
import type { EventEncoder, EventType } from './event-encoder.ts';

/** A client that has taken less than this is fed; beyond it the watcher waits in its place. */
const MAX_PENDING_BYTES = 256 * 1024;
/** Events put together for one write. */
const MAX_BATCH_BYTES = 128 * 1024;
const MAX_BATCH_EVENTS = 1000;

/**
 * One client's watch. It has a place in the resource's event window instead of a queue, so that a slow
 * client holds no memory: when its place has been dropped from the window, its watch ends with 410.
 */
export class Watcher {
  readonly served: ServedResource;
  readonly bookmarks: boolean;
  readonly #selection: Selection;
  readonly #encoder: EventEncoder;
  readonly #response: ApiResponse;
  #cursor: number;
  #waiting = false;
  #ended = false;
  #sentRevision = 0;

  constructor(options: {
    served: ServedResource;
    selection: Selection;
    encoder: EventEncoder;
    response: ApiResponse;
    cursor: number;
    bookmarks: boolean;
  }) {
    this.served = options.served;
    this.bookmarks = options.bookmarks;
    this.#selection = options.selection;
    this.#encoder = options.encoder;
    this.#response = options.response;
    this.#cursor = options.cursor;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Writes what is new, as far as the client takes it. */
  advance(): void {
    const { window } = this.served.cache;
    if (this.#ended) return;
    if (this.#cursor < window.start) {
      this.fail(
        resourceExpired(`too old resource version: the watch fell behind the events that are kept`).status,
      );
      return;
    }
    while (!this.#waiting && !this.#ended && this.#cursor < window.end) {
      if (this.#isReady()) this.#writeBatch();
      else void this.#prepare();
    }
  }

  /** Whether the events to come can be shown as they are; others may have to convert them. */
  #isReady(): boolean {
    if (!this.served.isConvertedByOthers) return true;
    return this.#next().every((entry) => this.served.isReady(entry));
  }

  #next(): CacheEntry[] {
    const { window } = this.served.cache;
    const end = Math.min(window.end, this.#cursor + MAX_BATCH_EVENTS);
    const entries: CacheEntry[] = [];
    for (let at = this.#cursor; at < end; at++) {
      const event = window.at(at);
      if (!event || !this.#selection.inScope(event.entry.key)) continue;
      entries.push(event.entry);
      if (event.previous) entries.push(event.previous);
    }
    return entries;
  }

  async #prepare(): Promise<void> {
    this.#waiting = true;
    try {
      await this.served.prepare(this.#next());
      this.#waiting = false;
      this.advance();
    } catch (error) {
      this.fail(error instanceof StatusError ? error.status : internalError(messageOf(error)).status);
    }
  }

  /** Tells the version that the cache has reached, if the client has everything before it. */
  bookmark(revision: number): void {
    if (this.#ended || this.#waiting || this.#cursor < this.served.cache.window.end) return;
    if (revision <= this.#sentRevision) return;
    this.#sentRevision = revision;
    this.#write(this.#encoder.bookmark(revision, false));
    this.#encoder.sent();
  }

  /** Ends the stream with an ERROR event. */
  fail(status: StatusBody): void {
    if (this.#ended) return;
    this.#response.write(this.#encoder.error(status));
    this.end();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#response.end();
  }

  /** The client has gone. */
  close(): void {
    this.#ended = true;
  }

  #writeBatch(): void {
    const { window } = this.served.cache;
    if (this.#cursor + 1 === window.end) {
      const event = window.at(this.#cursor++);
      const frame = event && this.#frame(event);
      if (!frame) return;
      this.#sentRevision = event.revision;
      this.#write(frame);
      return;
    }
    const frames: Buffer[] = [];
    let size = 0;
    const end = Math.min(window.end, this.#cursor + MAX_BATCH_EVENTS);
    while (this.#cursor < end && size < MAX_BATCH_BYTES) {
      const event = window.at(this.#cursor);
      this.#cursor += 1;
      const frame = event && this.#frame(event);
      if (!frame) continue;
      frames.push(frame);
      size += frame.length;
      this.#sentRevision = event.revision;
    }
    const [first] = frames;
    if (first) this.#write(frames.length === 1 ? first : Buffer.concat(frames, size));
  }

  #write(bytes: Buffer): void {
    if (this.#response.write(bytes) || this.#response.pendingBytes < MAX_PENDING_BYTES) return;
    this.#waiting = true;
    void this.#waitForRoom();
  }

  async #waitForRoom(): Promise<void> {
    try {
      await this.#response.drained();
      this.#waiting = false;
      this.advance();
    } catch {
      // The client has gone; whoever serves the watch hears of it, too.
      this.close();
    }
  }

  /** The event as this watcher sees it: an object that leaves the selection is deleted for it. */
  #frame(event: CacheEvent): Buffer | undefined {
    const { entry, previous } = event;
    const selection = this.#selection;
    if (!selection.inScope(entry.key)) return undefined;
    if (selection.everything) return this.#encoded(event, event.type);
    const before = previous !== undefined && selection.matches(this.served, previous);
    if (event.type === 'DELETED') return before ? this.#encoded(event, 'DELETED') : undefined;
    const after = selection.matches(this.served, entry);
    if (after) return this.#encoded(event, before ? 'MODIFIED' : 'ADDED');
    return before ? this.#encoded(event, 'LEFT') : undefined;
  }

  #encoded(event: CacheEvent, what: EventType | 'LEFT'): Buffer {
    const key = this.#encoder.keys[what];
    let frame = event.frames.get(key);
    if (!frame) {
      // What has left the selection is shown as it last was in it, under the new version.
      const shown =
        what === 'LEFT' && event.previous
          ? this.served.cache.withRevision(event.previous, event.revision)
          : event.entry;
      if (what === 'LEFT' && event.previous) this.served.carryOver(event.previous, shown);
      frame = this.#encoder.event(what === 'LEFT' ? 'DELETED' : what, shown);
      event.frames.set(key, frame);
    }
    this.#encoder.sent();
    return frame;
  }
}
