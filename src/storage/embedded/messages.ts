import type { KeyValue } from '../storage.ts';

/**
 * What the loop's thread and the writer's thread say to each other. A batch of writes is packed into a few
 * typed arrays that change hands without a copy; a Buffer sent by itself would drag its whole pool along.
 */
export type Request =
  | ({ type: 'write' } & WriteBatch)
  /** Marks revisions before `revision` as forgotten, durably. */
  | { type: 'compact'; revision: number }
  /** Removes what compaction made superfluous for up to `limit` revisions of the log. */
  | { type: 'sweep'; limit: number }
  | { type: 'close' };

export type Reply =
  | { type: 'opened'; revision: number; compactedRevision: number; swept: number }
  | ({ type: 'written' } & WrittenBatch)
  | { type: 'compacted' }
  /** `swept` is the revision up to which the log is clean. */
  | { type: 'swept'; swept: number }
  | { type: 'closed' }
  | { type: 'failed'; failure: Failure };

/**
 * Why a request failed. After 'full' nothing was written and the writer goes on; after the others it has
 * stopped. 'format' carries the format that was found.
 */
export interface Failure {
  kind: 'full' | 'corrupt' | 'format' | 'broken';
  message: string;
  found?: number;
}

export interface WriteBatch {
  keys: string[];
  /** The revision that each key must be at; NaN: any. */
  expected: Float64Array<ArrayBuffer>;
  /** Length of each value; -1: a delete. */
  lengths: Int32Array<ArrayBuffer>;
  /** All values, one after the other. */
  values: Uint8Array<ArrayBuffer>;
}

export interface WrittenBatch {
  /** FIELDS numbers for each write. */
  fields: Float64Array<ArrayBuffer>;
  /** The values of the pairs as they were before, one after the other. */
  values: Uint8Array<ArrayBuffer>;
}

/** ok (1 or 0), revision, createRevision of the new pair, then of the pair before: modRevision, createRevision, length (-1: none). */
const FIELDS = 6;

export interface PendingWrite {
  key: string;
  /** Undefined: a delete. */
  value: Buffer | undefined;
  expected: number | undefined;
}

export interface Written {
  ok: boolean;
  /** The revision that the write got, or the store's where nothing was written. */
  revision: number;
  createRevision: number;
  previous: KeyValue | undefined;
}

export function packWrites(writes: readonly PendingWrite[]): WriteBatch {
  const expected = new Float64Array(writes.length);
  const lengths = new Int32Array(writes.length);
  const values = new Uint8Array(writes.reduce((sum, write) => sum + (write.value?.length ?? 0), 0));
  let offset = 0;
  writes.forEach((write, i) => {
    expected[i] = write.expected ?? NaN;
    lengths[i] = write.value?.length ?? -1;
    if (!write.value) return;
    values.set(write.value, offset);
    offset += write.value.length;
  });
  return { keys: writes.map((write) => write.key), expected, lengths, values };
}

/** The writes of a batch; the values are views into it. */
export function* unpackWrites(batch: WriteBatch): Generator<PendingWrite> {
  let offset = 0;
  for (const [i, key] of batch.keys.entries()) {
    const length = batch.lengths[i]!;
    const expected = batch.expected[i]!;
    const value = length < 0 ? undefined : Buffer.from(batch.values.buffer, offset, length);
    offset += Math.max(length, 0);
    yield { key, value, expected: Number.isNaN(expected) ? undefined : expected };
  }
}

export function packWritten(results: readonly Written[]): WrittenBatch {
  const fields = new Float64Array(results.length * FIELDS);
  const total = results.reduce((sum, result) => sum + (result.previous?.value.length ?? 0), 0);
  const values = new Uint8Array(total);
  let offset = 0;
  results.forEach(({ ok, revision, createRevision, previous }, i) => {
    fields.set(
      [
        ok ? 1 : 0,
        revision,
        createRevision,
        previous?.modRevision ?? 0,
        previous?.createRevision ?? 0,
        previous?.value.length ?? -1,
      ],
      i * FIELDS,
    );
    if (!previous) return;
    values.set(previous.value, offset);
    offset += previous.value.length;
  });
  return { fields, values };
}

/** The results for `keys`, each value copied to a buffer of its own: a view would keep the whole batch alive. */
export function unpackWritten(batch: WrittenBatch, keys: readonly string[]): Written[] {
  let offset = 0;
  return keys.map((key, i) => {
    const at = i * FIELDS;
    const length = batch.fields[at + 5]!;
    let previous: KeyValue | undefined;
    if (length >= 0) {
      const value = Buffer.allocUnsafeSlow(length);
      value.set(batch.values.subarray(offset, offset + length));
      offset += length;
      previous = {
        key,
        value,
        createRevision: batch.fields[at + 4]!,
        modRevision: batch.fields[at + 3]!,
      };
    }
    return {
      ok: batch.fields[at] === 1,
      revision: batch.fields[at + 1]!,
      createRevision: batch.fields[at + 2]!,
      previous,
    };
  });
}
