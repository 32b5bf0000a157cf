import type { OutgoingHttpHeaders } from 'node:http2';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { resourcePath } from '../api/resource.ts';
import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import { systemClock } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { silentLogger } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import type {
  Client,
  DeleteOptions,
  GetOptions,
  ListOptions,
  ObjectList,
  ObjectRef,
  PatchType,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts';
import type { Connection } from './connection.ts';
import type { Credentials, CredentialsProvider } from './credentials.ts';
import { ApiError, ConnectionLostError } from './errors.ts';
import type { StatusLike } from './errors.ts';
import { exchange, ExchangeFailure, readBody } from './exchange.ts';
import type { Answer, ExchangeOptions } from './exchange.ts';
import { listQuery, watchQuery, withQuery, writeQuery } from './queries.ts';
import { ServerPool } from './server-pool.ts';
import { LineSplitter } from './watch-stream.ts';

export interface RestClientOptions {
  /** Base addresses, the preferred one first: 'https://10.0.0.1:6443'. */
  servers: readonly string[];
  /** Fixed credentials, or a provider that may answer with new ones at any time. */
  credentials: Credentials | CredentialsProvider;
  serverName?: string;
  insecureSkipTlsVerify?: boolean;
  userAgent?: string;
  /** Without an answer (or more of it) for this long a request fails. Default 60 s. */
  requestTimeoutMs?: number;
  connectTimeoutMs?: number;
  pingIntervalMs?: number;
  pingTimeoutMs?: number;
  clock?: Clock;
  log?: Logger;
}

interface Call {
  method: string;
  path: string;
  body?: unknown;
  contentType?: string;
  accept?: string;
  signal?: AbortSignal;
}

/** How often a request is sent again, whatever the reasons; client-go's number. */
const MAX_RETRIES = 10;
const JSON_TYPE = 'application/json';
const METADATA = 'g=meta.k8s.io;v=v1,application/json';
const PATCH_TYPES: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

/** The client that talks HTTP/2 to one of several API servers. */
export class RestClient implements Client {
  readonly #pool: ServerPool;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #userAgent: string;

  constructor(options: RestClientOptions) {
    const { credentials } = options;
    this.#clock = options.clock ?? systemClock;
    this.#timeoutMs = options.requestTimeoutMs ?? 60_000;
    this.#userAgent = options.userAgent ?? 'slipway';
    this.#pool = new ServerPool({
      servers: options.servers,
      serverName: options.serverName,
      insecureSkipTlsVerify: options.insecureSkipTlsVerify,
      credentials: typeof credentials === 'function' ? credentials : () => credentials,
      connectTimeoutMs: options.connectTimeoutMs ?? 3_000,
      pingIntervalMs: options.pingIntervalMs ?? 5_000,
      pingTimeoutMs: options.pingTimeoutMs ?? 3_000,
      clock: this.#clock,
      log: options.log ?? silentLogger,
    });
  }

  get<T extends KubeObject>(resource: ResourceInfo<T>, ref: ObjectRef, options: GetOptions = {}): Promise<T> {
    const path = resourcePath(resource, { ...ref, subresource: options.subresource });
    const accept = options.metadataOnly ? `application/json;as=PartialObjectMetadata;${METADATA}` : JSON_TYPE;
    return this.#json({ method: 'GET', path, accept, signal: options.signal });
  }

  async list<T extends KubeObject>(
    resource: ResourceInfo<T>,
    options: ListOptions = {},
  ): Promise<ObjectList<T>> {
    const path = withQuery(resourcePath(resource, { namespace: options.namespace }), listQuery(options));
    const as = `application/json;as=PartialObjectMetadataList;${METADATA}`;
    const accept = options.metadataOnly ? as : JSON_TYPE;
    const list = await this.#json<ObjectList<T>>({ method: 'GET', path, accept, signal: options.signal });
    list.items ??= [];
    return list;
  }

  create<T extends KubeObject>(resource: ResourceInfo<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const { namespace, name } = object.metadata ?? {};
    const { subresource } = options;
    const at = resourcePath(
      resource,
      subresource === undefined ? { namespace } : { namespace, name, subresource },
    );
    const path = withQuery(at, writeQuery(options));
    return this.#json({ method: 'POST', path, body: object, signal: options.signal });
  }

  createSubresource<T extends KubeObject, S extends KubeObject>(
    resource: ResourceInfo<T>,
    ref: ObjectRef,
    subresource: string,
    object: S,
  ): Promise<S> {
    return this.#json({
      method: 'POST',
      path: resourcePath(resource, { ...ref, subresource }),
      body: object,
    });
  }

  update<T extends KubeObject>(resource: ResourceInfo<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const { namespace, name } = object.metadata ?? {};
    const at = resourcePath(resource, { namespace, name, subresource: options.subresource });
    const path = withQuery(at, writeQuery(options));
    return this.#json({ method: 'PUT', path, body: object, signal: options.signal });
  }

  patch<T extends KubeObject>(
    resource: ResourceInfo<T>,
    ref: ObjectRef,
    patch: unknown,
    options: WriteOptions & { type: PatchType; force?: boolean },
  ): Promise<T> {
    const at = resourcePath(resource, { ...ref, subresource: options.subresource });
    const path = withQuery(at, { ...writeQuery(options), force: options.force });
    const contentType = PATCH_TYPES[options.type];
    return this.#json({ method: 'PATCH', path, body: patch, contentType, signal: options.signal });
  }

  async delete<T extends KubeObject>(
    resource: ResourceInfo<T>,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ): Promise<void> {
    await this.#json({ method: 'DELETE', path: resourcePath(resource, ref), body: deleteBody(options) });
  }

  async deleteCollection<T extends KubeObject>(
    resource: ResourceInfo<T>,
    options: ListOptions & DeleteOptions,
  ): Promise<void> {
    const path = withQuery(resourcePath(resource, { namespace: options.namespace }), listQuery(options));
    await this.#json({ method: 'DELETE', path, body: deleteBody(options) });
  }

  async *watch<T extends KubeObject>(
    resource: ResourceInfo<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const path = withQuery(resourcePath(resource, { namespace: options.namespace }), watchQuery(options));
    const accept = options.metadataOnly ? `application/json;as=PartialObjectMetadata;${METADATA}` : JSON_TYPE;
    if (options.signal.aborted) return;
    try {
      const call: Call = { method: 'GET', path, accept, signal: options.signal };
      const { connection, answer } = await this.#send(call);
      if (answer.status !== 200) await this.#reject(connection, answer, call);
      yield* events<T>(connection, answer);
    } catch (error) {
      if (!options.signal.aborted) throw error;
    }
  }

  async request(method: string, path: string, body?: unknown): Promise<{ status: number; body: Buffer }> {
    const { answer, bytes } = await this.#whole({ method, path, body });
    return { status: answer.status, body: bytes };
  }

  close(): void {
    this.#pool.close();
  }

  async #json<R>(call: Call): Promise<R> {
    const { answer, bytes } = await this.#whole(call);
    if (answer.status >= 200 && answer.status < 300) return JSON.parse(bytes.toString('utf8')) as R;
    throw new ApiError(statusOf(answer.status, bytes));
  }

  async #reject(connection: Connection, answer: Answer, call: Call): Promise<never> {
    const bytes = await readBody(connection, answer, this.#options(call));
    throw new ApiError(statusOf(answer.status, bytes));
  }

  /** The answer with its whole body; a GET whose body breaks off is sent again. */
  async #whole(call: Call): Promise<{ answer: Answer; bytes: Buffer }> {
    for (let retry = 0; ; retry++) {
      const { connection, answer } = await this.#send(call);
      try {
        return { answer, bytes: await readBody(connection, answer, this.#options(call)) };
      } catch (error) {
        if (!(error instanceof ExchangeFailure)) throw error;
        this.#pool.failed(connection, error);
        if (call.method !== 'GET' || retry >= 2) throw lostOf(error);
      }
    }
  }

  /**
   * Sends until a server answers. What the server certainly did not act on (no connection, a refused
   * stream, 429) is sent again whatever its method; a lost connection is tried again for GET alone, as
   * another method may have been carried out.
   */
  async #send(call: Call): Promise<{ connection: Connection; answer: Answer }> {
    for (let retry = 0; ; retry++) {
      const connection = await this.#pool.acquire(call.signal);
      try {
        const answer = await exchange(connection, this.#options(call));
        const waitMs = retry < MAX_RETRIES ? retryAfterMs(answer) : undefined;
        if (waitMs === undefined) return { connection, answer };
        answer.stream.resume();
        if (answer.status === 503) this.#pool.failed(connection, 'it answers 503');
        await this.#clock.sleep(waitMs, call.signal);
      } catch (error) {
        if (!(error instanceof ExchangeFailure)) throw error;
        this.#pool.failed(connection, error);
        if (retry >= MAX_RETRIES || (error.processed && (call.method !== 'GET' || retry >= 2)))
          throw lostOf(error);
        await nextTurn();
      }
    }
  }

  #options(call: Call): ExchangeOptions {
    const { token } = this.#pool.credentials;
    const headers: OutgoingHttpHeaders = {
      ':method': call.method,
      ':path': call.path,
      accept: call.accept ?? JSON_TYPE,
      'user-agent': this.#userAgent,
    };
    if (token) headers['authorization'] = `Bearer ${token}`;
    let body: Buffer | undefined;
    if (call.body !== undefined) {
      body = Buffer.from(JSON.stringify(call.body));
      headers['content-type'] = call.contentType ?? JSON_TYPE;
      headers['content-length'] = body.length;
    }
    return { headers, body, timeoutMs: this.#timeoutMs, clock: this.#clock, signal: call.signal };
  }
}

