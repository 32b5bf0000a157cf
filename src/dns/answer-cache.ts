import type { Clock } from '../base/clock.ts';
import { lifetimeOffsets, RCODE } from './wire.ts';

interface Entry {
  packet: Buffer;
  offsets: readonly number[];
  storedMs: number;
  expiresMs: number;
}

/** Answers of upstream servers are kept at most this long, so that a change out there is seen here. */
const MAX_TTL_SECONDS = 300;
/** A denial, or an answer without a record, lives shorter. */
const MAX_NEGATIVE_TTL_SECONDS = 30;

/** Answers of upstream servers by question, with lifetimes that run down; the oldest goes where there are too many. */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #maxEntries: number;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, maxEntries = 10_000) {
    this.#clock = clock;
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** A copy of the answer with what is left of its lifetimes; its id and question are the first asker's. */
  get(key: string): Buffer | undefined {
    const entry = this.#entries.get(key);
    const nowMs = this.#clock.monotonicMs();
    if (!entry) return undefined;
    if (entry.expiresMs <= nowMs) {
      this.#entries.delete(key);
      return undefined;
    }
    const packet = Buffer.from(entry.packet);
    const elapsedSeconds = Math.floor((nowMs - entry.storedMs) / 1000);
    for (const offset of entry.offsets) {
      packet.writeUInt32BE(Math.max(0, packet.readUInt32BE(offset) - elapsedSeconds), offset);
    }
    return packet;
  }

  /** Keeps an answer for as long as its records allow; failures and cut answers are not kept. */
  put(key: string, packet: Buffer): void {
    const offsets = lifetimeOffsets(packet);
    const rcode = (packet[3] ?? 0) & 0xf;
    const truncated = ((packet[2] ?? 0) & 0x02) !== 0;
    if (!offsets || offsets.length === 0 || truncated) return;
    if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN) return;
    const negative = rcode === RCODE.NXDOMAIN || packet.readUInt16BE(6) === 0;
    const least = Math.min(...offsets.map((offset) => packet.readUInt32BE(offset)));
    const ttl = Math.min(least, negative ? MAX_NEGATIVE_TTL_SECONDS : MAX_TTL_SECONDS);
    if (ttl <= 0) return;
    const nowMs = this.#clock.monotonicMs();
    this.#entries.delete(key);
    this.#entries.set(key, {
      packet: Buffer.from(packet),
      offsets,
      storedMs: nowMs,
      expiresMs: nowMs + ttl * 1000,
    });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries) break;
      this.#entries.delete(oldest);
    }
  }
}
