import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../../../src/base/clock.ts';
import { createCertificateAuthority, issueCertificate } from '../../../src/pki/issue.ts';

const GROUP = 'wardle.example.com';

export interface AggregatedRequest {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  rawHeaders: string[];
  /** The common name of the client's certificate. */
  client: string;
  body: string;
}

/** An API server of someone else: one group with one resource, watches, an upgrade, discovery and OpenAPI. */
export class AggregatedServer {
  readonly requests: AggregatedRequest[] = [];
  readonly caBundle: string;
  /** Answers to discovery with this status instead. */
  broken = 0;
  readonly watches = new Set<ServerResponse>();
  readonly #server: Server;

  private constructor(server: Server, caPem: string) {
    this.#server = server;
    this.caBundle = Buffer.from(caPem).toString('base64');
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('upgrade', (request, socket) => {
      this.requests.push(received(request, ''));
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello ');
      socket.pipe(socket);
      socket.on('error', () => undefined);
    });
  }

  static async start(clientCaPem: string, serviceName: string): Promise<AggregatedServer> {
    const ca = createCertificateAuthority({ commonName: 'wardle', clock: systemClock });
    const { certPem, keyPem } = issueCertificate({
      ca,
      commonName: 'wardle',
      organizations: [],
      usages: ['digital signature', 'key encipherment', 'server auth'],
      dnsNames: [serviceName],
      ipAddresses: [],
      clock: systemClock,
    });
    const server = createServer({
      cert: certPem,
      key: keyPem,
      ca: clientCaPem,
      requestCert: true,
      rejectUnauthorized: false,
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return new AggregatedServer(server, ca.certPem);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const seen = received(request, Buffer.concat(chunks).toString());
    this.requests.push(seen);
    const [path = '', query = ''] = seen.url.split('?');
    const send = (value: object, status = 200, type = 'application/json') => {
      response.writeHead(status, { 'content-type': type }).end(JSON.stringify(value));
    };
    if (path === `/apis/${GROUP}/v1alpha1`) {
      if (this.broken > 0) return void response.writeHead(this.broken).end();
      return send(RESOURCES);
    }
    if (path === '/openapi/v3') {
      return send({ paths: { [`apis/${GROUP}/v1alpha1`]: { serverRelativeURL: OPENAPI_URL } } });
    }
    if (path === `/openapi/v3/apis/${GROUP}/v1alpha1`)
      return send({ openapi: '3.0.0', info: { title: 'wardle' } });
    if (path === '/openapi/v2') return send(OPENAPI_V2);
    if (path.endsWith('/redirect')) {
      response.writeHead(302, { location: 'https://127.0.0.1:1/' }).end();
      return undefined;
    }
    if (path.endsWith('/flunders') && query.includes('watch=')) {
      response.writeHead(200, { 'content-type': 'application/json', 'x-own': 'yes' });
      response.write(`${JSON.stringify({ type: 'ADDED', object: flunder('first') })}\n`);
      this.watches.add(response);
      response.on('close', () => this.watches.delete(response));
      return undefined;
    }
    if (request.method === 'POST') return send({ ...(JSON.parse(seen.body) as object), made: true }, 201);
    return send({
      kind: 'FlunderList',
      apiVersion: `${GROUP}/v1alpha1`,
      metadata: {},
      items: [flunder('a')],
    });
  }
}

export function flunder(name: string): object {
  return { kind: 'Flunder', apiVersion: `${GROUP}/v1alpha1`, metadata: { name } };
}

function received(request: IncomingMessage, body: string): AggregatedRequest {
  const socket = request.socket as TLSSocket;
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string } };
  return {
    method: request.method ?? '',
    url: request.url ?? '',
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    client: socket.authorized ? (subject?.CN ?? '') : '',
    body,
  };
}

const OPENAPI_URL = `/openapi/v3/apis/${GROUP}/v1alpha1?hash=CAFE`;

const RESOURCES = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: `${GROUP}/v1alpha1`,
  resources: [
    {
      name: 'flunders',
      singularName: 'flunder',
      namespaced: true,
      kind: 'Flunder',
      verbs: ['create', 'get', 'list', 'watch'],
      shortNames: ['fl'],
    },
    { name: 'flunders/status', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get'] },
  ],
};

const OPENAPI_V2 = {
  swagger: '2.0',
  paths: {
    [`/apis/${GROUP}/v1alpha1/flunders`]: { get: { schema: { $ref: '#/definitions/wardle.Flunder' } } },
    '/apis/other/v1/things': {},
  },
  definitions: {
    'wardle.Flunder': { properties: { spec: { $ref: '#/definitions/wardle.Spec' } } },
    'wardle.Spec': { type: 'object' },
    'wardle.Unused': { type: 'object' },
  },
};
