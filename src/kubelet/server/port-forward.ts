import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { dialSpdy } from '../spdy/dial.ts';
import { SpdyConnection, type SpdyStream } from '../spdy/spdy-connection.ts';
import { ChannelSocket } from './channels.ts';

/** SPDY inside a WebSocket: kubectl since 1.31. */
export const TUNNEL_PROTOCOL = 'SPDY/3.1+portforward.k8s.io';
export const PORT_FORWARD_PROTOCOLS = [
  TUNNEL_PROTOCOL,
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
] as const;
const SPDY_PROTOCOL = 'portforward.k8s.io';

/** Joins a client's WebSocket to a port-forward of the runtime. */
export async function bridgePortForward(
  socket: WebSocket,
  protocol: string,
  url: string,
  ports: readonly number[],
  log: Logger,
): Promise<void> {
  // Nothing may be lost between the upgrade and the runtime's answer.
  socket.pause();
  try {
    const { socket: upgraded, head } = await dialSpdy(url, [SPDY_PROTOCOL]);
    // The client may have left meanwhile: its close has been told already.
    if (socket.readyState !== socket.OPEN) upgraded.destroy();
    else if (protocol === TUNNEL_PROTOCOL) tunnel(socket, upgraded, head);
    else forwardChannels(socket, protocol, upgraded, head, ports);
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'no port-forward from the runtime');
    socket.close(1011, messageOf(error).slice(0, 120));
  } finally {
    socket.resume();
  }
}

/** The client speaks SPDY itself: its bytes go through as they are. */
function tunnel(socket: WebSocket, upstream: Duplex, head: Buffer): void {
  if (head.length > 0) socket.send(head, { binary: true });
  socket.on('message', (data: Buffer) => {
    if (upstream.write(data)) return;
    socket.pause();
    upstream.once('drain', () => socket.resume());
  });
  upstream.on('data', (data: Buffer) => {
    upstream.pause();
    socket.send(data, { binary: true }, () => upstream.resume());
  });
  upstream.on('close', () => socket.close(1000));
  upstream.on('error', () => socket.close(1011));
  socket.on('close', () => upstream.destroy());
  socket.on('error', () => upstream.destroy());
}

/** A pair of channels for each port: data and errors; each starts with the port in two bytes. */
function forwardChannels(
  socket: WebSocket,
  protocol: string,
  upstream: Duplex,
  head: Buffer,
  ports: readonly number[],
): void {
  const streams: SpdyStream[] = [];
  const channels = new ChannelSocket(socket, protocol, {
    data: (channel, data) => {
      // Even channels carry data; clients do not speak on the others.
      const stream = channel % 2 === 0 ? streams[channel / 2] : undefined;
      if (!stream || stream.write(data)) return;
      channels.pause();
      void stream.drained().then(() => channels.resume());
    },
    closed: (channel) => streams[channel / 2]?.end(),
  });
  let open = ports.length * 2;
  const connection = new SpdyConnection(upstream, () => channels.close());
  const end = () => {
    open -= 1;
    if (open === 0) connection.close();
  };
  for (const [index, port] of ports.entries()) {
    const prefix = Buffer.allocUnsafe(2);
    prefix.writeUInt16LE(port);
    channels.send(index * 2, prefix);
    channels.send(index * 2 + 1, prefix);
    const common = { port: String(port), requestID: String(index) };
    const to = (channel: number) => ({
      data: (data: Buffer) =>
        channels.sendWithPressure(
          channel,
          data,
          () => connection.pause(),
          () => connection.resume(),
        ),
      end,
    });
    connection.open({ ...common, streamType: 'error' }, to(index * 2 + 1)).end();
    streams.push(connection.open({ ...common, streamType: 'data' }, to(index * 2)));
  }
  connection.feed(head);
  socket.on('close', () => connection.close());
  socket.on('error', () => connection.close());
}
