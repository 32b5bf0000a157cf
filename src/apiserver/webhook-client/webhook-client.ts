import { Agent, request as httpsRequest } from 'node:https';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { getCACertificates } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { codeOf } from '../../base/errors.ts';
import { failure } from '../status-errors.ts';
import type { StatusBody } from '../status-errors.ts';
import { CallError, networkErrorText } from './call-error.ts';
import type { ServiceResolver } from './service-resolver.ts';

/** Who is called: a URL, or a Service of the cluster. */
export interface WebhookTarget {
  readonly url?: string;
  readonly service?: { name: string; namespace: string; path?: string; port?: number };
  /** PEM; the system's authorities where it is empty. */
  readonly caPem?: string;
  /** What this server shows, where the other side wants to know it. */
  readonly identity?: { certPem: string; keyPem: string };
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WebhookCall {
  readonly body: Buffer;
  readonly timeoutMs: number;
  /** Tells the other side how long it has, in whole seconds: `?timeout=10s`. */
  readonly announceTimeout?: boolean;
  readonly signal?: AbortSignal;
  readonly userAgent: string;
  /** Longer answers are refused. */
  readonly maxAnswerBytes: number;
}

interface Destination {
  /** As errors show it. */
  url: string;
  path: string;
  hostHeader: string;
  servername: string;
  host: string;
  port: number;
}

const IDLE_SOCKETS = 64;

/**
 * Calls others' HTTPS servers with JSON. Connections are kept; one that the other side closed while idle is
 * replaced. Mirrors apiserver pkg/util/webhook/client.go.
 */
export class WebhookClient {
  readonly #resolver: ServiceResolver;
  readonly #clock: Clock;
  /** A resumed session shows no certificate to check. */
  readonly #agent = new Agent({
    keepAlive: true,
    maxFreeSockets: IDLE_SOCKETS,
    scheduling: 'lifo',
    maxCachedSessions: 0,
  });

  constructor(options: { resolver: ServiceResolver; clock: Clock }) {
    this.#resolver = options.resolver;
    this.#clock = options.clock;
  }

  /** Posts, and resolves with the body of a successful answer. Rejects with CallError. */
  post(target: WebhookTarget, call: WebhookCall): Promise<Buffer> {
    return this.#call('Post', target, call);
  }

  /** Gets a document. Rejects with CallError. */
  get(target: WebhookTarget, call: Omit<WebhookCall, 'body'>): Promise<Buffer> {
    return this.#call('Get', target, call);
  }

  async #call(
    method: 'Post' | 'Get',
    target: WebhookTarget,
    call: Omit<WebhookCall, 'body'> & { body?: Buffer },
  ): Promise<Buffer> {
    const seconds = Math.ceil(call.timeoutMs / 1000);
    const query = call.announceTimeout ? `?timeout=${seconds}s` : '';
    const shown = shownUrl(target) + query;
    const deadline = new AbortController();
    const timer = this.#clock.after(call.timeoutMs, () => deadline.abort());
    const signal = call.signal ? AbortSignal.any([call.signal, deadline.signal]) : deadline.signal;
    const post = `${method} ${JSON.stringify(shown)}: `;
    try {
      const to = await this.#destination(target, shown, query);
      const { status, body, contentType } = await this.#send(target, to, call, signal);
      if (status >= 200 && status <= 206) return body;
      throw refusal(status, body, contentType);
    } catch (error) {
      if (deadline.signal.aborted) {
        throw new CallError(`${post}context deadline exceeded`, { cause: error });
      }
      if (call.signal?.aborted) throw new CallError(`${post}context canceled`, { cause: error });
      if (error instanceof CallError && error.isWhole) throw error;
      throw new CallError(post + (error as Error).message, { cause: error });
    } finally {
      timer.cancel();
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #destination(target: WebhookTarget, shown: string, query: string): Promise<Destination> {
    const url = new URL(shown);
    const path = url.pathname + query;
    if (target.service) {
      const { name, namespace, port = 443 } = target.service;
      const servername = `${name}.${namespace}.svc`;
      const { host, port: at } = await this.#resolver.resolve(namespace, name, port);
      return { url: shown, path, hostHeader: `${servername}:${port}`, servername, host, port: at };
    }
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = url.port === '' ? 443 : Number(url.port);
    return { url: shown, path, hostHeader: url.host, servername: host, host, port };
  }

  async #send(
    target: WebhookTarget,
    to: Destination,
    call: Omit<WebhookCall, 'body'> & { body?: Buffer },
    signal: AbortSignal,
  ): Promise<{ status: number; body: Buffer; contentType: string }> {
    const { identity } = target;
    const request = httpsRequest({
      method: call.body ? 'POST' : 'GET',
      host: to.host,
      port: to.port,
      path: to.path,
      servername: isAddress(to.servername) ? '' : to.servername,
      ca: target.caPem ? target.caPem : systemAuthorities(),
      ...(identity ? { cert: identity.certPem, key: identity.keyPem } : {}),
      agent: this.#agent,
      signal,
      headers: {
        host: to.hostHeader,
        ...(call.body ? { 'content-type': 'application/json', 'content-length': call.body.length } : {}),
        accept: 'application/json, */*',
        'user-agent': call.userAgent,
        ...target.headers,
      },
    });
    let reused = false;
    try {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        request.on('response', resolve);
        request.on('error', reject);
        request.on('socket', (socket) => {
          reused = request.reusedSocket;
          if (!reused)
            (socket as TLSSocket).prependOnceListener('secureConnect', () =>
              checkNames(socket as TLSSocket, request),
            );
        });
        request.end(call.body);
      });
      const body = await readAll(answer, call.maxAnswerBytes);
      const contentType = answer.headers['content-type'] ?? '';
      return { status: answer.statusCode ?? 0, body, contentType };
    } catch (error) {
      request.destroy();
      if (error instanceof CallError || signal.aborted) throw error;
      // It was closed while it lay idle: nothing of this call was read. All that lie idle may be so.
      if (reused && codeOf(error) === 'ECONNRESET') {
        return this.#send(target, to, call, signal);
      }
      throw new CallError(networkErrorText(error, to.host, to.port, to.servername), { cause: error });
    }
  }
}

