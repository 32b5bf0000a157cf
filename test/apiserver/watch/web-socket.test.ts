import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import test from 'ava';
import { WebSocket } from 'ws';
import type { ClientOptions } from 'ws';
import { decodeWatchEvent } from '../../../src/api/protobuf/envelope.ts';
import type { ApiRequest, ApiResponse } from '../../../src/apiserver/request-context.ts';
import { WatchOverWebSocket } from '../../../src/apiserver/watch/watch-over-web-socket.ts';
import { BINARY, frameHead, TEXT } from '../../../src/apiserver/watch/web-socket.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';

let plane: TestControlPlane;
let api: RawApi;

test.before(async () => {
  plane = await startControlPlane();
  api = new RawApi(plane);
});
test.after.always(async () => {
  api.close();
  await plane.close();
});

interface Message {
  text: Buffer;
  isBinary: boolean;
}

interface Listening {
  socket: WebSocket;
  /** Below the WebSocket. */
  raw: Socket;
  messages: Message[];
  pongs: number;
  closed: Promise<number>;
}

function connect(path: string, options: ClientOptions = {}, protocols: string[] = []): WebSocket {
  const { certPem, keyPem } = plane.admin;
  return new WebSocket(`${plane.url.replace('https', 'wss')}${path}`, protocols, {
    ca: plane.ca.certPem,
    cert: certPem,
    key: keyPem,
    origin: 'https://example.com',
    ...options,
  });
}

async function listen(...args: Parameters<typeof connect>): Promise<Listening> {
  const socket = connect(...args);
  const upgraded = once(socket, 'upgrade') as Promise<[IncomingMessage]>;
  const listening: Listening = {
    socket,
    raw: undefined as unknown as Socket,
    messages: [],
    pongs: 0,
    closed: once(socket, 'close').then(([code]) => code as number),
  };
  socket.on('message', (text: Buffer, isBinary: boolean) => listening.messages.push({ text, isBinary }));
  socket.on('pong', () => (listening.pongs += 1));
  const [[response]] = await Promise.all([upgraded, once(socket, 'open')]);
  listening.raw = response.socket;
  return listening;
}

async function refused(...args: Parameters<typeof connect>): Promise<number> {
  const socket = connect(...args);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
  socket.on('error', () => undefined);
  socket.terminate();
  return response.statusCode;
}

const events = ({ messages }: Listening) =>
  messages.map(({ text }) => {
    const { type, object } = JSON.parse(text.toString('utf8')) as {
      type: string;
      object: { metadata: { name: string } };
    };
    return `${type} ${object.metadata.name}`;
  });

async function namespace(name: string): Promise<string> {
  await api.post('/api/v1/namespaces', { metadata: { name } });
  return `/api/v1/namespaces/${name}/configmaps`;
}

test('each event of a watch over a WebSocket is a text of its own', async (t) => {
  const maps = await namespace('ws-text');
  for (let i = 0; i < 5; i++) await api.post(maps, { metadata: { name: `there-${i}` } });
  const watch = await listen(`${maps}?watch=true`);
  await waitFor('the initial state', () => watch.messages.length === 5);
  // Written at once, so that the server puts several events into one write.
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      api.post(maps, { metadata: { name: `n-${i}` }, data: { x: 'é'.repeat(i * 400) } }),
    ),
  );
  await api.delete(`${maps}/there-0`);
  await waitFor('what followed', () => watch.messages.length === 46);
  t.deepEqual(
    events(watch).slice(0, 5),
    [0, 1, 2, 3, 4].map((i) => `ADDED there-${i}`),
  );
  t.is(new Set(events(watch).slice(5, 45)).size, 40);
  t.is(events(watch).at(-1), 'DELETED there-0');
  t.true(watch.messages.every(({ isBinary }) => !isBinary));
  watch.socket.close();
  t.is(await watch.closed, 1000);
});

test('events in protobuf are binary messages without a length before them', async (t) => {
  const maps = await namespace('ws-binary');
  await api.post(maps, { metadata: { name: 'a' }, data: { x: 'y'.repeat(70_000) } });
  const headers = { accept: 'application/vnd.kubernetes.protobuf' };
  const watch = await listen(`${maps}?watch=true`, { headers });
  await api.post(maps, { metadata: { name: 'b' } });
  await waitFor('two events', () => watch.messages.length === 2);
  t.true(watch.messages.every(({ isBinary }) => isBinary));
  t.deepEqual(
    watch.messages.map(({ text }) => decodeWatchEvent(text).type),
    ['ADDED', 'ADDED'],
  );
  watch.socket.terminate();
});

test('a watch over a WebSocket whose time is up closes with 1000', async (t) => {
  const maps = await namespace('ws-timeout');
  const watch = await listen(`${maps}?watch=true&timeoutSeconds=1`);
  t.is(await watch.closed, 1000);
});