async function* events<T extends KubeObject>(
  connection: Connection,
  answer: Answer,
): AsyncGenerator<WatchEvent<T>> {
  const lines = new LineSplitter();
  try {
    for await (const chunk of answer.stream) {
      connection.heard();
      for (const line of lines.push(chunk as Buffer)) yield parseEvent<T>(line);
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ConnectionLostError(connection.server, 'the watch broke off', error);
  }
  if (answer.stream.rstCode !== 0) throw new ConnectionLostError(connection.server, 'the watch was cut off');
  const rest = lines.rest();
  if (rest !== '') yield parseEvent<T>(rest);
}

function parseEvent<T extends KubeObject>(line: string): WatchEvent<T> {
  const event = JSON.parse(line) as { type: string; object: unknown };
  if (event.type === 'ERROR') throw new ApiError(event.object as StatusLike);
  return event as WatchEvent<T>;
}

function deleteBody(options: DeleteOptions): object {
  const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun } = options;
  const dry = dryRun ? { dryRun: ['All'] } : {};
  return {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    gracePeriodSeconds,
    propagationPolicy,
    preconditions,
    ...dry,
  };
}

/** Mirrors client-go rest/with_retry.go: 429 and 5xx with a Retry-After in seconds. */
function retryAfterMs(answer: Answer): number | undefined {
  if (answer.status !== 429 && answer.status < 500) return undefined;
  const seconds = Number(answer.headers['retry-after']);
  return Number.isInteger(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

/** The server's Status; one is made up for answers that carry none (a proxy's, a plain text). */
function statusOf(code: number, bytes: Buffer): StatusLike {
  const text = bytes.toString('utf8');
  try {
    const status = JSON.parse(text) as StatusLike | null;
    if (status?.kind === 'Status') return status;
  } catch {
    // Not JSON: the text itself is the best message there is.
  }
  const reasons: Record<number, string> = {
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'NotFound',
    409: 'Conflict',
    410: 'Gone',
    429: 'TooManyRequests',
    503: 'ServiceUnavailable',
    504: 'Timeout',
  };
  const message = text.trim().slice(0, 1024) || `the server answered ${code}`;
  return { kind: 'Status', status: 'Failure', code, reason: reasons[code] ?? 'Unknown', message };
}

function lostOf(failure: ExchangeFailure): unknown {
  return failure.cause ?? failure;
}
