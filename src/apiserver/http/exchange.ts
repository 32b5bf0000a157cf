import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { ApiRequest, ApiResponse, ClientCertificate } from '../request-context.ts';
import type { PeerIdentity } from './client-certificate.ts';
import { readBody } from './read-body.ts';

/** A request and the way to answer it. */
export interface Exchange {
  readonly request: IncomingRequest;
  readonly response: ApiResponse;
}

export type ExchangeHandler = (exchange: Exchange) => void;

/** The request's end of an exchange; one class for both HTTP versions, as both are readable streams. */
export class IncomingRequest implements ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string;
  readonly httpVersion: '1.1' | '2';
  readonly upgrade: { socket: Duplex; head: Buffer } | undefined;
  /** Aborts `signal`: for the request's timeout and the server's end. */
  readonly cancel: AbortController = new AbortController();
  readonly #identity: PeerIdentity;
  readonly #stream: Readable;
  readonly #maxBodyBytes: number;

  constructor(options: {
    method: string;
    url: string;
    headers: IncomingHttpHeaders;
    httpVersion: '1.1' | '2';
    remoteAddress: string;
    identity: PeerIdentity;
    stream: Readable;
    maxBodyBytes: number;
    upgrade?: { socket: Duplex; head: Buffer };
  }) {
    this.method = options.method;
    const mark = options.url.indexOf('?');
    this.path = mark < 0 ? options.url : options.url.slice(0, mark);
    this.query = new URLSearchParams(mark < 0 ? '' : options.url.slice(mark + 1));
    this.headers = options.headers;
    this.httpVersion = options.httpVersion;
    this.remoteAddress = options.remoteAddress;
    this.upgrade = options.upgrade;
    this.#identity = options.identity;
    this.#stream = options.stream;
    this.#maxBodyBytes = options.maxBodyBytes;
  }

  get clientCertificate(): ClientCertificate | undefined {
    return this.#identity.certificate;
  }

  get clientCertificateError(): string | undefined {
    return this.#identity.error;
  }

  get signal(): AbortSignal {
    return this.cancel.signal;
  }

  body(): Promise<Buffer> {
    return readBody(this.#stream, this.headers['content-length'], this.#maxBodyBytes, this.signal);
  }

  bodyStream(): Readable {
    return this.#stream;
  }
}

/** As whenDrained, and tells of the wait. */
export async function drainedOf(
  stream: Writable,
  signal: AbortSignal,
  onWait: ApiResponse['onWait'],
): Promise<void> {
  if (!stream.writableNeedDrain) return whenDrained(stream, signal);
  const ended = onWait?.();
  try {
    await whenDrained(stream, signal);
  } finally {
    ended?.();
  }
}

/** Resolves when the stream has room again; rejects when it is closed or the signal aborts. */
export function whenDrained(stream: Writable, signal: AbortSignal): Promise<void> {
  if (!stream.writableNeedDrain && !stream.destroyed) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      stream.off('drain', onDrain);
      stream.off('close', onClose);
      signal.removeEventListener('abort', onClose);
      if (error) reject(error);
      else resolve();
    };
    const onDrain = () => settle();
    const onClose = () => settle(new DOMException('the client is gone', 'AbortError'));
    stream.on('drain', onDrain);
    stream.on('close', onClose);
    signal.addEventListener('abort', onClose, { once: true });
    if (stream.destroyed || signal.aborted) onClose();
  });
}
