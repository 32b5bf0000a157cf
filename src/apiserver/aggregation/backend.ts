import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { APIService } from '../../api/gen/types/apiregistration-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { UserInfo } from '../request-context.ts';
import type { RelayTarget } from '../resources/core/relay.ts';
import { CallError, networkErrorText } from '../webhook-client/call-error.ts';
import type { ServiceResolver } from '../webhook-client/service-resolver.ts';

/** What this server shows to aggregated ones, as PEM. */
export interface ProxyIdentity {
  certPem: string;
  keyPem: string;
}

export interface BackendAnswer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** An OpenAPI document of a large API server has some megabytes. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/** Connections to aggregated API servers, and what they are told of the user. */
export class Backends {
  readonly #resolver: ServiceResolver;
  readonly #identity: () => ProxyIdentity | undefined;
  readonly #clock: Clock;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 32 });

  constructor(options: {
    resolver: ServiceResolver;
    identity: () => ProxyIdentity | undefined;
    clock: Clock;
  }) {
    this.#resolver = options.resolver;
    this.#identity = options.identity;
    this.#clock = options.clock;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** One of the Service's endpoints. Rejects with CallError where it has none. */
  async target(apiService: APIService, path: string, user: UserInfo): Promise<RelayTarget> {
    const { service, insecureSkipTLSVerify, caBundle } = apiService.spec ?? {};
    const { namespace = '', name = '', port = 443 } = service ?? {};
    const endpoint = await this.#resolver.resolve(namespace, name, port);
    const identity = this.#identity();
    return {
      scheme: 'https',
      ...endpoint,
      path,
      headers: userHeaders(user),
      agent: this.#agent,
      tls: {
        servername: `${name}.${namespace}.svc`,
        verify: !insecureSkipTLSVerify,
        ...(caBundle ? { ca: Buffer.from(caBundle, 'base64').toString('utf8') } : {}),
        ...(identity ? { cert: identity.certPem, key: identity.keyPem } : {}),
      },
    };
  }

  /** GET of a document. Rejects with CallError. */
  async get(target: RelayTarget, headers: OutgoingHttpHeaders, timeoutMs: number): Promise<BackendAnswer> {
    const deadline = new AbortController();
    const timer = this.#clock.after(timeoutMs, () => deadline.abort());
    const { host, port, path, tls } = target;
    try {
      const request = httpsRequest({
        host,
        port,
        path,
        method: 'GET',
        agent: this.#agent,
        signal: deadline.signal,
        ...tls,
        rejectUnauthorized: tls?.verify ?? false,
        headers: { ...headers, ...target.headers, host: `${host}:${port}` },
      });
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        request.on('response', resolve);
        request.on('error', reject);
        request.end();
      });
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > MAX_DOCUMENT_BYTES) throw new CallError('the answer is too long');
        chunks.push(chunk);
      }
      return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
    } catch (error) {
      const get = `Get ${JSON.stringify(`https://${host}:${port}${path}`)}: `;
      const why = deadline.signal.aborted
        ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        : networkErrorText(error, host, port, tls?.servername ?? host);
      throw new CallError(get + why, { cause: error });
    } finally {
      timer.cancel();
    }
  }
}

/** Mirrors SetAuthProxyHeaders of client-go transport/round_trippers.go. */
export function userHeaders(user: UserInfo): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { 'x-remote-user': bytes(user.name) };
  if (user.uid) headers['x-remote-uid'] = bytes(user.uid);
  if (user.groups.length > 0) headers['x-remote-group'] = user.groups.map(bytes);
  for (const [key, values] of Object.entries(user.extra)) {
    headers[`x-remote-extra-${escapeKey(key)}`] = values.map(bytes);
  }
  return headers;
}

/** Headers hold bytes: Node takes each character for one. */
function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** What no header's name may hold, and the percent sign itself, are percent-encoded. */
function escapeKey(key: string): string {
  let escaped = '';
  for (const byte of Buffer.from(key, 'utf8')) {
    const character = String.fromCharCode(byte);
    const isPlain = /[a-zA-Z0-9!#$&'*+.^_`|~-]/.test(character);
    escaped += isPlain ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return escaped;
}
