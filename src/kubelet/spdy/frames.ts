import { constants, deflateRawSync, deflateSync } from 'node:zlib';
import { SlipwayError } from '../../base/errors.ts';
import { DICTIONARY, lengthPrefixed } from './dictionary.ts';

/** Frames of SPDY/3.1, as far as streaming with a Go peer needs them. */
export const FIN = 0x01;

export const TYPE = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export type Frame =
  | { kind: 'data'; streamId: number; fin: boolean; data: Buffer }
  | { kind: 'control'; type: number; flags: number; body: Buffer };

const HEADER_BYTES = 8;
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/** Cuts a byte stream into frames. A data frame of any size is passed on whole. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;

  /** Throws E_SPDY where the peer does not speak SPDY/3. */
  *push(chunk: Buffer): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    for (;;) {
      if (this.#length < HEADER_BYTES) return;
      let buffer = this.#joined();
      const length = buffer.readUIntBE(5, 3);
      if (length > MAX_FRAME_BYTES) throw new SlipwayError('E_SPDY', `frame of ${length} bytes is too long`);
      if (this.#length < HEADER_BYTES + length) return;
      const body = buffer.subarray(HEADER_BYTES, HEADER_BYTES + length);
      const first = buffer.readUInt32BE(0);
      const flags = buffer.readUInt8(4);
      buffer = buffer.subarray(HEADER_BYTES + length);
      this.#chunks = buffer.length > 0 ? [buffer] : [];
      this.#length = buffer.length;
      if ((first & 0x80000000) === 0) {
        yield { kind: 'data', streamId: first, fin: (flags & FIN) !== 0, data: body };
        continue;
      }
      const version = (first >>> 16) & 0x7fff;
      if (version !== 3) throw new SlipwayError('E_SPDY', `version ${version} is not spoken here`);
      yield { kind: 'control', type: first & 0xffff, flags, body };
    }
  }

  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }
}

export function dataFrame(streamId: number, data: Buffer, fin: boolean): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(streamId, 0);
  header.writeUInt32BE(data.length, 4);
  header.writeUInt8(fin ? FIN : 0, 4);
  return Buffer.concat([header, data]);
}

export function controlFrame(type: number, flags: number, body: Buffer): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt16BE(0x8003, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE(body.length, 4);
  header.writeUInt8(flags, 4);
  return Buffer.concat([header, body]);
}

/**
 * Compresses header blocks: one zlib stream for the whole connection. Blocks do not refer to each other, so
 * each is compressed by itself; only the first carries zlib's own header and the dictionary.
 */
export class HeaderWriter {
  #first = true;

  synStream(streamId: number, headers: Record<string, string>): Buffer {
    const pairs = Object.entries(headers);
    const count = Buffer.allocUnsafe(4);
    count.writeUInt32BE(pairs.length);
    const block = Buffer.concat([
      count,
      ...pairs.flatMap(([name, value]) => [lengthPrefixed(name.toLowerCase()), lengthPrefixed(value)]),
    ]);
    const prefix = Buffer.alloc(10);
    prefix.writeUInt32BE(streamId, 0);
    return controlFrame(TYPE.synStream, 0, Buffer.concat([prefix, this.#compress(block)]));
  }

  #compress(block: Buffer): Buffer {
    const finishFlush = constants.Z_SYNC_FLUSH;
    if (!this.#first) return deflateRawSync(block, { finishFlush });
    this.#first = false;
    return deflateSync(block, { finishFlush, dictionary: DICTIONARY });
  }
}