function shownUrl(target: WebhookTarget): string {
  const { service, url = '' } = target;
  if (!service) {
    const whole = url.replace(/[?#].*$/s, '');
    return /^[a-z]+:\/\/[^/]*$/i.test(whole) ? `${whole}/` : whole;
  }
  const { name, namespace, port = 443, path = '' } = service;
  return `https://${name}.${namespace}.svc:${port}${path.startsWith('/') ? path : `/${path}`}`;
}

function isAddress(name: string): boolean {
  return /^[\d.]+$/.test(name) || name.includes(':');
}

/**
 * Go takes no names from the subject any more. This is no `checkServerIdentity`: with one, the agent keeps no
 * connection.
 */
function checkNames(socket: TLSSocket, request: ClientRequest): void {
  if (socket.getPeerCertificate().subjectaltname) return;
  const why = 'x509: certificate relies on legacy Common Name field, use SANs instead';
  request.destroy(new CallError(`tls: failed to verify certificate: ${why}`));
}

let authorities: string[] | undefined;

function systemAuthorities(): string[] {
  authorities ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
  return authorities;
}

async function readAll(answer: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new CallError(`the answer is longer than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    answer.destroy();
    if (error instanceof CallError) throw error;
    throw new CallError(
      'unexpected error when reading response body. Please retry. Original error: unexpected EOF',
      { cause: error, isWhole: true },
    );
  }
  return Buffer.concat(chunks);
}

/** The answer's own Status, or what client-go makes of a bare code (apimachinery pkg/api/errors/errors.go). */
function refusal(status: number, body: Buffer, contentType: string): CallError {
  const text = body.toString('utf8');
  const own = statusOf(text);
  if (own) {
    const answer = failure(own.code ?? status, own.reason ?? '', own.message ?? '', own.details);
    return new CallError(own.message ?? '', { answer, isWhole: true });
  }
  const isText = contentType === '' || contentType.startsWith('text/');
  const said = isText && text.trim() !== '' ? text.trim().slice(0, 2048) : 'unknown';
  const [reason, message] = GENERIC[status] ?? [
    status >= 500 ? 'InternalError' : '',
    status >= 500
      ? `an error on the server (${JSON.stringify(said)}) has prevented the request from succeeding`
      : `the server responded with the status code ${status} but did not return more information`,
  ];
  const shown = message === '' ? said : message;
  return new CallError(shown, { answer: failure(status, reason, shown), isWhole: true });
}

function statusOf(text: string): StatusBody | undefined {
  try {
    const value = JSON.parse(text) as StatusBody | null;
    return value?.kind === 'Status' && value.status !== 'Success' ? value : undefined;
  } catch {
    return undefined;
  }
}

const GENERIC: Readonly<Record<number, readonly [reason: string, message: string]>> = {
  400: ['BadRequest', 'the server rejected our request for an unknown reason'],
  401: ['Unauthorized', 'the server has asked for the client to provide credentials'],
  403: ['Forbidden', ''],
  404: ['NotFound', 'the server could not find the requested resource'],
  405: ['MethodNotAllowed', 'the server does not allow this method on the requested resource'],
  406: ['NotAcceptable', 'the server was unable to respond with a content type that the client supports'],
  409: ['AlreadyExists', 'the server reported a conflict'],
  415: ['UnsupportedMediaType', ''],
  422: ['Invalid', 'the server rejected our request due to an error in our request'],
  429: ['TooManyRequests', 'the server has received too many requests and has asked us to try again later'],
  503: ['ServiceUnavailable', 'the server is currently unable to handle the request'],
  504: [
    'Timeout',
    'the server was unable to return a response in the time allotted, but may still be processing the request',
  ],
};
