import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Authenticator } from './authentication.ts';
import type { Authorizer } from './authorization.ts';
import { HttpError } from './http-error.ts';
import type { KubeletRoutes } from './routes.ts';

export interface KubeletServerOptions {
  address: string;
  /** 0 for any free one. */
  port: number;
  certificate: { cert: string; key: string };
  clientCa: string;
  authenticator: Authenticator;
  authorizer: Authorizer;
  routes: KubeletRoutes;
  log: Logger;
}

/** The kubelet's API on 10250. Nobody is let in without a certificate or a token, and nothing without a right. */
export class KubeletServer {
  readonly #options: KubeletServerOptions;
  readonly #server: TlsServer;
  /** Upgraded connections: the HTTP server no longer knows of them. */
  readonly #streams = new Set<Duplex>();

  constructor(options: KubeletServerOptions) {
    this.#options = options;
    this.#server = createTlsServer({
      ...options.certificate,
      ca: options.clientCa,
      requestCert: true,
      // Tokens are welcome too: who has neither gets a 401 rather than a broken handshake.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      headersTimeout: 32_000,
      // Streams stay open as long as their ends wish.
      requestTimeout: 0,
    });
    this.#server.on('request', (request, response) => void this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
    this.#server.on('tlsClientError', (error) => options.log.debug({ error: error.message }, 'TLS failed'));
  }

  async listen(): Promise<number> {
    const { address, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, address, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** New connections get the new certificate. */
  setCertificate(certificate: { cert: string; key: string }): void {
    this.#server.setSecureContext({ ...certificate, ca: this.#options.clientCa, minVersion: 'TLSv1.2' });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.#streams) socket.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const abort = new AbortController();
    response.on('close', () => abort.abort());
    try {
      const url = new URL(request.url ?? '/', 'https://kubelet');
      await this.#admit(request, url.pathname);
      await this.#options.routes.serve(request, response, url, abort.signal);
    } catch (error) {
      this.#fail(response, error);
    }
  }

  #fail(response: ServerResponse, error: unknown): void {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const code = error instanceof HttpError ? error.statusCode : 500;
    if (code === 500) this.#options.log.warn({ error: messageOf(error) }, 'a request failed');
    response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(`${messageOf(error)}\n`);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    this.#streams.add(socket);
    socket.on('close', () => this.#streams.delete(socket));
    try {
      const url = new URL(request.url ?? '/', 'https://kubelet');
      await this.#admit(request, url.pathname);
      await this.#options.routes.upgrade(request, socket, head, url);
    } catch (error) {
      const code = error instanceof HttpError ? error.statusCode : 500;
      const body = `${messageOf(error)}\n`;
      socket.end(
        `HTTP/1.1 ${code} ${code === 401 ? 'Unauthorized' : code === 403 ? 'Forbidden' : 'Error'}\r\n` +
          `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
          `Connection: close\r\n\r\n${body}`,
      );
    }
  }

  async #admit(request: IncomingMessage, path: string): Promise<void> {
    const { authenticator, authorizer } = this.#options;
    const identity = await authenticator.identify(request);
    if (!identity) throw new HttpError(401, 'Unauthorized');
    const method = request.method ?? 'GET';
    if (!(await authorizer.allows(identity, method, path))) {
      throw new HttpError(403, authorizer.refusal(identity, method, path));
    }
  }
}
