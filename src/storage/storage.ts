/**
 * The storage seam, in etcd's model: one revision counter for the whole store, a revision for each write,
 * compare-and-set on a key's last revision, watches from a revision, compaction. Keys are strings ordered
 * by their UTF-8 bytes; values are opaque bytes that the engine never changes and callers never mutate.
 */
export interface KeyValue {
  key: string;
  value: Buffer;
  /** Revision of the write that created the key (in its present life). */
  createRevision: number;
  /** Revision of the key's last write. */
  modRevision: number;
}

export interface RangeOptions {
  /** All keys that begin with it, e.g. '/registry/pods/default/'. */
  prefix: string;
  /** First key to return (inclusive); must begin with the prefix. Default: the prefix itself. */
  start?: string;
  /** At most so many pairs. Default: all. */
  limit?: number;
  /** Read the store as it was at this revision. Default: now. */
  revision?: number;
}

export interface RangeResult {
  kvs: KeyValue[];
  /** Whether `limit` cut the answer short. */
  more: boolean;
  /** Keys under the prefix from `start` on, those cut off by `limit` included. */
  count: number;
  /** The store's revision at which the answer holds. */
  revision: number;
}

export type WriteResult =
  | { ok: true; revision: number; previous: KeyValue | undefined }
  /** The comparison failed and nothing was written; `current` is the key as it stands. */
  | { ok: false; revision: number; current: KeyValue | undefined };

export interface StorageEvent {
  type: 'put' | 'delete';
  key: string;
  /** The new value; empty for a delete. */
  value: Buffer;
  /** The event's own revision. */
  revision: number;
  /** 0 for a delete. */
  createRevision: number;
  /** The pair as it was before, unless the key was created by this event or the history before is compacted. */
  previous: KeyValue | undefined;
}

export interface StorageWatchHandler {
  /** Events in order of revision; all events of one revision arrive in one call. Must not throw. */
  onEvents(events: readonly StorageEvent[]): void;
  /** The watch ended and will deliver nothing more: compacted, closed, or the engine failed. */
  onEnd(error: Error): void;
}

export interface StorageWatch {
  /** Stops delivery at once. Idempotent; onEnd is not called. */
  cancel(): void;
}

export interface Storage {
  /** The pair at `revision` (default: now), or undefined where there is none. */
  get(key: string, revision?: number): Promise<{ kv: KeyValue | undefined; revision: number }>;
  range(options: RangeOptions): Promise<RangeResult>;
  /**
   * Writes if the key's modRevision equals `expected` (0: the key must not exist; undefined: always).
   * Resolves when the write is durable, with the revision that it got.
   */
  put(key: string, value: Buffer, expected?: number): Promise<WriteResult>;
  /** Deletes under the same rule. Deleting a missing key with `expected` undefined or 0 writes nothing and is ok. */
  delete(key: string, expected?: number): Promise<WriteResult>;
  /**
   * Every event under `prefix` with revision >= `fromRevision`, in order, without gaps or repeats.
   * Throws CompactedError when that revision is compacted.
   */
  watch(prefix: string, fromRevision: number, handler: StorageWatchHandler): Promise<StorageWatch>;
  /** Forgets history before `revision`: reads and watches of older revisions fail with CompactedError. */
  compact(revision: number): Promise<void>;
  /** The revision of the newest durable write (1 in an empty store, as in etcd). */
  currentRevision(): Promise<number>;
  compactedRevision(): Promise<number>;
  /** Bytes on disk (0 in memory). */
  size(): Promise<number>;
  /** Waits for what was acknowledged to be safe, ends watches, and frees the files. Idempotent. */
  close(): Promise<void>;
}
