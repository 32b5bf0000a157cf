import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import type { Clock } from '../../../base/clock.ts';
import { codeOf } from '../../../base/errors.ts';
import { answerTo } from './datagram.ts';
import type { ListenReady, ListenRequest } from './protocol.ts';

/**
 * Listens on the ports of a cluster until `signal` aborts or the lifetime is over. A connection is accepted and
 * closed; datagrams that carry the token are answered with the time.
 */
export async function listen(request: ListenRequest, clock: Clock, signal: AbortSignal): Promise<void> {
  const open: Array<{ close(): unknown }> = [];
  try {
    const tcpPorts: number[] = [];
    for (const port of request.tcpPorts) {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.end();
      });
      const free = await listening(server, port, request.address);
      if (!free) continue;
      open.push(server);
      tcpPorts.push(port);
    }
    const socket = createSocket('udp4');
    open.push(socket);
    socket.on('message', (packet, from) => {
      const answer = answerTo(packet, request.token, clock.now());
      if (answer) socket.send(answer, from.port, from.address, () => {});
    });
    socket.bind(0, request.address);
    await once(socket, 'listening');
    const ready: ListenReady = { tcpPorts, udpPort: socket.address().port };
    await writeFile(`${request.readyFile}.new`, JSON.stringify(ready));
    await rename(`${request.readyFile}.new`, request.readyFile);
    await clock.sleep(request.lifetimeMs, signal).catch(() => {});
  } finally {
    for (const each of open) each.close();
  }
}

/** False where somebody else holds the port: their answer is as good as ours. */
async function listening(
  server: ReturnType<typeof createServer>,
  port: number,
  address: string,
): Promise<boolean> {
  try {
    server.listen(port, address);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port > 0;
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return false;
    throw error;
  }
}
