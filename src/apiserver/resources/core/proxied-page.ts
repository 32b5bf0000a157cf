import type { IncomingMessage } from 'node:http';
import { pipeline, type Transform } from 'node:stream';
import { createDeflateRaw, createGunzip, createGzip, createInflateRaw } from 'node:zlib';
import { HtmlLinks } from './html-links.ts';
import type { RelayTarget } from './relay.ts';

/** Where a page came from, and where its reader finds it. */
export interface PagePlace {
  target: RelayTarget;
  /** What the client called this server: its Host header. */
  requestHost: string;
  /** The path of the proxy: '/api/v1/namespaces/a/services/b/proxy'. */
  prefix: string;
}

const ADDRESS = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*:)?\/\/([^/?#]*))?([^?#]*)(.*)$/s;

/**
 * An address of the same server, by way of the proxy. Others, and those that are relative, stay as they are. Mirrors
 * rewriteURL of apimachinery pkg/util/proxy/transport.go.
 */
export function throughProxy(url: string, { target, requestHost, prefix }: PagePlace): string {
  const [, scheme = '', host = '', path = '', rest = ''] = ADDRESS.exec(url) ?? [];
  const own = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
  if (host !== '' && host !== own && host !== requestHost) return url;
  if (!path.startsWith('/')) return url;
  const origin = host !== '' && host === requestHost ? `${scheme}//${host}` : '';
  return origin + (path.startsWith(prefix) ? path : prefix + path) + rest;
}

/** The page with its links rewritten; the answer itself where it is no page, or is packed in a way that is not known. */
export function rewrittenPage(answer: IncomingMessage, place: PagePlace): NodeJS.ReadableStream | undefined {
  const [type = ''] = (answer.headers['content-type'] ?? '').split(';');
  if (type.trim() !== 'text/html' || answer.headers.location !== undefined) return undefined;
  const links = new HtmlLinks((url) => throughProxy(url, place));
  const steps = stepsOf(answer.headers['content-encoding'] ?? '', links);
  if (!steps) return undefined;
  // Whoever reads the last step hears of an error in any of them.
  return pipeline([answer, ...steps], () => undefined) as unknown as NodeJS.ReadableStream;
}

function stepsOf(encoding: string, links: HtmlLinks): Transform[] | undefined {
  if (encoding === '') return [links];
  if (encoding === 'gzip') return [createGunzip(), links, createGzip()];
  if (encoding === 'deflate') return [createInflateRaw(), links, createDeflateRaw()];
  return undefined;
}
