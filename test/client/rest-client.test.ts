import net from 'node:net';
import type { AddressInfo } from 'node:net';
import type { ServerHttp2Stream } from 'node:http2';
import test from 'ava';
import { CONFIGMAPS, PODS } from '../../src/api/gen/resources.ts';
import type { Credentials } from '../../src/client/credentials.ts';
import type { WatchEvent } from '../../src/client/client.ts';
import type { KubeObject } from '../../src/api/resource.ts';
import { ApiError, isNotFound, UnreachableError } from '../../src/client/errors.ts';
import { RestClient } from '../../src/client/rest-client.ts';
import type { RestClientOptions } from '../../src/client/rest-client.ts';
import { reply, selfSigned, serverPair, startServer } from './h2-server.ts';

const NEVER = new AbortController().signal;
const ca = serverPair.cert;

function clientOf(servers: string[], options: Partial<RestClientOptions> = {}): RestClient {
  return new RestClient({ servers, credentials: { ca }, ...options });
}

async function all<T extends KubeObject>(
  events: AsyncIterable<WatchEvent<T>>,
): Promise<Array<WatchEvent<T>>> {
  const found: Array<WatchEvent<T>> = [];
  for await (const event of events) found.push(event);
  return found;
}

test('a request carries path, query, token and user agent, and its answer is parsed', async (t) => {
  const server = await startServer((stream) =>
    reply(stream, 200, { metadata: { resourceVersion: '7' }, items: [{ metadata: { name: 'a' } }] }),
  );
  const client = clientOf([server.url], { credentials: { ca, token: 's3' }, userAgent: 'unit/1' });
  const list = await client.list(PODS, { namespace: 'x', labelSelector: 'a in (b,c)', limit: 5 });
  t.deepEqual(list.items, [{ metadata: { name: 'a' }, apiVersion: 'v1', kind: 'Pod' }]);
  const [request] = server.requests;
  t.is(request?.[':path'], '/api/v1/namespaces/x/pods?labelSelector=a%20in%20(b%2Cc)&limit=5');
  t.is(request?.authorization, 'Bearer s3');
  t.is(request?.['user-agent'], 'unit/1');
  client.close();
  await server.close();
});

test('a Status becomes an ApiError, and a plain text answer too', async (t) => {
  const server = await startServer((stream, headers) => {
    if (String(headers[':path']).endsWith('/a'))
      reply(stream, 404, { kind: 'Status', reason: 'NotFound', code: 404, message: 'no' });
    else {
      stream.respond({ ':status': 502 });
      stream.end('bad gateway');
    }
  });
  const client = clientOf([server.url]);
  t.true(isNotFound(await t.throwsAsync(client.get(PODS, { namespace: 'x', name: 'a' }))));
  const other = await t.throwsAsync(client.get(PODS, { namespace: 'x', name: 'b' }), {
    instanceOf: ApiError,
  });
  t.is(other?.message, 'bad gateway');
  t.is(other?.status.code, 502);
  client.close();
  await server.close();
});

test('it moves to the next server when one is gone, and stays there', async (t) => {
  const first = await startServer((stream) => reply(stream, 200, { from: 'first' }));
  const second = await startServer((stream) => reply(stream, 200, { from: 'second' }));
  const client = clientOf([first.url, second.url]);
  const from = async (): Promise<string> =>
    (JSON.parse((await client.request('GET', '/version')).body.toString()) as { from: string }).from;
  t.is(await from(), 'first');
  await first.close();
  t.is(await from(), 'second');
  t.is(await from(), 'second');
  t.is(second.sessions.size, 1);
  client.close();
  await second.close();
});

test('no server at all is an UnreachableError that names them', async (t) => {
  const server = await startServer((stream) => reply(stream, 200, {}));
  await server.close();
  const client = clientOf([server.url]);
  const error = await t.throwsAsync(client.get(PODS, { namespace: 'x', name: 'a' }), {
    instanceOf: UnreachableError,
  });
  t.true(error?.message.includes(server.url));
});

test('a server with a foreign certificate is refused', async (t) => {
  const server = await startServer((stream) => reply(stream, 200, {}), selfSigned('other'));
  const client = clientOf([server.url]);
  await t.throwsAsync(client.get(PODS, { namespace: 'x', name: 'a' }), { instanceOf: UnreachableError });
  t.is(server.requests.length, 0);
  await server.close();
});

test('429 with Retry-After is sent again, whatever the method', async (t) => {
  let count = 0;
  const server = await startServer((stream) => {
    if (++count < 3) reply(stream, 429, {}, { 'retry-after': '0' });
    else reply(stream, 201, { metadata: { name: 'a' } });
  });
  const client = clientOf([server.url]);
  await client.create(CONFIGMAPS, { metadata: { name: 'a', namespace: 'x' } });
  t.is(count, 3);
  client.close();
  await server.close();
});

test('a lost connection repeats a GET and not a POST', async (t) => {
  const counts: Record<string, number> = { GET: 0, POST: 0 };
  const server = await startServer((stream, headers) => {
    const method = String(headers[':method']);
    counts[method] = (counts[method] ?? 0) + 1;
    if (counts[method] === 1) stream.session?.destroy();
    else reply(stream, 200, {});
  });
  const client = clientOf([server.url]);
  await client.get(PODS, { namespace: 'x', name: 'a' });
  t.is(counts.GET, 2);
  await t.throwsAsync(client.create(CONFIGMAPS, { metadata: { name: 'a', namespace: 'x' } }), {
    code: 'E_API_CONNECTION_LOST',
  });
  t.is(counts.POST, 1);
  client.close();
  await server.close();
});

