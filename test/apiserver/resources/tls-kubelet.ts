import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../../../src/base/clock.ts';
import { createCertificateAuthority, issueCertificate } from '../../../src/pki/issue.ts';
import type { Identity } from '../../../src/pki/issue.ts';

export interface SeenRequest {
  method: string;
  url: string;
  /** Of the client's certificate, which was checked. */
  user: string;
  headers: IncomingMessage['headers'];
}

/** Listens as a kubelet does: TLS, client certificates of the cluster's CA required. Tests say what it answers. */
export class TlsKubelet {
  readonly seen: SeenRequest[] = [];
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.end();
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void = (_, socket) => socket.destroy();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `signer` signs the serving certificate; by default it is the CA that clients must come from. */
  static async start(ca: Identity, signer: Identity = ca): Promise<TlsKubelet> {
    const serving = issueCertificate({
      ca: signer,
      commonName: 'system:node:worker',
      organizations: ['system:nodes'],
      usages: ['digital signature', 'server auth'],
      ipAddresses: ['127.0.0.1'],
      clock: systemClock,
    });
    const server = createServer({
      cert: serving.certPem,
      key: serving.keyPem,
      ca: ca.certPem,
      requestCert: true,
      rejectUnauthorized: true,
    });
    const kubelet = new TlsKubelet(server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      kubelet.#note(request);
      kubelet.answer(request, response);
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      kubelet.#note(request);
      kubelet.upgrade(request, socket, head);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return kubelet;
  }

  static stranger(ca: Identity): Promise<TlsKubelet> {
    return TlsKubelet.start(ca, createCertificateAuthority({ commonName: 'kubernetes', clock: systemClock }));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #note(request: IncomingMessage): void {
    const { CN = '' } = (request.socket as TLSSocket).getPeerCertificate().subject ?? {};
    const user = typeof CN === 'string' ? CN : CN.join(',');
    const { method = '', url = '', headers } = request;
    this.seen.push({ method, url, user, headers });
  }
}
