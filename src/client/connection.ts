import http2 from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { isIP } from 'node:net';
import type { Clock, Timer } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import type { Credentials } from './credentials.ts';

export interface ConnectionOptions {
  credentials: Credentials;
  /** The name to check the server's certificate against, in place of the host in the address. */
  serverName?: string;
  insecureSkipTlsVerify?: boolean;
  connectTimeoutMs: number;
  /** A connection that received nothing for this long is pinged. */
  pingIntervalMs: number;
  /** A ping unanswered for this long ends the connection. */
  pingTimeoutMs: number;
  clock: Clock;
}

/** Streams that we leave free below the server's limit: a request beyond it would wait without a word. */
const SPARE_STREAMS = 2;
const DEFAULT_MAX_STREAMS = 100;
const CONNECTION_WINDOW = 16 * 1024 * 1024;

/** One HTTP/2 connection that notices by itself when its other end is gone. */
export class Connection {
  readonly server: string;
  readonly #session: ClientHttp2Session;
  readonly #options: ConnectionOptions;
  #maxStreams = DEFAULT_MAX_STREAMS;
  #streams = 0;
  #draining = false;
  #heard = true;
  #timer: Timer | undefined;

  private constructor(server: string, session: ClientHttp2Session, options: ConnectionOptions) {
    this.server = server;
    this.#session = session;
    this.#options = options;
    // The default window of 64 KiB is shared by all streams: one watch that is read slowly would hold up the rest.
    session.setLocalWindowSize(CONNECTION_WINDOW);
    this.#learnLimit(session.remoteSettings?.maxConcurrentStreams);
    session.on('remoteSettings', (settings) => this.#learnLimit(settings.maxConcurrentStreams));
    // The session's own error reaches every stream on it; without a listener it would end the process.
    session.on('error', () => {});
    session.on('goaway', () => (this.#draining = true));
    session.on('close', () => this.#timer?.cancel());
    this.#schedulePing();
  }

  static async open(server: string, options: ConnectionOptions): Promise<Connection> {
    const url = new URL(server);
    const { credentials, serverName } = options;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const session = http2.connect(url.origin, {
      ca: credentials.ca,
      cert: credentials.cert,
      key: credentials.key,
      servername: serverName ?? (isIP(host) === 0 ? host : ''),
      rejectUnauthorized: options.insecureSkipTlsVerify !== true,
      settings: { enablePush: false, initialWindowSize: 1024 * 1024 },
    });
    await connected(session, server, options);
    return new Connection(server, session, options);
  }

  /** Whether a new request may use it. */
  get usable(): boolean {
    return !this.#draining && !this.#session.closed && !this.#session.destroyed;
  }

  get hasRoom(): boolean {
    return this.#streams < this.#maxStreams;
  }

  /** Keeps a place for one stream; false when there is none. `request` uses it up, `release` gives it back. */
  reserve(): boolean {
    if (!this.usable || !this.hasRoom) return false;
    this.#streams++;
    return true;
  }

  release(): void {
    this.#streams--;
  }

  /** Opens a stream in a place that was reserved. */
  request(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(headers, { endStream });
    } catch (error) {
      this.release();
      throw error;
    }
    stream.once('close', () => this.release());
    stream.on('response', () => (this.#heard = true));
    return stream;
  }

  /** Told of each piece of data: whoever hears needs no ping. */
  heard(): void {
    this.#heard = true;
  }

  onClose(listener: () => void): void {
    if (this.#session.destroyed) listener();
    else this.#session.once('close', listener);
  }

  /** No new requests; those that run may finish. */
  drain(): void {
    this.#draining = true;
    if (!this.#session.closed && !this.#session.destroyed) this.#session.close();
  }

  destroy(): void {
    this.#draining = true;
    this.#timer?.cancel();
    this.#session.destroy();
  }

  #learnLimit(max: number | undefined): void {
    if (max !== undefined) this.#maxStreams = Math.max(1, Math.min(max, 1000) - SPARE_STREAMS);
  }

  #schedulePing(): void {
    this.#timer = this.#options.clock.after(this.#options.pingIntervalMs, () => this.#check());
  }

  #check(): void {
    if (this.#session.destroyed) return;
    if (this.#heard) {
      this.#heard = false;
      this.#schedulePing();
      return;
    }
    const deadline = this.#options.clock.after(this.#options.pingTimeoutMs, () => {
      const silent = new SlipwayError('E_API_CONNECTION_LOST', `${this.server} does not answer a ping`);
      this.#draining = true;
      this.#session.destroy(silent, http2.constants.NGHTTP2_CANCEL);
    });
    this.#timer = deadline;
    const sent = this.#session.ping((error) => {
      deadline.cancel();
      if (error === null && !this.#session.destroyed) this.#schedulePing();
    });
    if (!sent) {
      deadline.cancel();
      this.#session.destroy();
    }
  }
}

/** Resolves when TLS stands and the server's settings are known. */
function connected(session: ClientHttp2Session, server: string, options: ConnectionOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = options.clock.after(options.connectTimeoutMs, () => {
    const slow = new SlipwayError(
      'E_API_CONNECT',
      `${server} did not answer in ${options.connectTimeoutMs} ms`,
    );
    session.destroy();
    reject(slow);
  });
  const fail = (cause: unknown): void => {
    reject(new SlipwayError('E_API_CONNECT', `cannot connect to ${server}: ${reasonOf(cause)}`, { cause }));
  };
  session.once('remoteSettings', () => resolve());
  session.once('error', fail);
  session.once('close', () => fail(new Error('the connection was closed')));
  return promise.finally(() => timer.cancel());
}

/** An AggregateError (every address of a name refused) has an empty message of its own. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return cause.errors[0].message;
  return cause instanceof Error ? cause.message : String(cause);
}
