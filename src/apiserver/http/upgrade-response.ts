import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ApiResponse } from '../request-context.ts';
import { whenDrained } from './exchange.ts';

/**
 * Answers an upgrade request that is refused, or that a handler chooses to answer plainly, by writing
 * HTTP/1.1 on the raw socket. After a handler has switched protocols (101), what it writes goes out as it is; it
 * may as well take the socket for itself.
 */
export class UpgradeResponse implements ApiResponse {
  readonly #socket: Duplex;
  readonly #signal: AbortSignal;
  readonly #headers = new Map<string, string>();
  #started = false;
  #status = 0;

  constructor(socket: Duplex, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
  }

  get statusCode(): number {
    return this.#status;
  }

  get started(): boolean {
    return this.#started;
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  setHeader(name: string, value: string | string[]): void {
    this.#headers.set(name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value);
  }

  send(status: number, contentType: string, body: Buffer): void {
    this.setHeader('content-length', String(body.length));
    this.begin(status, contentType);
    this.#socket.end(body);
  }

  begin(status: number, contentType: string): void {
    if (this.#started) return;
    this.#started = true;
    this.#status = status;
    if (contentType !== '') this.setHeader('content-type', contentType);
    this.setHeader('connection', status === 101 ? 'Upgrade' : 'close');
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
    for (const [name, value] of this.#headers) head += `${name}: ${value}\r\n`;
    this.#socket.write(`${head}\r\n`);
  }

  write(chunk: Buffer): boolean {
    return this.#socket.writable && this.#socket.write(chunk);
  }

  drained(): Promise<void> {
    return whenDrained(this.#socket, this.#signal);
  }

  end(): void {
    this.#socket.end();
  }

  abort(): void {
    this.#socket.destroy();
  }
}
