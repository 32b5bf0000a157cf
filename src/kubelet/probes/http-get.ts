import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Container } from '../../api/gen/types/core-v1.ts';
import { SlipwayError } from '../../base/errors.ts';

export interface HttpGet {
  scheme: string;
  host: string;
  port: number;
  path: string;
  headers: ReadonlyArray<{ name: string; value: string }>;
  userAgent: string;
  signal: AbortSignal;
}

/** Bytes of a body that are read, for messages. Upstream's limit. */
const MAX_BODY_BYTES = 10 * 1024;

/** One GET on its own connection; certificates are not checked, as upstream's probes do not. Redirects are followed on the same host, 10 of them. */
export async function httpGet(get: HttpGet): Promise<{ status: number; body: string }> {
  let target = get;
  for (let hops = 0; ; hops += 1) {
    const response = await once(target);
    const { location } = response;
    if (location === undefined || response.status < 300 || response.status >= 400) return response;
    const url = new URL(
      location,
      `${target.scheme.toLowerCase()}://${target.host}:${target.port}${target.path}`,
    );
    // A redirect to another host counts as success with a warning: it is not the pod that would answer.
    if (url.hostname !== new URL(`http://${get.host}`).hostname || hops >= 10) return response;
    const scheme = url.protocol === 'https:' ? 'HTTPS' : 'HTTP';
    const port = Number(url.port || (scheme === 'HTTPS' ? 443 : 80));
    target = { ...target, scheme, port, path: `${url.pathname}${url.search}` };
  }
}

function once(get: HttpGet): Promise<{ status: number; body: string; location?: string }> {
  const https = get.scheme.toUpperCase() === 'HTTPS';
  const headers: Record<string, string | string[]> = {
    'user-agent': get.userAgent,
    accept: '*/*',
    connection: 'close',
  };
  for (const { name, value } of get.headers) {
    const key = name.toLowerCase();
    const known = headers[key];
    // The pod's own User-Agent and Accept replace ours; other repeated names add up.
    if (known === undefined || key === 'user-agent' || key === 'accept') headers[key] = value;
    else headers[key] = [...(Array.isArray(known) ? known : [known]), value];
  }
  return new Promise((resolve, reject) => {
    const options = {
      host: get.host.replace(/^\[|\]$/g, ''),
      port: get.port,
      path: get.path.startsWith('/') ? get.path : `/${get.path}`,
      headers,
      agent: false as const,
      signal: get.signal,
      rejectUnauthorized: false,
    };
    const request = (https ? httpsRequest : httpRequest)(options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        if (size < MAX_BODY_BYTES) chunks.push(chunk);
        size += chunk.length;
        // The verdict is in the head: an endless body must not hold the probe.
        if (size >= MAX_BODY_BYTES) response.destroy();
      });
      const done = () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).subarray(0, MAX_BODY_BYTES).toString('utf8'),
          location: response.headers.location,
        });
      response.on('end', done);
      response.on('close', done);
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end();
  });
}

/** A port by number or by the name of one of the container's ports. */
export function resolvePort(port: number | string, container: Container): number {
  const number = typeof port === 'number' ? port : /^\d+$/.test(port) ? Number(port) : undefined;
  const found = number ?? container.ports?.find(({ name }) => name === port)?.containerPort;
  if (found === undefined || found < 1 || found > 65_535) {
    throw new SlipwayError('E_PORT', `couldn't find port: ${port} in container ${container.name}`);
  }
  return found;
}

export const urlHost = (host: string): string =>
  host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
