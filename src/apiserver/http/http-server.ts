import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import http2 from 'node:http2';
import type {
  Http2SecureServer,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { SlipwayError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { peerIdentity } from './client-certificate.ts';
import type { PeerIdentity } from './client-certificate.ts';
import { IncomingRequest } from './exchange.ts';
import type { ExchangeHandler } from './exchange.ts';
import { Http1Response } from './http1-response.ts';
import { Http2Response } from './http2-response.ts';
import type { HttpLimits } from './limits.ts';
import type { TlsMaterial } from './tls-files.ts';
import { UpgradeResponse } from './upgrade-response.ts';

export interface TlsServerOptions {
  tls: TlsMaterial;
  limits: HttpLimits;
  log: Logger;
  handler: ExchangeHandler;
}

/**
 * One TLS port for HTTP/2 and HTTP/1.1. Each request becomes an Exchange; its signal aborts when the
 * client goes away. Connections are counted so that a stop can let them finish and then end them.
 */
export class TlsServer {
  readonly #server: Http2SecureServer;
  readonly #options: TlsServerOptions;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #sockets = new Set<Duplex>();
  readonly #identities = new WeakMap<object, PeerIdentity>();

  constructor(options: TlsServerOptions) {
    this.#options = options;
    const { limits } = options;
    this.#server = http2.createSecureServer({
      ...secureContext(options.tls),
      allowHTTP1: true,
      requestCert: options.tls.clientCa.length > 0,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      handshakeTimeout: limits.headersTimeoutMs,
      maxSessionMemory: 128,
      streamResetBurst: 5000,
      streamResetRate: 500,
      settings: {
        maxConcurrentStreams: limits.maxConcurrentStreams,
        maxHeaderListSize: limits.maxHeaderBytes,
        initialWindowSize: 256 * 1024,
      },
      maxHeaderSize: limits.maxHeaderBytes,
      // How often Node looks for connections that are past their time.
      connectionsCheckingInterval: Math.min(5000, limits.headersTimeoutMs),
    } as http2.SecureServerOptions);
    this.#listenFor(this.#server);
  }

  /** Resolves with the port (of use with port 0). */
  listen(address: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      const onError = (error: Error) =>
        reject(
          new SlipwayError('E_LISTEN', `cannot listen on ${address}:${port}: ${error.message}`, {
            cause: error,
            hint: 'stop what uses the port, or choose another with --secure-port',
          }),
        );
      this.#server.once('error', onError);
      this.#server.listen(port, address, () => {
        this.#server.off('error', onError);
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  /** Serves new connections with other certificates; those that are open go on. */
  setTls(tls: TlsMaterial): void {
    this.#server.setSecureContext(secureContext(tls));
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Takes no new connections and tells HTTP/2 clients to go elsewhere; what runs may finish. */
  drain(): void {
    this.#server.close();
    for (const session of this.#sessions) session.close();
  }

  /** Ends every connection. */
  destroy(): void {
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  #listenFor(server: Http2SecureServer): void {
    const { limits, log } = this.#options;
    // Node installs its HTTP/2 compatibility layer when a 'request' listener is added; here that event
    // is for HTTP/1.1 alone, as every HTTP/2 stream is answered on the stream itself.
    server.removeAllListeners('newListener');
    const http1 = server as unknown as HttpServer;
    http1.headersTimeout = limits.headersTimeoutMs;
    http1.requestTimeout = 0;
    http1.keepAliveTimeout = limits.idleTimeoutMs;
    server.on('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', (error: Error) => log.debug({ error: error.message }, 'HTTP/2 session failed'));
      let streams = 0;
      session.on('stream', (stream: ServerHttp2Stream) => {
        streams += 1;
        stream.on('close', () => (streams -= 1));
      });
      session.setTimeout(limits.idleTimeoutMs, () => {
        if (streams === 0) session.close();
      });
    });
    server.on('secureConnection', (socket) => {
      this.#sockets.add(socket);
      socket.setKeepAlive(true, 30_000);
      socket.setNoDelay(true);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', (error: Error) => log.debug({ error: error.message }, 'connection failed'));
    });
    server.on('tlsClientError', (error) => log.debug({ error: error.message }, 'TLS handshake failed'));
    server.on('sessionError', (error) => log.debug({ error: error.message }, 'HTTP/2 session failed'));
    server.on('stream', (stream, headers) => this.#onStream(stream, headers));
    http1.on('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#onRequest(request, response),
    );
    http1.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#onUpgrade(request, socket, head),
    );
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => undefined);
    const session = stream.session;
    if (!session) return;
    const request = new IncomingRequest({
      method: headers[':method'] ?? 'GET',
      url: headers[':path'] ?? '/',
      headers,
      httpVersion: '2',
      remoteAddress: session.socket.remoteAddress ?? '',
      identity: this.#identity(session, session.socket),
      stream,
      maxBodyBytes: this.#options.limits.maxBodyBytes,
    });
    stream.on('close', () => request.cancel.abort());
    this.#options.handler({ request, response: new Http2Response(stream, request.signal) });
  }

  #onRequest(message: IncomingMessage, response: ServerResponse): void {
    const request = this.#incoming(message);
    response.on('close', () => request.cancel.abort());
    response.on('error', () => undefined);
    this.#options.handler({ request, response: new Http1Response(response, request.signal) });
  }

  #onUpgrade(message: IncomingMessage, socket: Duplex, head: Buffer): void {
    const request = this.#incoming(message, { socket, head });
    socket.on('close', () => request.cancel.abort());
    socket.on('error', () => undefined);
    this.#options.handler({ request, response: new UpgradeResponse(socket, request.signal) });
  }

  #incoming(message: IncomingMessage, upgrade?: { socket: Duplex; head: Buffer }): IncomingRequest {
    return new IncomingRequest({
      method: message.method ?? 'GET',
      url: message.url ?? '/',
      headers: message.headers,
      httpVersion: '1.1',
      remoteAddress: message.socket.remoteAddress ?? '',
      identity: this.#identity(message.socket, message.socket),
      stream: message,
      maxBodyBytes: this.#options.limits.maxBodyBytes,
      ...(upgrade ? { upgrade } : {}),
    });
  }

  /** The certificate is read once a connection, at its first request. */
  #identity(connection: object, socket: object): PeerIdentity {
    let identity = this.#identities.get(connection);
    if (!identity) {
      identity = peerIdentity(socket as TLSSocket);
      this.#identities.set(connection, identity);
    }
    return identity;
  }
}

function secureContext(tls: TlsMaterial): SecureContextOptions {
  const context: SecureContextOptions = { cert: tls.cert, key: tls.key };
  if (tls.clientCa.length > 0) context.ca = tls.clientCa;
  return context;
}
