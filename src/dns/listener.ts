import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type AddressInfo, type Server, type Socket } from 'node:net';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Responder } from './responder.ts';
import { frame } from './upstream.ts';

export interface ListenAddress {
  address: string;
  /** 53; 0 takes a free one. */
  port: number;
}

/** A connection that says nothing for so long is closed. */
const IDLE_MS = 10_000;
const MAX_CONNECTIONS = 512;
/** Questions of one connection that are worked on at once; the rest waits in its socket. */
const MAX_PIPELINED = 64;

/** Listens on one address, by UDP and TCP on the same port. */
export class Listener {
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();

  private constructor(udp: UdpSocket, tcp: Server) {
    this.#udp = udp;
    this.#tcp = tcp;
  }

  static async open({ address, port }: ListenAddress, responder: Responder, log: Logger): Promise<Listener> {
    const udp = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 });
    const tcp = createServer({ noDelay: true });
    tcp.maxConnections = MAX_CONNECTIONS;
    const listener = new Listener(udp, tcp);
    try {
      await new Promise<void>((resolve, reject) => {
        tcp.once('error', reject);
        tcp.listen({ host: address, port }, resolve);
      });
      await new Promise<void>((resolve, reject) => {
        udp.once('error', reject);
        udp.bind(listener.port, address, resolve);
      });
    } catch (error) {
      await listener.close();
      throw error;
    }
    for (const server of [tcp, udp]) {
      server.removeAllListeners('error');
      server.on('error', (error) => log.warn({ address, err: messageOf(error) }, 'a DNS socket failed'));
    }
    udp.on('message', (packet, from) => {
      void answerDatagram(responder, packet, (answer) => {
        // A client that is gone is no error of ours.
        udp.send(answer, from.port, from.address, () => {});
      });
    });
    tcp.on('connection', (socket) => listener.#serve(socket, responder));
    return listener;
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  #serve(socket: Socket, responder: Responder): void {
    this.#connections.add(socket);
    let received = Buffer.alloc(0);
    let pending = 0;
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    const answer = async (packet: Buffer) => {
      const bytes = await responder.respond(packet, 'tcp');
      pending--;
      if (bytes === undefined) socket.destroy();
      else if (!socket.destroyed) socket.write(frame(bytes));
      work();
    };
    const work = () => {
      while (received.length >= 2 && pending < MAX_PIPELINED) {
        const end = 2 + received.readUInt16BE(0);
        if (received.length < end) break;
        const packet = received.subarray(2, end);
        received = received.subarray(end);
        pending++;
        void answer(packet);
      }
      if (pending >= MAX_PIPELINED) socket.pause();
      else socket.resume();
    };
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      work();
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    await Promise.all([
      new Promise<void>((resolve) => {
        if (this.#tcp.listening) this.#tcp.close(() => resolve());
        else resolve();
      }),
      new Promise<void>((resolve) => {
        try {
          this.#udp.close(() => resolve());
        } catch {
          resolve(); // it was never bound
        }
      }),
    ]);
  }
}

async function answerDatagram(
  responder: Responder,
  packet: Buffer,
  send: (answer: Buffer) => void,
): Promise<void> {
  const answer = await responder.respond(packet, 'udp');
  if (answer) send(answer);
}
