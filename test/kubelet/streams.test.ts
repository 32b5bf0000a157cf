import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import { WebSocket, WebSocketServer } from 'ws';
import { silentLogger } from '../../src/base/log.ts';
import type { StreamChoice } from '../../src/kubelet/cri/runtime.ts';
import { negotiate, REMOTE_COMMAND_PROTOCOLS } from '../../src/kubelet/server/channels.ts';
import { bridgePortForward, TUNNEL_PROTOCOL } from '../../src/kubelet/server/port-forward.ts';
import { bridgeRemoteCommand } from '../../src/kubelet/server/remote-command.ts';
import { dialSpdy } from '../../src/kubelet/spdy/dial.ts';
import { controlFrame, dataFrame, FrameReader, type Frame } from '../../src/kubelet/spdy/frames.ts';
import { SpdyConnection } from '../../src/kubelet/spdy/spdy-connection.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { startSpdyServer, type SpdyPeer } from './spdy-server.ts';

const text = (chunks: Buffer[] | undefined) => Buffer.concat(chunks ?? []).toString();

test('frames survive being cut anywhere', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 99 }), fc.uint8Array({ maxLength: 40 }), fc.boolean())),
      fc.integer({ min: 1, max: 17 }),
      (frames, step) => {
        const bytes = Buffer.concat([
          ...frames.map(([id, data, fin]) => dataFrame(id, Buffer.from(data), fin)),
          controlFrame(6, 0, Buffer.from([0, 0, 0, 2])),
        ]);
        const reader = new FrameReader();
        const read: Frame[] = [];
        for (let at = 0; at < bytes.length; at += step)
          read.push(...reader.push(bytes.subarray(at, at + step)));
        const data = read.filter((frame) => frame.kind === 'data');
        return (
          read.length === frames.length + 1 &&
          data.every((frame, index) => {
            const [id, content, fin] = frames[index] ?? [0, [], false];
            return frame.streamId === id && frame.fin === fin && frame.data.equals(Buffer.from(content));
          })
        );
      },
    ),
    { seed: 11 },
  );
  t.pass();
});

test('another version of SPDY is refused', (t) => {
  const frame = controlFrame(1, 0, Buffer.alloc(0));
  frame.writeUInt16BE(0x8002, 0);
  t.throws(() => [...new FrameReader().push(frame)], { code: 'E_SPDY' });
});

async function peerOf(t: ExecutionContext): Promise<{ url: string; peer: Promise<SpdyPeer> }> {
  let give: (peer: SpdyPeer) => void = () => undefined;
  const peer = new Promise<SpdyPeer>((resolve) => (give = resolve));
  const server = await startSpdyServer((one) => give(one));
  t.teardown(() => server.close());
  return { url: server.url, peer };
}

test('streams carry their headers, data both ways, half-closes, and pings are answered', async (t) => {
  const { url, peer: coming } = await peerOf(t);
  const { socket, head, protocol } = await dialSpdy(url, ['v4.channel.k8s.io']);
  t.is(protocol, 'v4.channel.k8s.io');
  let closed = false;
  const connection = new SpdyConnection(socket, () => (closed = true));
  connection.feed(head);
  const got: Buffer[] = [];
  let ended = false;
  const first = connection.open({ streamType: 'stdin' }, { data: () => undefined, end: () => undefined });
  const second = connection.open(
    { streamType: 'stdout', port: '80' },
    { data: (chunk) => got.push(chunk), end: () => (ended = true) },
  );
  first.write(Buffer.alloc(100_000, 'x'));
  first.end();
  first.write(Buffer.from('too late'));
  const peer = await coming;
  const stdin = await waitFor(
    'the end of the input',
    () => peer.byType('stdin')?.ended && peer.byType('stdin'),
  );
  t.is(text(stdin.received).length, 100_000);
  t.deepEqual(peer.byType('stdout')?.headers, { streamtype: 'stdout', port: '80' });
  peer.send(second.id, Buffer.from('hello'));
  peer.send(second.id, Buffer.from(' world'), true);
  await waitFor('the end of the output', () => ended);
  t.is(text(got), 'hello world');
  peer.ping();
  await waitFor('the answer', () => peer.streams.has(0));
  peer.socket.destroy();
  await waitFor('the close', () => closed);
});

