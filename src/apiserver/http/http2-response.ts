import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { ApiResponse } from '../request-context.ts';
import { drainedOf } from './exchange.ts';

/** Answers on a core HTTP/2 stream: the compatibility layer costs twice as much. */
export class Http2Response implements ApiResponse {
  readonly #stream: ServerHttp2Stream;
  readonly #signal: AbortSignal;
  readonly #headers: OutgoingHttpHeaders = {};
  onWait: ApiResponse['onWait'];
  #started = false;

  constructor(stream: ServerHttp2Stream, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
  }

  get statusCode(): number {
    return Number(this.#headers[':status'] ?? 0);
  }

  get started(): boolean {
    return this.#started;
  }

  get pendingBytes(): number {
    return this.#stream.writableLength;
  }

  setHeader(name: string, value: string | string[]): void {
    this.#headers[name.toLowerCase()] = value;
  }

  send(status: number, contentType: string, body: Buffer): void {
    this.#headers['content-length'] = String(body.length);
    if (!this.#respond(status, contentType)) return;
    this.#stream.end(body);
  }

  begin(status: number, contentType: string): void {
    this.#respond(status, contentType);
  }

  write(chunk: Buffer): boolean {
    if (this.#stream.destroyed || this.#stream.writableEnded) return false;
    return this.#stream.write(chunk);
  }

  drained(): Promise<void> {
    return drainedOf(this.#stream, this.#signal, this.onWait);
  }

  end(): void {
    if (!this.#stream.destroyed) this.#stream.end();
  }

  abort(): void {
    // `close` with a code would send END_STREAM first, and the client would take half an answer for a whole one.
    if (!this.#stream.destroyed) this.#stream.destroy(new Error('the answer broke off'));
  }

  #respond(status: number, contentType: string): boolean {
    this.#started = true;
    if (this.#stream.destroyed || this.#stream.headersSent) return false;
    this.#headers[':status'] = status;
    if (contentType !== '') this.#headers['content-type'] = contentType;
    this.#stream.respond(this.#headers);
    return true;
  }
}
