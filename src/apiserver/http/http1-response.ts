import type { ServerResponse } from 'node:http';
import type { ApiResponse } from '../request-context.ts';
import { drainedOf } from './exchange.ts';

/** Answers on HTTP/1.1. */
export class Http1Response implements ApiResponse {
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;
  onWait: ApiResponse['onWait'];

  constructor(response: ServerResponse, signal: AbortSignal) {
    this.#response = response;
    this.#signal = signal;
  }

  get statusCode(): number {
    return this.started ? this.#response.statusCode : 0;
  }

  get started(): boolean {
    return this.#response.headersSent;
  }

  get pendingBytes(): number {
    return this.#response.writableLength;
  }

  setHeader(name: string, value: string | string[]): void {
    this.#response.setHeader(name, value);
  }

  send(status: number, contentType: string, body: Buffer): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    this.#head(status, contentType);
    this.#response.setHeader('content-length', String(body.length));
    // A body that was not read to its end would be taken for the next request.
    if (!this.#response.req.complete) this.#response.setHeader('connection', 'close');
    this.#response.end(body);
  }

  begin(status: number, contentType: string): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    this.#head(status, contentType);
    this.#response.flushHeaders();
  }

  write(chunk: Buffer): boolean {
    if (this.#response.destroyed || this.#response.writableEnded) return false;
    return this.#response.write(chunk);
  }

  drained(): Promise<void> {
    return drainedOf(this.#response, this.#signal, this.onWait);
  }

  end(): void {
    this.#response.end();
  }

  abort(): void {
    this.#response.destroy();
  }

  #head(status: number, contentType: string): void {
    this.#response.statusCode = status;
    if (contentType !== '') this.#response.setHeader('content-type', contentType);
  }
}
