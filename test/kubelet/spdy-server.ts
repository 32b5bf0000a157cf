import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { constants, createInflate, type Inflate } from 'node:zlib';
import { DICTIONARY } from '../../src/kubelet/spdy/dictionary.ts';
import { controlFrame, dataFrame, FrameReader, TYPE } from '../../src/kubelet/spdy/frames.ts';

/** What the other end of a stream sees. */
export interface PeerStream {
  id: number;
  headers: Record<string, string>;
  received: Buffer[];
  ended: boolean;
}

/** A SPDY/3.1 server as containerd's streaming server is one: it inflates headers for real and keeps no windows. */
export class SpdyPeer {
  readonly socket: Duplex;
  readonly streams = new Map<number, PeerStream>();
  readonly #reader = new FrameReader();
  readonly #inflate: Inflate = createInflate({ dictionary: DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH });
  #work: Promise<void> = Promise.resolve();
  onStream: (stream: PeerStream) => void = () => undefined;
  onEnd: (stream: PeerStream) => void = () => undefined;

  constructor(socket: Duplex) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      for (const frame of this.#reader.push(chunk)) this.#work = this.#work.then(() => this.#take(frame));
    });
    socket.on('error', () => undefined);
  }

  byType(type: string): PeerStream | undefined {
    return [...this.streams.values()].find(({ headers }) => headers.streamtype === type);
  }

  send(id: number, data: Buffer, fin = false): void {
    this.socket.write(dataFrame(id, data, fin));
  }

  ping(): void {
    this.socket.write(controlFrame(TYPE.ping, 0, Buffer.from([0, 0, 0, 2])));
  }

  async #take(frame: ReturnType<FrameReader['push']> extends Generator<infer F> ? F : never): Promise<void> {
    if (frame.kind === 'data') {
      const stream = this.streams.get(frame.streamId);
      if (!stream) return;
      stream.received.push(frame.data);
      if (frame.fin) {
        stream.ended = true;
        this.onEnd(stream);
      }
    } else if (frame.type === TYPE.synStream) {
      const id = frame.body.readUInt32BE(0);
      const headers = parseBlock(await this.#inflated(frame.body.subarray(10)));
      const stream = { id, headers, received: [], ended: false };
      this.streams.set(id, stream);
      this.socket.write(controlFrame(TYPE.synReply, 0, frame.body.subarray(0, 4)));
      this.onStream(stream);
    } else if (frame.type === TYPE.ping) {
      this.streams.set(0, { id: 0, headers: { pong: 'yes' }, received: [], ended: false });
    }
  }

  #inflated(block: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#inflate.once('error', reject);
      this.#inflate.write(block, () => {
        this.#inflate.off('error', reject);
        resolve((this.#inflate.read() as Buffer | null) ?? Buffer.alloc(0));
      });
    });
  }
}

function parseBlock(block: Buffer): Record<string, string> {
  const headers: Record<string, string> = {};
  let position = 4;
  const next = () => {
    const length = block.readUInt32BE(position);
    const text = block.toString('latin1', position + 4, position + 4 + length);
    position += 4 + length;
    return text;
  };
  for (let count = block.readUInt32BE(0); count > 0; count -= 1) {
    const name = next();
    headers[name] = next();
  }
  return headers;
}

/** Listens on loopback; every upgrade becomes a peer. */
export async function startSpdyServer(
  onPeer: (peer: SpdyPeer, protocols: string) => void,
): Promise<{ url: string; close(): void }> {
  const server: Server = createServer((_request, response) => response.writeHead(404).end('unknown token'));
  const sockets = new Set<Duplex>();
  server.on('upgrade', (request, socket) => {
    sockets.add(socket);
    const protocols = String(request.headers['x-stream-protocol-version'] ?? '');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n' +
        `X-Stream-Protocol-Version: ${protocols.split(',')[0]?.trim()}\r\n\r\n`,
    );
    onPeer(new SpdyPeer(socket), protocols);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/exec/token`,
    close: () => {
      server.close();
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
  };
}
