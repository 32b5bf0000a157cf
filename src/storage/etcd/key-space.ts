import type { KeyValue, StorageEvent } from '../storage.ts';
import { EVENT_DELETE, type EtcdEvent, type EtcdKeyValue } from './messages.ts';

const EMPTY = Buffer.alloc(0);
const ALL = Buffer.of(0);

/** etcd's keys and pairs as the store's: strings below a prefix that several stores in one etcd may differ by. */
export class KeySpace {
  readonly #prefix: string;
  readonly #prefixBytes: number;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#prefixBytes = Buffer.byteLength(prefix);
  }

  key(key: string): Buffer {
    return Buffer.from(this.#prefix + key);
  }

  /** All keys from `start` on that begin with `prefix`. */
  range(prefix: string, start: string = prefix): { key: Buffer; rangeEnd: Buffer } {
    const from = this.#prefix + start;
    return { key: from === '' ? ALL : Buffer.from(from), rangeEnd: endOf(this.#prefix + prefix) };
  }

  keyValue(kv: EtcdKeyValue): KeyValue {
    return {
      key: kv.key.toString('utf8', this.#prefixBytes),
      value: owned(kv.value),
      createRevision: kv.createRevision,
      modRevision: kv.modRevision,
    };
  }

  event({ type, kv, prevKv }: EtcdEvent): StorageEvent {
    const deleted = type === EVENT_DELETE;
    return {
      type: deleted ? 'delete' : 'put',
      key: kv.key.toString('utf8', this.#prefixBytes),
      value: deleted ? EMPTY : owned(kv.value),
      revision: kv.modRevision,
      createRevision: deleted ? 0 : kv.createRevision,
      previous: prevKv && this.keyValue(prevKv),
    };
  }
}

/** The first key behind all that begin with `prefix`; UTF-8 has no byte 0xff, so the last one can be raised. */
function endOf(prefix: string): Buffer {
  if (prefix === '') return ALL;
  const end = Buffer.from(prefix);
  end[end.length - 1]! += 1;
  return end;
}

/** Values are kept for long: one that is a small view would hold the whole answer in memory. */
function owned(value: Buffer): Buffer {
  if (value.length === 0) return EMPTY;
  if (value.length * 2 > value.buffer.byteLength) return value;
  const copy = Buffer.allocUnsafeSlow(value.length);
  value.copy(copy);
  return copy;
}