test('a runtime that refuses to stream says why', async (t) => {
  const server = createServer((_request, response) => response.writeHead(403).end('token expired\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
  await t.throwsAsync(dialSpdy(url, []), { code: 'E_STREAM', message: /403 token expired/ });
});

test('the newest protocol that both know is spoken', (t) => {
  t.is(negotiate(['channel.k8s.io', 'v4.channel.k8s.io'], REMOTE_COMMAND_PROTOCOLS), 'v4.channel.k8s.io');
  t.is(negotiate(['v9.channel.k8s.io'], REMOTE_COMMAND_PROTOCOLS), undefined);
});

/** A WebSocket server on loopback that speaks one protocol, and its address. */
async function listen(
  t: ExecutionContext,
  protocol: string,
  onSocket: (socket: WebSocket) => void,
): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => protocol });
  t.teardown(() => server.close());
  server.on('connection', onSocket);
  await new Promise<void>((resolve) => server.once('listening', resolve));
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Joined {
  client: WebSocket;
  peer: SpdyPeer;
  /** By channel. */
  received: Map<number, Buffer[]>;
  closed: () => boolean;
}

/** A WebSocket client on one side, a SPDY runtime on the other, the bridge between. */
async function join(
  t: ExecutionContext,
  protocol: string,
  bridge: (socket: WebSocket, url: string) => Promise<void>,
): Promise<Joined> {
  const { url, peer } = await peerOf(t);
  const address = await listen(t, protocol, (socket) => void bridge(socket, url));
  const client = new WebSocket(address, [protocol]);
  t.teardown(() => client.terminate());
  const received = new Map<number, Buffer[]>();
  let closed = false;
  client.on('message', (message: Buffer, binary: boolean) => {
    const channel = binary ? (message[0] ?? 0) : (message[0] ?? 0) - 0x30;
    const data = binary ? message.subarray(1) : Buffer.from(message.toString('latin1', 1), 'base64');
    received.set(channel, [...(received.get(channel) ?? []), data]);
  });
  client.on('close', () => (closed = true));
  await new Promise((resolve) => client.once('open', resolve));
  return { client, peer: await peer, received, closed: () => closed };
}

const all: StreamChoice = { stdin: true, stdout: true, stderr: true, tty: false };
const exec = (t: ExecutionContext, protocol: string, streams = all) =>
  join(t, protocol, (socket, url) => bridgeRemoteCommand(socket, protocol, url, streams, silentLogger));
const channel = (number: number, data: string | Buffer) =>
  Buffer.concat([Buffer.from([number]), Buffer.from(data)]);

test('v5: input reaches its end, outputs come back, the status is the runtime’s', async (t) => {
  const { client, peer, received, closed } = await exec(t, 'v5.channel.k8s.io');
  client.send(channel(0, 'typed'));
  client.send(Buffer.from([255, 0]));
  const stdin = await waitFor('the input', () => peer.byType('stdin')?.ended && peer.byType('stdin'));
  t.is(text(stdin.received), 'typed');
  const id = (type: string) => peer.byType(type)?.id ?? 0;
  await waitFor('all streams', () => peer.streams.size === 4);
  peer.send(id('stdout'), Buffer.from('out'));
  peer.send(id('stderr'), Buffer.from('err'));
  const status = '{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}';
  peer.send(id('error'), Buffer.from(status), true);
  peer.send(id('stdout'), Buffer.alloc(0), true);
  peer.send(id('stderr'), Buffer.alloc(0), true);
  await waitFor('the close', closed);
  t.is(text(received.get(1)), 'out');
  t.is(text(received.get(2)), 'err');
  t.is(text(received.get(3)), status);
});

test('v4 has no half-close: the byte 255 is data of no channel', async (t) => {
  const { client, peer } = await exec(t, 'v4.channel.k8s.io');
  await waitFor('the streams', () => peer.streams.size === 4);
  client.send(Buffer.from([255, 0]));
  client.send(channel(0, 'x'));
  const stdin = await waitFor(
    'the input',
    () => text(peer.byType('stdin')?.received) === 'x' && peer.byType('stdin'),
  );
  t.false(stdin.ended);
});

