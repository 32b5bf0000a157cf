import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { deflateRawSync, gunzipSync, gzipSync, inflateRawSync } from 'node:zlib';
import test from 'ava';
import * as fc from 'fast-check';
import { HtmlLinks } from '../../../src/apiserver/resources/core/html-links.ts';
import { throughProxy } from '../../../src/apiserver/resources/core/proxied-page.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';

const PREFIX = '/api/v1/namespaces/a/services/b/proxy';
const place = {
  target: { scheme: 'http' as const, host: '10.0.0.1', port: 8080, path: '/' },
  requestHost: 'localhost:8001',
  prefix: PREFIX,
};

test('addresses of the same server lead through the proxy, all others stay', (t) => {
  for (const [url, wanted] of [
    ['/', `${PREFIX}/`],
    ['/a/b?x=1#y', `${PREFIX}/a/b?x=1#y`],
    ['http://10.0.0.1:8080/a', `${PREFIX}/a`],
    ['//10.0.0.1:8080/a/', `${PREFIX}/a/`],
    ['http://localhost:8001/a', `http://localhost:8001${PREFIX}/a`],
    [`${PREFIX}/a`, `${PREFIX}/a`],
    ['a/b', 'a/b'],
    ['?x', '?x'],
    ['#here', '#here'],
    ['https://example.com/a', 'https://example.com/a'],
    ['//example.com/a', '//example.com/a'],
    ['http://10.0.0.1:9090/a', 'http://10.0.0.1:9090/a'],
    ['mailto:jane@example.com', 'mailto:jane@example.com'],
    ['javascript:alert(1)', 'javascript:alert(1)'],
    ['', ''],
  ] as const) {
    t.is(throughProxy(url, place), wanted, url);
  }
});

const PAGE = `<!DOCTYPE html><HTML manifest=/m><head><title>a <a href="/no"> b</title>
<script src='/app.js'>if (1 < 2) x = '<a href="/no">';</script><style>a{background:url(/no)}</style>
<link rel="icon" href = "/icon?a=1&amp;b=2"/></head><!-- <a href="/no"> --><body background="/bg">
<a class="x" HREF="/page" data-href="/no">é ü</a><a href='relative'>x</a> 1 < 2 <img src=/img alt="a > b" longdesc="/l">
<form action="/submit"><input formaction="/f"><textarea><a href="/no"></textarea></form>
<a href="https://example.com/">y</a><p src="/no">`;

function rewrite(chunks: Buffer[]): Promise<string> {
  return text(Readable.from(chunks).pipe(new HtmlLinks((url) => throughProxy(url, place))));
}

test('links of a page are rewritten, what only looks like one is not', async (t) => {
  const out = await rewrite([Buffer.from(PAGE)]);
  const wanted = PAGE.replaceAll(
    /(manifest=|src='|href = "|background="|HREF="|src=(?=\/img)|longdesc="|action="|formaction=")\//g,
    (_, before: string) => `${before}${PREFIX}/`,
  );
  t.is(out, wanted);
  t.is(out.split('/no').length, 8);
});

test('a page comes out the same however it is cut into pieces', async (t) => {
  const whole = await rewrite([Buffer.from(PAGE)]);
  const bytes = Buffer.from(PAGE);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 30 }), async (cuts) => {
      const ends = [...cuts, bytes.length].sort((a, b) => a - b);
      let at = 0;
      const pieces = ends.map((end) => bytes.subarray(at, (at = end)));
      t.is(await rewrite(pieces), whole);
    }),
    { seed: 11, numRuns: 200 },
  );
});

test('any text that has no tags goes through as it came, and a tag without end holds nothing up', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }), async (pieces) => {
      const all = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
      const out = await buffer(
        Readable.from(pieces.map((piece) => Buffer.from(piece))).pipe(new HtmlLinks((url) => url)),
      );
      t.deepEqual(out, all);
    }),
    { seed: 12, numRuns: 200 },
  );
  const endless = Buffer.from(`<a href="${'x'.repeat(200_000)}`);
  const links = new HtmlLinks((url) => url);
  links.write(endless);
  t.is((links.read() as Buffer).length, endless.length);
});

/** The proxy refuses loopback, so that the server must be at another address of this machine. */
const ADDRESS = Object.values(networkInterfaces())
  .flat()
  .find((each) => each?.family === 'IPv4' && !each.internal && !each.address.startsWith('169.254.'))?.address;
const withAddress = ADDRESS === undefined ? test.skip : test;

withAddress('pages and redirects of a pod are rewritten on their way through the server', async (t) => {
  const seen: Array<Record<string, unknown>> = [];
  const pages = createServer((request, response) => {
    seen.push({ url: request.url, ...request.headers });
    const page = '<a href="/next">next</a>';
    if (request.url === '/redirect') response.writeHead(302, { location: '/login' }).end();
    else if (request.url === '/gzip') {
      response
        .writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' })
        .end(gzipSync(page));
    } else if (request.url === '/deflate') {
      response
        .writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'deflate' })
        .end(deflateRawSync(page));
    } else if (request.url === '/br') {
      response
        .writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'br' })
        .end('as it is /next');
    } else if (request.url === '/text') response.writeHead(200, { 'content-type': 'text/plain' }).end(page);
    else {
      const length = String(page.length);
      response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': length })
        .end(page);
    }
  });
  await new Promise<void>((resolve) => pages.listen(0, ADDRESS, resolve));
  const { port } = pages.address() as AddressInfo;
  const plane = await startControlPlane();
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
    pages.closeAllConnections();
    pages.close();
  });
  const pods = '/api/v1/namespaces/default/pods';
  await api.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  await api.post(pods, { metadata: { name: 'web' }, spec: { containers: [{ name: 'c', image: 'i' }] } });
  await api.patch(`${pods}/web/status`, 'merge', {
    status: { podIP: ADDRESS, podIPs: [{ ip: ADDRESS }] },
  });
  const proxy = `${pods}/web:${port}/proxy`;
  const moved = await api.get(`${proxy}?a=1`);
  t.is(moved.status, 301);
  t.is(moved.headers['location'], `${proxy}/?a=1`);
  const linked = `<a href="${proxy}/next">next</a>`;
  const page = await api.get(`${proxy}/`);
  t.is(page.body.toString(), linked);
  t.is(page.headers['content-type'], 'text/html; charset=utf-8');
  t.is(seen.at(-1)?.['x-forwarded-uri'], `${proxy}/`);
  t.is(seen.at(-1)?.['x-forwarded-for'], '127.0.0.1');
  const zipped = await api.request('GET', `${proxy}/gzip`, { headers: { 'accept-encoding': 'gzip' } });
  t.is(
    zipped.headers['content-encoding'] === 'gzip' && zipped.body[0] === 0x1f
      ? gunzipSync(zipped.body).toString()
      : zipped.body.toString(),
    linked,
  );
  t.is(inflateRawSync((await api.get(`${proxy}/deflate`)).body).toString(), linked);
  t.is((await api.get(`${proxy}/br`)).body.toString(), 'as it is /next');
  t.is((await api.get(`${proxy}/text`)).body.toString(), '<a href="/next">next</a>');
  const redirect = await api.get(`${proxy}/redirect`);
  t.is(redirect.status, 302);
  t.is(redirect.headers['location'], `${proxy}/login`);
  pages.closeAllConnections();
  await new Promise((resolve) => pages.close(resolve));
  const gone = await api.get(`${proxy}/`);
  t.is(gone.status, 503);
  t.regex(
    String(gone.json()['message']),
    /^error trying to reach service: dial tcp [\d.]+:\d+: connect: connection refused$/,
  );
});
