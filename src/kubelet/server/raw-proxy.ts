import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { Logger } from '../../base/log.ts';

/**
 * Passes a client's upgrade on to the runtime's streaming server, byte for byte in both directions: SPDY
 * clients then talk to the runtime itself.
 */
export function proxyUpgrade(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  url: string,
  log: Logger,
): void {
  const target = new URL(url);
  const host = target.hostname.replace(/^\[|\]$/g, '');
  const port = Number(target.port);
  const upstream =
    target.protocol === 'https:'
      ? connectTls({ host, port, rejectUnauthorized: false })
      : connect({ host, port });
  const end = (error?: Error) => {
    if (error) log.debug({ error: error.message }, 'a stream broke off');
    client.destroy();
    upstream.destroy();
  };
  upstream.once('connect', () => {
    upstream.write(requestHead(request, target));
    if (head.length > 0) upstream.write(head);
    upstream.pipe(client);
    client.pipe(upstream);
  });
  upstream.on('error', end);
  client.on('error', end);
  upstream.on('close', () => end());
  client.on('close', () => end());
}

function requestHead(request: IncomingMessage, target: URL): string {
  // The runtime's token is in the path; the method stays the client's, for both are served.
  const lines = [`${request.method} ${target.pathname}${target.search} HTTP/1.1`, `Host: ${target.host}`];
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] ?? '';
    // The client's own credentials are none of the runtime's business.
    if (/^(host|authorization|content-length)$/i.test(name)) continue;
    lines.push(`${name}: ${request.rawHeaders[index + 1] ?? ''}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
