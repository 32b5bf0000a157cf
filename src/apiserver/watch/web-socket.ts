import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';

/** RFC 6455, section 1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const CONTROL_LIMIT_BYTES = 125;

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** The client's key, signed as the handshake asks. */
export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}${ACCEPT_GUID}`).digest('base64');
}

/** The head of a server's frame, which is never masked; its payload follows as it is. */
export function frameHead(opcode: number, length: number): Buffer {
  const first = 0x80 | opcode;
  if (length < 126) return Buffer.from([first, length]);
  if (length < 0x10000) return Buffer.from([first, 126, length >> 8, length & 0xff]);
  const head = Buffer.alloc(10);
  head[0] = first;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

/** A close frame with a code of RFC 6455, section 7.4.1. */
export function closeFrame(code: number): Buffer {
  return Buffer.concat([frameHead(CLOSE, 2), Buffer.from([code >> 8, code & 0xff])]);
}

/**
 * Reads what a client sends that has nothing to say: pings are answered, what else it sends is skipped without being
 * kept, whatever its length. `onClose` is called once, at its close frame or where it breaks the protocol, with the
 * code to answer.
 */
export class SilentClient {
  readonly #socket: Duplex;
  readonly #onClose: (code: number) => void;
  #pending: Buffer = Buffer.alloc(0);
  #skipBytes = 0;
  #closed = false;

  constructor(socket: Duplex, head: Buffer, onClose: (code: number) => void) {
    this.#socket = socket;
    this.#onClose = onClose;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    if (head.length > 0) this.#receive(head);
    socket.resume();
  }

  #receive(chunk: Buffer): void {
    let data = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
    while (!this.#closed && data.length > 0) {
      const taken = this.#take(data);
      if (taken === 0) break;
      data = data.subarray(taken);
    }
    // At most the head of a frame and a control frame's payload: 139 bytes.
    this.#pending = this.#closed ? Buffer.alloc(0) : Buffer.from(data);
  }

  /** Bytes that are done with; 0 where more must come first. */
  #take(data: Buffer): number {
    if (this.#skipBytes > 0) {
      const skipped = Math.min(this.#skipBytes, data.length);
      this.#skipBytes -= skipped;
      return skipped;
    }
    const [first, second] = data;
    if (first === undefined || second === undefined) return 0;
    const opcode = first & 0x0f;
    const lengthBytes = (second & 0x7f) === 127 ? 8 : (second & 0x7f) === 126 ? 2 : 0;
    const headBytes = 2 + lengthBytes + 4;
    // A client masks everything that it sends (section 5.1).
    if ((second & 0x80) === 0) return this.#close(1002, data);
    if (data.length < headBytes) return 0;
    const length = payloadLength(data, second & 0x7f);
    if (opcode < CLOSE) {
      this.#skipBytes = length;
      return headBytes;
    }
    if (length > CONTROL_LIMIT_BYTES || (first & 0x80) === 0) return this.#close(1002, data);
    if (data.length < headBytes + length) return 0;
    if (opcode === CLOSE) return this.#close(1000, data);
    if (opcode === PING) this.#pong(data.subarray(headBytes - 4, headBytes + length));
    return headBytes + length;
  }

  #close(code: number, data: Buffer): number {
    this.#closed = true;
    this.#onClose(code);
    return data.length;
  }

  /** Unanswered pings do not pile up: a client that takes nothing gets no pongs. */
  #pong(masked: Buffer): void {
    if (this.#socket.writableNeedDrain || !this.#socket.writable) return;
    const payload = Buffer.from(masked.subarray(4));
    for (let at = 0; at < payload.length; at++) payload[at] = (payload[at] ?? 0) ^ (masked[at % 4] ?? 0);
    this.#socket.write(Buffer.concat([frameHead(PONG, payload.length), payload]));
  }
}

function payloadLength(data: Buffer, short: number): number {
  if (short === 126) return data.readUInt16BE(2);
  if (short === 127) return Number(data.readBigUInt64BE(2));
  return short;
}
