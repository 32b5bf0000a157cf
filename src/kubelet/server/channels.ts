import type { WebSocket } from 'ws';

/** Subprotocols of exec and attach over WebSocket, the preferred one first. */
export const REMOTE_COMMAND_PROTOCOLS = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'channel.k8s.io',
  'v5.base64.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'base64.channel.k8s.io',
] as const;

export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;
export const ERROR = 3;
export const RESIZE = 4;
/** v5: the byte after it names a channel that its sender has closed. */
const CLOSE = 255;

/** Above this many unsent bytes the source is asked to wait, below half of it to go on. */
const HIGH_WATER_BYTES = 1024 * 1024;

export interface ChannelHandlers {
  data(channel: number, data: Buffer): void;
  /** The client sends no more on this channel. */
  closed(channel: number): void;
}

/** Numbered channels over a WebSocket: a byte (or, in base64, a digit) before each message. */
export class ChannelSocket {
  readonly #socket: WebSocket;
  readonly #base64: boolean;
  /** 'v5', 'v4' or 'v1'. */
  readonly version: string;
  #pressed = false;

  constructor(socket: WebSocket, protocol: string, handlers: ChannelHandlers) {
    this.#socket = socket;
    this.#base64 = protocol.includes('base64');
    this.version = /^v\d/.exec(protocol)?.[0] ?? 'v1';
    socket.on('message', (message: Buffer) => this.#receive(message, handlers));
  }

  send(channel: number, data: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#base64) this.#socket.send(`${channel}${data.toString('base64')}`);
    else this.#socket.send(Buffer.concat([Buffer.from([channel]), data]), { binary: true });
  }

  /** Sends, and calls `pause` while too much waits to be sent, `resume` afterwards. */
  sendWithPressure(channel: number, data: Buffer, pause: () => void, resume: () => void): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const message = this.#base64
      ? `${channel}${data.toString('base64')}`
      : Buffer.concat([Buffer.from([channel]), data]);
    this.#socket.send(message, { binary: !this.#base64 }, () => {
      if (this.#pressed && this.#socket.bufferedAmount < HIGH_WATER_BYTES / 2) {
        this.#pressed = false;
        resume();
      }
    });
    if (!this.#pressed && this.#socket.bufferedAmount > HIGH_WATER_BYTES) {
      this.#pressed = true;
      pause();
    }
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.close(1000);
  }

  #receive(message: Buffer, handlers: ChannelHandlers): void {
    if (message.length === 0) return;
    const first = message[0] as number;
    if (this.#base64) {
      const digit = first - 0x30;
      if (digit >= 0 && digit <= 9) {
        handlers.data(digit, Buffer.from(message.toString('latin1', 1), 'base64'));
      }
      return;
    }
    if (this.version === 'v5' && first === CLOSE) {
      const channel = message[1];
      if (channel !== undefined) handlers.closed(channel);
      return;
    }
    handlers.data(first, message.subarray(1));
  }
}

/** The protocol to speak, from those the client offers; undefined where none fits. */
export function negotiate(offered: Iterable<string>, known: readonly string[]): string | undefined {
  const set = new Set(offered);
  return known.find((protocol) => set.has(protocol));
}
