import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Agent } from 'node:https';
import type { Duplex } from 'node:stream';
import { messageOf } from '../../../base/errors.ts';
import type { ApiRequest, ApiResponse } from '../../request-context.ts';
import { internalError } from '../../status-errors.ts';

/** Another server, to which a request is passed on. */
export interface RelayTarget {
  readonly scheme: 'http' | 'https';
  /** A name or address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Path and query as they go out. */
  readonly path: string;
  /** For https. Without `ca` the certificate is not checked (pods and services have none that we could know). */
  readonly tls?: {
    ca?: string;
    cert?: string;
    key?: string;
    /** The name that the certificate must be for, where it is not the host's. */
    servername?: string;
    /** Default: where there is a `ca`. */
    verify?: boolean;
  };
  /** Go out beside, or instead of, the client's; of what begins with x-remote- only these. */
  readonly headers?: OutgoingHttpHeaders;
  /** Keeps connections. Default: a new one each time. */
  readonly agent?: Agent;
}

/** Headers that hold for one connection alone, or that are the client's secret. */
const NOT_PASSED_ON = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'host',
  'authorization',
]);

/** Passes a request on and its answer back, both as streams. Rejects where the other side cannot be reached. */
export async function relayRequest(
  http: ApiRequest,
  response: ApiResponse,
  target: RelayTarget,
  hooks: RelayHooks = {},
): Promise<void> {
  const answer = await send(
    http,
    target,
    { ...passedOn(http.headers), ...target.headers },
    hooks.unreachable,
  );
  const body = hooks.body?.(answer);
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value === undefined || NOT_PASSED_ON.has(name)) continue;
    if (body && name === 'content-length') continue;
    if (name !== 'content-type') response.setHeader(name, value);
  }
  hooks.head?.(answer, response);
  await pourAnswer(answer, response, http.signal, answer.headers['content-type'] ?? '', body);
}

export interface RelayHooks {
  /** May change the headers of the answer before they go out. */
  head?: (answer: IncomingMessage, response: ApiResponse) => void;
  /** What goes out instead of the answer's body; undefined leaves that as it is. */
  body?: (answer: IncomingMessage) => NodeJS.ReadableStream | undefined;
  /** What the client is told where the other side cannot be reached. */
  unreachable?: (error: Error) => Error;
}

/** Streams an answer to the client at the pace at which the client reads. */
export async function pourAnswer(
  answer: IncomingMessage,
  response: ApiResponse,
  signal: AbortSignal,
  contentType: string,
  body: NodeJS.ReadableStream = answer,
): Promise<void> {
  response.begin(answer.statusCode ?? 502, contentType);
  const stop = () => answer.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (!response.write(chunk)) await response.drained();
    }
    response.end();
  } catch {
    // Half an answer must not look whole.
    response.abort();
  } finally {
    signal.removeEventListener('abort', stop);
    answer.destroy();
  }
}

/** Sends the request (with its body, where it has one) and resolves with the head of the answer. */
export function send(
  http: ApiRequest,
  target: RelayTarget,
  headers: OutgoingHttpHeaders,
  unreachable: (error: Error) => Error = dialError,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = (target.scheme === 'https' ? httpsRequest : httpRequest)({
      ...connection(target),
      method: http.method,
      path: target.path,
      headers: { ...headers, host: hostHeader(target) },
      agent: target.agent ?? false,
      signal: http.signal,
    });
    outgoing.on('response', resolve);
    outgoing.on('error', (error) => reject(unreachable(error)));
    const isSized = http.headers['content-length'] !== undefined;
    if (['GET', 'HEAD', 'OPTIONS'].includes(http.method) && !isSized) {
      outgoing.end();
      return;
    }
    // Node frames the body of a POST by itself, that of a DELETE not: it would be taken for a second request.
    if (!isSized) outgoing.setHeader('transfer-encoding', 'chunked');
    http.bodyStream().pipe(outgoing);
  });
}

/**
 * Passes an upgrade on: when the other side switches protocols, its answer and everything after it go
 * through byte for byte. Resolves with the answer's head where it does not switch, undefined where it did.
 */
export function relayUpgrade(http: ApiRequest, target: RelayTarget): Promise<IncomingMessage | undefined> {
  const upgrade = http.upgrade;
  if (!upgrade) return Promise.reject(new Error('the request is no upgrade'));
  const headers: OutgoingHttpHeaders = {
    ...passedOn(http.headers),
    ...target.headers,
    connection: 'Upgrade',
    upgrade: http.headers.upgrade,
    host: hostHeader(target),
  };
  return new Promise((resolve, reject) => {
    const outgoing = (target.scheme === 'https' ? httpsRequest : httpRequest)({
      ...connection(target),
      method: http.method,
      path: target.path,
      headers,
      agent: false,
    });
    outgoing.on('upgrade', (answer, socket, head) => {
      writeHead(upgrade.socket, answer);
      if (head.length > 0) upgrade.socket.write(head);
      if (upgrade.head.length > 0) socket.write(upgrade.head);
      join(upgrade.socket, socket, http.signal, () => resolve(undefined));
    });
    outgoing.on('response', resolve);
    outgoing.on('error', (error) => reject(dialError(error)));
    outgoing.end();
  });
}

function writeHead(socket: Duplex, answer: IncomingMessage): void {
  let head = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n`;
  for (let at = 0; at + 1 < answer.rawHeaders.length; at += 2) {
    head += `${answer.rawHeaders[at]}: ${answer.rawHeaders[at + 1]}\r\n`;
  }
  socket.write(`${head}\r\n`);
}

/** Joins two streams until either is gone; what one said before it ended still reaches the other. */
function join(a: Duplex, b: Duplex, signal: AbortSignal, done: () => void): void {
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    signal.removeEventListener('abort', close);
    a.destroy();
    b.destroy();
    done();
  };
  const connect = (from: Duplex, to: Duplex) => {
    from.on('error', close);
    from.on('close', () => {
      if (!from.readableEnded || to.destroyed || to.writableFinished) return close();
      // It ended properly: the other side has yet to take its last bytes.
      to.once('finish', close);
      to.end();
    });
    // `pipe` ends the other side when this one ends.
    from.pipe(to);
  };
  connect(a, b);
  connect(b, a);
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) close();
}

function connection(target: RelayTarget): RequestOptions & { rejectUnauthorized?: boolean } {
  const base = { host: target.host, port: target.port };
  if (target.scheme === 'http') return base;
  const { verify, ...tls } = target.tls ?? {};
  return { ...base, ...tls, rejectUnauthorized: verify ?? tls.ca !== undefined };
}

function hostHeader(target: RelayTarget): string {
  return `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
}

export function passedOn(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const out: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || NOT_PASSED_ON.has(name)) continue;
    if (name.startsWith('impersonate-') || name.startsWith('x-remote-')) continue;
    out[name] = value;
  }
  return out;
}

function dialError(error: unknown): Error {
  return internalError(`error dialing backend: ${messageOf(error)}`, error);
}