test('what a client says is skipped, its pings are answered, and bad frames end the watch', async (t) => {
  const maps = await namespace('ws-client');
  const watch = await listen(`${maps}?watch=true`);
  watch.socket.send('x'.repeat(300_000));
  watch.socket.send(Buffer.alloc(10));
  watch.socket.ping('hello');
  await waitFor('a pong', () => watch.pongs === 1);
  await api.post(maps, { metadata: { name: 'still-here' } });
  await waitFor('an event', () => watch.messages.length === 1);
  watch.raw.write(Buffer.from([0x81, 0x01, 0x41]));
  t.is(await watch.closed, 1002, 'a frame without a mask');
});

test('a watch that begins too far back says so in a message', async (t) => {
  const maps = await namespace('ws-old');
  const small = await startControlPlane({ server: { watchWindow: { maxEvents: 2, maxBytes: 1_000_000 } } });
  t.teardown(() => small.close());
  t.truthy(maps);
  const other = new RawApi(small);
  t.teardown(() => other.close());
  const path = '/api/v1/namespaces/default/configmaps';
  for (let i = 0; i < 6; i++) await other.post(path, { metadata: { name: `n-${i}` } });
  const socket = new WebSocket(`${small.url.replace('https', 'wss')}${path}?watch=true&resourceVersion=1`, {
    ca: small.ca.certPem,
    cert: small.admin.certPem,
    key: small.admin.keyPem,
    origin: 'https://example.com',
  });
  const [message] = (await once(socket, 'message')) as [Buffer];
  const event = JSON.parse(message.toString('utf8')) as { type: string; object: { code: number } };
  t.is(event.type, 'ERROR');
  t.is(event.object.code, 410);
});

test('a handshake is refused as upstream refuses it', async (t) => {
  const maps = await namespace('ws-refused');
  const path = `${maps}?watch=true`;
  t.is(await refused(path, { origin: undefined as unknown as string }), 403, 'without an origin');
  t.is(await refused(path, { protocolVersion: 8 }), 400, 'an old version');
  t.is(await refused(path, {}, ['a', 'b']), 400, 'protocols to choose from');
  t.is(await refused(`${path}&fieldSelector=nonsense%3Dx`), 400, 'a request that is wrong in itself');
  const watch = await listen(path, {}, ['only']);
  t.is(watch.socket.protocol, 'only');
  watch.socket.terminate();
});

test('a token in a subprotocol names the user of a watch', async (t) => {
  const maps = await namespace('ws-token');
  const answer = await api.post('/api/v1/namespaces/ws-token/serviceaccounts', {
    metadata: { name: 'reader' },
  });
  t.is(answer.status, 201);
  const token = await api.post('/api/v1/namespaces/ws-token/serviceaccounts/reader/token', { spec: {} });
  const bearer = Buffer.from((token.json() as unknown as { status: { token: string } }).status.token);
  const protocols = [`base64url.bearer.authorization.k8s.io.${bearer.toString('base64url')}`, 'mine'];
  const anonymous = { cert: undefined as unknown as string, key: undefined as unknown as string };
  t.is(await refused(`${maps}?watch=true`, anonymous, protocols), 403, 'known, but may not');
  await api.post('/apis/rbac.authorization.k8s.io/v1/namespaces/ws-token/rolebindings', {
    metadata: { name: 'reader' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace: 'ws-token' }],
  });
  const watch = await listen(`${maps}?watch=true`, anonymous, protocols);
  t.is(watch.socket.protocol, 'mine');
  watch.socket.terminate();
});

test('an event that is written in pieces, and several that are written at once, are one message each', (t) => {
  for (const isText of [true, false]) {
    const events = ['a', 'bb'.repeat(200), 'c'.repeat(3_000)].map((text) => {
      const payload = Buffer.from(isText ? `${text}\n` : text);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(payload.length);
      return isText ? payload : Buffer.concat([length, payload]);
    });
    const stream = Buffer.concat(events);
    for (const size of [1, 3, 7, 1000, stream.length]) {
      const written: Buffer[] = [];
      const inner = {
        write: (chunk: Buffer) => written.push(Buffer.from(chunk)) > 0,
      } as unknown as ApiResponse;
      const watch = new WatchOverWebSocket({} as ApiRequest, inner, isText);
      for (let at = 0; at < stream.length; at += size) watch.write(stream.subarray(at, at + size));
      const wanted = events.map((event) => {
        const message = isText ? event : event.subarray(4);
        return Buffer.concat([frameHead(isText ? TEXT : BINARY, message.length), message]);
      });
      t.true(Buffer.concat(written).equals(Buffer.concat(wanted)), `${size}`);
    }
  }
});
