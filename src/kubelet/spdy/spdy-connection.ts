import type { Duplex } from 'node:stream';
import { controlFrame, dataFrame, FrameReader, HeaderWriter, TYPE } from './frames.ts';

export interface SpdyStreamHandlers {
  data(chunk: Buffer): void;
  /** The peer sends no more on this stream. */
  end(): void;
}

/** Data goes out in frames of this size, so that streams take turns. */
const CHUNK_BYTES = 32 * 1024;
const STATUS_REFUSED = 3;

/**
 * A SPDY/3.1 client over an upgraded connection, for containerd's streaming server. Go's spdystream keeps no
 * flow-control windows, so neither do we; the socket's own back pressure holds.
 */
export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #headers = new HeaderWriter();
  readonly #reader = new FrameReader();
  readonly #streams = new Map<number, SpdyStreamHandlers>();
  #nextId = 1;
  #closed = false;
  readonly #onClose: (error: Error | undefined) => void;

  constructor(socket: Duplex, onClose: (error: Error | undefined) => void) {
    this.#socket = socket;
    this.#onClose = onClose;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error: Error) => this.close(error));
    socket.on('close', () => this.close());
    socket.on('end', () => this.close());
  }

  /** Bytes that came with the answer to the upgrade. */
  feed(head: Buffer): void {
    if (head.length > 0) this.#read(head);
  }

  open(headers: Record<string, string>, handlers: SpdyStreamHandlers): SpdyStream {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#streams.set(id, handlers);
    this.#socket.write(this.#headers.synStream(id, headers));
    return new SpdyStream(id, this.#socket);
  }

  /** Stops and starts reading: back pressure of whoever takes the data. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const handlers of this.#streams.values()) handlers.end();
    this.#streams.clear();
    this.#socket.destroy();
    this.#onClose(error);
  }

  #read(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.push(chunk)) {
        if (frame.kind === 'control') {
          this.#control(frame.type, frame.flags, frame.body);
          continue;
        }
        const handlers = this.#streams.get(frame.streamId);
        if (!handlers) continue;
        if (frame.data.length > 0) handlers.data(frame.data);
        if (frame.fin) this.#end(frame.streamId);
      }
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #control(type: number, flags: number, body: Buffer): void {
    switch (type) {
      case TYPE.ping:
        // An even number is the server's own; ours we never send.
        if (body.length >= 4 && body.readUInt32BE(0) % 2 === 0) {
          this.#socket.write(controlFrame(TYPE.ping, 0, body));
        }
        return;
      case TYPE.rstStream:
        if (body.length >= 4) this.#end(body.readUInt32BE(0));
        return;
      case TYPE.goAway:
        return;
      case TYPE.synReply:
        if ((flags & 1) !== 0 && body.length >= 4) this.#end(body.readUInt32BE(0));
        return;
      case TYPE.synStream: {
        const reset = Buffer.alloc(8);
        reset.writeUInt32BE(body.length >= 4 ? body.readUInt32BE(0) : 0, 0);
        reset.writeUInt32BE(STATUS_REFUSED, 4);
        this.#socket.write(controlFrame(TYPE.rstStream, 0, reset));
        return;
      }
      default:
      // SETTINGS, HEADERS and WINDOW_UPDATE change nothing here.
    }
  }

  #end(id: number): void {
    const handlers = this.#streams.get(id);
    this.#streams.delete(id);
    handlers?.end();
  }
}

/** Our side of a stream. */
export class SpdyStream {
  readonly id: number;
  readonly #socket: Duplex;
  #ended = false;

  constructor(id: number, socket: Duplex) {
    this.id = id;
    this.#socket = socket;
  }

  /** @returns false where the caller should wait for `drained`. */
  write(data: Buffer): boolean {
    if (this.#ended) return true;
    let ready = true;
    for (let start = 0; start < data.length; start += CHUNK_BYTES) {
      ready = this.#socket.write(dataFrame(this.id, data.subarray(start, start + CHUNK_BYTES), false));
    }
    return ready;
  }

  /** Half-closes: the other side sees the end of its input. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.write(dataFrame(this.id, Buffer.alloc(0), true));
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.once('drain', done);
      this.#socket.once('close', done);
    });
  }
}