test('a request without an answer ends after its timeout', async (t) => {
  const server = await startServer(() => {});
  const client = clientOf([server.url], { requestTimeoutMs: 20 });
  await t.throwsAsync(client.create(CONFIGMAPS, { metadata: { name: 'a', namespace: 'x' } }), {
    message: /no answer to POST/,
  });
  client.close();
  await server.close();
});

test('a watch joins characters and lines that chunks cut, and ends cleanly with its stream', async (t) => {
  const name = 'ü€😀'.repeat(100_000);
  const bytes = Buffer.from(
    [1, 2]
      .map((n) => `${JSON.stringify({ type: 'ADDED', object: { metadata: { name: name + n } } })}\n`)
      .join(''),
  );
  const server = await startServer((stream) => {
    stream.respond({ ':status': 200 });
    for (let at = 0; at < bytes.length; at += 9_973) stream.write(bytes.subarray(at, at + 9_973));
    stream.end();
  });
  const client = clientOf([server.url]);
  const events = await all(client.watch(PODS, { signal: NEVER }));
  t.deepEqual(
    events.map(({ object }) => object.metadata?.name),
    [`${name}1`, `${name}2`],
  );
  client.close();
  await server.close();
});

test('a watch rejects on an ERROR event and on a refusal', async (t) => {
  const gone = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' };
  const server = await startServer((stream, headers) => {
    if (String(headers[':path']).includes('resourceVersion=1')) {
      stream.respond({ ':status': 200 });
      stream.end(`${JSON.stringify({ type: 'ERROR', object: gone })}\n`);
    } else reply(stream, 403, { kind: 'Status', code: 403, reason: 'Forbidden', message: 'no' });
  });
  const client = clientOf([server.url]);
  const expired = await t.throwsAsync(all(client.watch(PODS, { resourceVersion: '1', signal: NEVER })), {
    instanceOf: ApiError,
  });
  t.is(expired?.reason, 'Expired');
  const refused = await t.throwsAsync(all(client.watch(PODS, { signal: NEVER })), { instanceOf: ApiError });
  t.is(refused?.reason, 'Forbidden');
  client.close();
  await server.close();
});

test('a watch ends without an error when its signal aborts', async (t) => {
  const open = Promise.withResolvers<ServerHttp2Stream>();
  const server = await startServer((stream) => {
    stream.respond({ ':status': 200 });
    open.resolve(stream);
  });
  const client = clientOf([server.url]);
  const stop = new AbortController();
  const watching = all(client.watch(PODS, { signal: stop.signal }));
  const stream = await open.promise;
  const closed = new Promise((resolve) => stream.on('close', resolve));
  stop.abort();
  t.deepEqual(await watching, []);
  await closed;
  client.close();
  await server.close();
});

test('more watches than a connection may carry get another connection', async (t) => {
  const opened: ServerHttp2Stream[] = [];
  const enough = Promise.withResolvers<void>();
  const server = await startServer(
    (stream) => {
      stream.respond({ ':status': 200 });
      if (opened.push(stream) === 20) enough.resolve();
    },
    { settings: { maxConcurrentStreams: 8 } },
  );
  const client = clientOf([server.url]);
  const stop = new AbortController();
  const watches = Array.from({ length: 20 }, () => all(client.watch(PODS, { signal: stop.signal })));
  await enough.promise;
  t.true(server.sessions.size >= 3);
  stop.abort();
  await Promise.all(watches);
  client.close();
  await server.close();
});

test('a silent connection is found by pings and its watch breaks off', async (t) => {
  const server = await startServer((stream) => {
    stream.respond({ ':status': 200 });
    stream.write(`${JSON.stringify({ type: 'ADDED', object: {} })}\n`);
  });
  const sockets: net.Socket[] = [];
  const relay = net.createServer((inner) => {
    const outer = net.connect(server.port, '127.0.0.1');
    inner.pipe(outer).pipe(inner);
    sockets.push(inner, outer);
    for (const socket of [inner, outer]) socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const { port } = relay.address() as AddressInfo;
  const client = clientOf([`https://127.0.0.1:${port}`], { pingIntervalMs: 20, pingTimeoutMs: 20 });
  const watching = async (): Promise<void> => {
    for await (const _ of client.watch(PODS, { signal: NEVER })) {
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    }
  };
  await t.throwsAsync(watching(), { code: 'E_API_CONNECTION_LOST' });
  client.close();
  for (const socket of sockets) socket.destroy();
  relay.close();
  await server.close();
});

test('new credentials open a new connection and leave the old one to finish', async (t) => {
  const held = Promise.withResolvers<ServerHttp2Stream>();
  const server = await startServer((stream, headers) => {
    if (headers[':path'] === '/slow') held.resolve(stream);
    else reply(stream, 200, {});
  });
  let credentials: Credentials = { ca, token: 'one' };
  const client = clientOf([server.url], { credentials: () => credentials });
  const slow = client.request('GET', '/slow');
  const stream = await held.promise;
  credentials = { ca, token: 'two', ...selfSigned('client') };
  await client.request('GET', '/fast');
  t.is(server.sessions.size, 2);
  t.deepEqual(
    server.requests.map((request) => request.authorization),
    ['Bearer one', 'Bearer two'],
  );
  reply(stream, 200, {});
  t.is((await slow).status, 200);
  client.close();
  await server.close();
});
