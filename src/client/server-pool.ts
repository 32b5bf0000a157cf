import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { messageOf } from '../base/errors.ts';
import { Connection } from './connection.ts';
import type { Credentials, CredentialsProvider } from './credentials.ts';
import { UnreachableError } from './errors.ts';

export interface ServerPoolOptions {
  /** Base addresses, the preferred one first: 'https://10.0.0.1:6443'. */
  servers: readonly string[];
  credentials: CredentialsProvider;
  serverName?: string;
  insecureSkipTlsVerify?: boolean;
  connectTimeoutMs: number;
  pingIntervalMs: number;
  pingTimeoutMs: number;
  clock: Clock;
  log: Logger;
}

/** A server that failed is not asked for this long while another one answers. */
const REST_MS = 5_000;

/**
 * The connections to a list of API servers. It stays with a server while that is healthy and moves to the
 * next one when it fails; it opens another connection to the same server when the first has as many streams
 * as the server allows (each watch holds one).
 */
export class ServerPool {
  readonly #options: ServerPoolOptions;
  readonly #connections = new Map<string, Connection[]>();
  /** Also those that only finish what they have. */
  readonly #all = new Set<Connection>();
  readonly #opening = new Map<string, Promise<Connection>>();
  readonly #downUntilMs = new Map<string, number>();
  #credentials: Credentials;
  #current = 0;
  #closed = false;

  constructor(options: ServerPoolOptions) {
    if (options.servers.length === 0) throw new UnreachableError([], 'the list of servers is empty');
    this.#options = options;
    this.#credentials = options.credentials();
  }

  get credentials(): Credentials {
    return this.#credentials;
  }

  /** A connection with a place reserved for one stream; rejects with UnreachableError when no server can be reached. */
  async acquire(signal?: AbortSignal): Promise<Connection> {
    this.#refreshCredentials();
    let cause: unknown;
    for (const server of this.#candidates()) {
      signal?.throwIfAborted();
      try {
        for (;;) {
          const connection = await abortable(this.#connect(server), signal);
          // Others who waited for the same connection may have taken its last place.
          if (!connection.reserve()) continue;
          this.#current = this.#options.servers.indexOf(server);
          return connection;
        }
      } catch (error) {
        if (signal?.aborted) throw error;
        cause = error;
        this.#rest(server, error);
      }
    }
    throw new UnreachableError(this.#options.servers, cause);
  }

  /** The server lost a connection or says that it cannot serve: the others come first for a while. */
  failed(connection: Connection, error: unknown): void {
    this.#rest(connection.server, error);
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#all) connection.destroy();
    this.#connections.clear();
  }

  /** All servers from the current one on, those that rest at the end. */
  #candidates(): string[] {
    const { servers, clock } = this.#options;
    const order = servers.map((_, i) => servers[(this.#current + i) % servers.length] as string);
    const now = clock.monotonicMs();
    const rests = (server: string): boolean => (this.#downUntilMs.get(server) ?? 0) > now;
    return [...order.filter((server) => !rests(server)), ...order.filter(rests)];
  }

  #rest(server: string, error: unknown): void {
    const { clock, log, servers } = this.#options;
    this.#downUntilMs.set(server, clock.monotonicMs() + REST_MS);
    if (servers.length > 1)
      log.warn({ server, err: messageOf(error) }, 'API server failed, trying the next one');
  }

  async #connect(server: string): Promise<Connection> {
    for (;;) {
      if (this.#closed) throw new UnreachableError(this.#options.servers, 'the client is closed');
      const live = (this.#connections.get(server) ?? []).filter((connection) => connection.usable);
      this.#connections.set(server, live);
      const free = live.find((connection) => connection.hasRoom);
      if (free) return free;
      await this.#open(server);
    }
  }

  /** Several callers share one attempt. */
  #open(server: string): Promise<Connection> {
    const known = this.#opening.get(server);
    if (known) return known;
    const credentials = this.#credentials;
    const attempt = Connection.open(server, { ...this.#options, credentials })
      .then((connection) => {
        this.#all.add(connection);
        connection.onClose(() => this.#all.delete(connection));
        if (this.#closed) connection.destroy();
        // Opened with credentials that have been replaced meanwhile: the caller's loop opens another.
        else if (credentials !== this.#credentials) connection.drain();
        else this.#connections.get(server)?.push(connection);
        this.#downUntilMs.delete(server);
        return connection;
      })
      .finally(() => this.#opening.delete(server));
    this.#opening.set(server, attempt);
    return attempt;
  }

  #refreshCredentials(): void {
    const next = this.#options.credentials();
    if (next === this.#credentials) return;
    const sameTls =
      next.cert === this.#credentials.cert &&
      next.key === this.#credentials.key &&
      next.ca === this.#credentials.ca;
    this.#credentials = next;
    // A token travels with each request; only what TLS shows needs new connections.
    if (sameTls) return;
    for (const list of this.#connections.values())
      for (const connection of list.splice(0)) connection.drain();
  }
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}
