import { apiVersionOf, resourcePath } from '../api/resource.ts';
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
import { readBody } from './exchange.ts';
import type { Answer } from './exchange.ts';
import { listQuery, watchQuery, withQuery, writeQuery } from './queries.ts';
import { ServerPool } from './server-pool.ts';
import { JSON_TYPE, Transport } from './transport.ts';
import type { Call } from './transport.ts';
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
  readonly #transport: Transport;

  constructor(options: RestClientOptions) {
    const { credentials } = options;
    const clock = options.clock ?? systemClock;
    this.#pool = new ServerPool({
      servers: options.servers,
      serverName: options.serverName,
      insecureSkipTlsVerify: options.insecureSkipTlsVerify,
      credentials: typeof credentials === 'function' ? credentials : () => credentials,
      connectTimeoutMs: options.connectTimeoutMs ?? 3_000,
      pingIntervalMs: options.pingIntervalMs ?? 5_000,
      pingTimeoutMs: options.pingTimeoutMs ?? 3_000,
      clock,
      log: options.log ?? silentLogger,
    });
    const timeoutMs = options.requestTimeoutMs ?? 60_000;
    this.#transport = new Transport(this.#pool, {
      clock,
      timeoutMs,
      userAgent: options.userAgent ?? 'slipway',
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
    // Items of a list come without their type; whoever refers to one needs it.
    if (!options.metadataOnly)
      for (const item of list.items) {
        item.apiVersion ??= apiVersionOf(resource);
        item.kind ??= resource.kind;
      }
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
      const { connection, answer } = await this.#transport.send(call);
      if (answer.status !== 200) await this.#reject(connection, answer, call);
      yield* events<T>(connection, answer);
    } catch (error) {
      if (!options.signal.aborted) throw error;
    }
  }

  async request(method: string, path: string, body?: unknown): Promise<{ status: number; body: Buffer }> {
    const { answer, bytes } = await this.#transport.whole({ method, path, body });
    return { status: answer.status, body: bytes };
  }

  close(): void {
    this.#pool.close();
  }

  async #json<R>(call: Call): Promise<R> {
    const { answer, bytes } = await this.#transport.whole(call);
    if (answer.status >= 200 && answer.status < 300) return JSON.parse(bytes.toString('utf8')) as R;
    throw new ApiError(statusOf(answer.status, bytes));
  }

  async #reject(connection: Connection, answer: Answer, call: Call): Promise<never> {
    const bytes = await readBody(connection, answer, this.#transport.options(call));
    throw new ApiError(statusOf(answer.status, bytes));
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
