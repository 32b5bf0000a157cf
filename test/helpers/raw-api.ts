import http2 from 'node:http2';
import https from 'node:https';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';
import type { Identity } from '../../src/pki/issue.ts';

export interface RawAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  /** The body as JSON. */
  json(): JsonBody;
}

/** Loosely typed, as tests look at whatever the server says. */
export interface JsonBody {
  kind?: string;
  apiVersion?: string;
  metadata: {
    name?: string;
    namespace?: string;
    uid?: string;
    resourceVersion: string;
    continue?: string;
    remainingItemCount?: number;
    generation?: number;
    deletionTimestamp?: string;
    deletionGracePeriodSeconds?: number;
    creationTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    finalizers?: string[];
  };
  [member: string]: unknown;
}

export interface RawRequest {
  body?: unknown;
  headers?: Record<string, string>;
}

export interface WatchLine {
  type: string;
  object: JsonBody;
}

/** Where the API is, and who one is unless told otherwise: a TestControlPlane, or any other server. */
export interface RawTarget {
  url: string;
  ca: Pick<Identity, 'certPem'>;
  admin: Pick<Identity, 'certPem' | 'keyPem'>;
}

/** Requests with full control over headers and bytes, over HTTP/2 or HTTP/1.1. */
export class RawApi {
  readonly #plane: RawTarget;
  readonly #identity: RawTarget['admin'] | undefined;
  readonly #http1: boolean;
  #session: ClientHttp2Session | undefined;
  readonly #agent = new https.Agent({ keepAlive: true });

  constructor(plane: RawTarget, options: { http1?: boolean; identity?: Identity | null } = {}) {
    this.#plane = plane;
    this.#http1 = options.http1 ?? false;
    this.#identity = options.identity === null ? undefined : (options.identity ?? plane.admin);
  }

  async request(method: string, path: string, request: RawRequest = {}): Promise<RawAnswer> {
    const { status, headers, stream } = await this.open(method, path, request);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    return { status, headers, body, json: () => JSON.parse(body.toString()) as JsonBody };
  }

  get = (path: string, headers: Record<string, string> = {}) => this.request('GET', path, { headers });
  post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    this.request('POST', path, { body, headers });
  put = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    this.request('PUT', path, { body, headers });
  delete = (path: string, body?: unknown) => this.request('DELETE', path, body === undefined ? {} : { body });
  patch = (path: string, type: 'json' | 'merge' | 'strategic', body: unknown) =>
    this.request('PATCH', path, {
      body,
      headers: {
        'content-type': `application/${type === 'strategic' ? 'strategic-merge-patch' : `${type}-patch`}+json`,
      },
    });

  /** The answer's head, and its body as it comes. */
  open(
    method: string,
    path: string,
    request: RawRequest = {},
  ): Promise<{ status: number; headers: RawAnswer['headers']; stream: Readable; close: () => void }> {
    const { body } = request;
    const bytes =
      body === undefined || Buffer.isBuffer(body)
        ? body
        : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const headers = { ...request.headers };
    if (bytes && !headers['content-type']) headers['content-type'] = 'application/json';
    return this.#http1
      ? this.#open1(method, path, headers, bytes)
      : this.#open2(method, path, headers, bytes);
  }

  /** Events of a watch. End it with `return()` (a `break` out of for-await does). */
  async watch(path: string, headers: Record<string, string> = {}): Promise<WatchReader> {
    const { status, stream, close } = await this.open('GET', path, { headers });
    if (status !== 200) {
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      throw new Error(`watch was answered ${status}: ${Buffer.concat(chunks).toString()}`);
    }
    return new WatchReader(stream, close);
  }

  close(): void {
    this.#session?.destroy();
    this.#agent.destroy();
  }

  #tls(): object {
    const identity = this.#identity;
    return {
      ca: this.#plane.ca.certPem,
      ...(identity ? { cert: identity.certPem, key: identity.keyPem } : {}),
    };
  }

  #open2(method: string, path: string, headers: Record<string, string>, body: Buffer | undefined) {
    if (!this.#session || this.#session.closed || this.#session.destroyed) {
      this.#session = http2.connect(this.#plane.url, this.#tls());
      this.#session.on('error', () => undefined);
    }
    const stream: ClientHttp2Stream = this.#session.request(
      { ...headers, ':method': method, ':path': path },
      { endStream: body === undefined },
    );
    if (body !== undefined) stream.end(body);
    // Read from the first moment on: a stream that ends before anyone listens counts as broken.
    const through = new PassThrough();
    // Node ends the readable side of a stream that was reset as well; only the code tells.
    stream.pipe(through, { end: false });
    // Whoever reads sees the error; nobody need.
    through.on('error', () => undefined);
    stream.on('close', () => {
      if (stream.readableEnded && stream.rstCode === http2.constants.NGHTTP2_NO_ERROR) through.end();
      else through.destroy(new Error(`the stream was reset with code ${stream.rstCode}`));
    });
    return new Promise<Awaited<ReturnType<RawApi['open']>>>((resolve, reject) => {
      stream.on('error', reject);
      stream.on('response', (head) =>
        resolve({
          status: Number(head[':status']),
          headers: head,
          stream: through,
          close: () => stream.close(http2.constants.NGHTTP2_CANCEL),
        }),
      );
    });
  }

  #open1(method: string, path: string, headers: Record<string, string>, body: Buffer | undefined) {
    return new Promise<Awaited<ReturnType<RawApi['open']>>>((resolve, reject) => {
      const request = https.request(
        `${this.#plane.url}${path}`,
        { method, headers, agent: this.#agent, ...this.#tls() },
        (answer: IncomingMessage) =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            stream: answer,
            close: () => answer.destroy(),
          }),
      );
      request.on('error', reject);
      request.end(body);
    });
  }
}

/** Reads a watch line by line. */
export class WatchReader {
  readonly #lines: AsyncIterator<WatchLine>;
  readonly #close: () => void;

  constructor(stream: Readable, close: () => void) {
    this.#lines = lines(stream);
    this.#close = close;
  }

  /** The next event; undefined at the stream's end. */
  async next(): Promise<WatchLine | undefined> {
    const { value, done } = await this.#lines.next();
    return done ? undefined : value;
  }

  /** The next so many events. */
  async take(count: number): Promise<WatchLine[]> {
    const events: WatchLine[] = [];
    while (events.length < count) {
      const event = await this.next();
      if (!event) break;
      events.push(event);
    }
    return events;
  }

  close(): void {
    this.#close();
  }
}

async function* lines(stream: Readable): AsyncGenerator<WatchLine> {
  let rest = '';
  stream.on('error', () => undefined);
  try {
    for await (const chunk of stream) {
      rest += (chunk as Buffer).toString();
      const parts = rest.split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) if (part !== '') yield JSON.parse(part) as WatchLine;
    }
  } catch {
    // Closed by the reader.
  }
}
