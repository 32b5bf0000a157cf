import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../src/base/clock.ts';
import { createCertificateAuthority, issueCertificate } from '../../src/pki/issue.ts';

/** What an API server sent to a webhook. */
export interface WebhookRequest {
  path: string;
  query: string;
  headers: IncomingMessage['headers'];
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look at whatever was sent.
  body: any;
  /** Which of the connections it came by, counted from 1. */
  connection: number;
}

/** Answers with JSON, or takes the response over and returns undefined. */
export type WebhookHandler = (
  request: WebhookRequest,
  response: ServerResponse,
) => object | undefined | Promise<object | undefined>;

/** A real HTTPS server of webhooks on loopback, for 127.0.0.1, localhost and the names of Services. */
export class WebhookServer {
  readonly requests: WebhookRequest[] = [];
  readonly handlers = new Map<string, WebhookHandler>();
  readonly caPem: string;
  connections = 0;
  readonly #server: Server;

  private constructor(server: Server, caPem: string) {
    this.#server = server;
    this.caPem = caPem;
    const seen = new WeakMap<object, number>();
    server.on('secureConnection', (socket) => seen.set(socket, (this.connections += 1)));
    server.on('request', (request, response) => {
      void this.#answer(request, response, seen.get(request.socket) ?? 0);
    });
  }

  static async start(serviceNames: string[] = []): Promise<WebhookServer> {
    const ca = createCertificateAuthority({ commonName: 'webhooks', clock: systemClock });
    const { certPem, keyPem } = issueCertificate({
      ca,
      commonName: 'webhook',
      organizations: [],
      usages: ['digital signature', 'key encipherment', 'server auth'],
      dnsNames: ['localhost', ...serviceNames],
      ipAddresses: ['127.0.0.1'],
      clock: systemClock,
    });
    const server = createServer({ cert: certPem, key: keyPem });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return new WebhookServer(server, ca.certPem);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** For `clientConfig` of anything. */
  clientConfig(path: string): { url: string; caBundle: string } {
    return { url: `https://127.0.0.1:${this.port}${path}`, caBundle: this.caBundle };
  }

  get caBundle(): string {
    return Buffer.from(this.caPem).toString('base64');
  }

  /** What came to a path. */
  to(path: string): WebhookRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  /** Ends connections that lie idle, as servers do. */
  closeIdle(): void {
    this.#server.closeIdleConnections();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse, connection: number): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const text = Buffer.concat(chunks).toString();
    const received = {
      path,
      query,
      headers: request.headers,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
      connection,
    };
    this.requests.push(received);
    const handler = this.handlers.get(path);
    if (!handler) {
      response.writeHead(404).end();
      return;
    }
    const answer = await handler(received, response);
    if (!answer) return;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer));
  }
}

/** An AdmissionReview in answer to one. */
export function reviewAnswer(request: WebhookRequest, response: object): object {
  const { apiVersion, request: asked } = request.body as { apiVersion: string; request: { uid: string } };
  return { kind: 'AdmissionReview', apiVersion, response: { uid: asked.uid, ...response } };
}

/** The part of an answer that patches the object. */
export function patchOf(...operations: object[]): object {
  const patch = Buffer.from(JSON.stringify(operations)).toString('base64');
  return { allowed: true, patchType: 'JSONPatch', patch };
}