test('a terminal has a channel for its size and no errors of its own', async (t) => {
  const { client, peer } = await exec(t, 'v5.channel.k8s.io', { ...all, tty: true });
  client.send(channel(4, '{"Width":80,"Height":24}'));
  const resize = await waitFor('the size', () =>
    peer.byType('resize')?.received.length ? peer.byType('resize') : undefined,
  );
  t.is(text(resize.received), '{"Width":80,"Height":24}');
  t.is(peer.byType('stderr'), undefined);
});

test('the first protocol gets a text for a failure and nothing for success; base64 is understood', async (t) => {
  for (const [status, want] of [
    ['{"status":"Success"}', undefined],
    [
      '{"status":"Failure","message":"command terminated with exit code 2"}',
      'command terminated with exit code 2',
    ],
  ] as const) {
    const { client, peer, received, closed } = await exec(t, 'base64.channel.k8s.io');
    client.send(`0${Buffer.from('in').toString('base64')}`);
    await waitFor('the input', () => text(peer.byType('stdin')?.received) === 'in');
    peer.send(peer.byType('error')?.id ?? 0, Buffer.from(status), true);
    peer.socket.end();
    await waitFor('the close', closed);
    t.is(received.has(3) ? text(received.get(3)) : undefined, want);
  }
});

test('a client that leaves ends the command’s connection', async (t) => {
  const { client, peer } = await exec(t, 'v5.channel.k8s.io');
  await waitFor('the streams', () => peer.streams.size === 4);
  client.terminate();
  await waitFor('the runtime sees it', () => peer.socket.destroyed || peer.socket.readableEnded);
  t.pass();
});

test('a runtime out of reach is told as an internal error', async (t) => {
  const protocol = 'v5.channel.k8s.io';
  const address = await listen(t, protocol, (socket) => {
    void bridgeRemoteCommand(socket, protocol, 'http://127.0.0.1:1/x', all, silentLogger);
  });
  const client = new WebSocket(address, [protocol]);
  const messages: Buffer[] = [];
  client.on('message', (message: Buffer) => messages.push(message));
  await new Promise((resolve) => client.once('close', resolve));
  const status =
    messages
      .findLast((message) => message[0] === 3)
      ?.subarray(1)
      .toString() ?? '{}';
  t.like(JSON.parse(status), { status: 'Failure', reason: 'InternalError', code: 500 });
});

test('port-forward: a pair of streams for each port, begun with the port', async (t) => {
  const protocol = 'v4.channel.k8s.io';
  const { client, peer, received } = await join(t, protocol, (socket, url) =>
    bridgePortForward(socket, protocol, url, [80, 8080], silentLogger),
  );
  await waitFor('the streams', () => peer.streams.size === 4);
  await waitFor('the ports', () => received.size === 4);
  t.deepEqual(
    [0, 1, 2, 3].map((one) => received.get(one)?.[0]?.readUInt16LE(0)),
    [80, 80, 8080, 8080],
  );
  client.send(channel(2, 'GET /'));
  const data = [...peer.streams.values()].find(
    ({ headers }) => headers.streamtype === 'data' && headers.port === '8080',
  );
  await waitFor('the request', () => text(data?.received) === 'GET /');
  peer.send(data?.id ?? 0, Buffer.from('200'));
  await waitFor('the answer', () => text(received.get(2)?.slice(1)) === '200');
  t.pass();
});

test('port-forward: SPDY inside a WebSocket goes through as it is', async (t) => {
  const { url, peer: coming } = await peerOf(t);
  // The library at this end does not take the protocol's real name; server.test.ts sees to that.
  const address = await listen(t, 'tunnel', (socket) => {
    void bridgePortForward(socket, TUNNEL_PROTOCOL, url, [], silentLogger);
  });
  const client = new WebSocket(address, ['tunnel']);
  t.teardown(() => client.terminate());
  await new Promise((resolve) => client.once('open', resolve));
  const back: Buffer[] = [];
  client.on('message', (message: Buffer) => back.push(message));
  const ping = controlFrame(6, 0, Buffer.from([0, 0, 0, 1]));
  client.send(ping);
  const peer = await coming;
  await waitFor('the bytes', () => peer.streams.has(0));
  peer.ping();
  await waitFor('bytes back', () => back.length > 0);
  t.deepEqual(Buffer.concat(back), controlFrame(6, 0, Buffer.from([0, 0, 0, 2])));
});
