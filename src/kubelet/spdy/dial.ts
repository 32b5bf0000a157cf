import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { SlipwayError } from '../../base/errors.ts';

export interface Upgraded {
  socket: Duplex;
  head: Buffer;
  protocol: string;
}

/** Opens a connection to the runtime's streaming server and upgrades it to SPDY/3.1. Rejects with E_STREAM. */
export function dialSpdy(url: string, protocols: readonly string[], signal?: AbortSignal): Promise<Upgraded> {
  const target = new URL(url);
  const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)({
    method: 'POST',
    host: target.hostname.replace(/^\[|\]$/g, ''),
    port: target.port,
    path: `${target.pathname}${target.search}`,
    headers: {
      connection: 'Upgrade',
      upgrade: 'SPDY/3.1',
      'x-stream-protocol-version': [...protocols],
    },
    agent: false,
    // The runtime's own server on loopback: its certificate, if any, is made by itself.
    rejectUnauthorized: false,
    signal,
  });
  return new Promise((resolve, reject) => {
    request.on('upgrade', (response, socket, head) => {
      const protocol = response.headers['x-stream-protocol-version'];
      resolve({ socket, head, protocol: Array.isArray(protocol) ? (protocol[0] ?? '') : (protocol ?? '') });
    });
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8').trim();
        reject(new SlipwayError('E_STREAM', `the runtime refused to stream: ${response.statusCode} ${text}`));
      });
    });
    request.on('error', (cause) => {
      reject(new SlipwayError('E_STREAM', `no stream to the runtime: ${cause.message}`, { cause }));
    });
    request.end();
  });
}
