import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Host } from '../provision/host.ts';

/** A port on loopback whose connections come out on a server. */
export interface Forward {
  port: number;
  close(): void;
}

/** Opens a port of this machine's loopback that leads to the server's own loopback, through SSH. */
export async function openForward(host: Host, remotePort: number): Promise<Forward> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    host.forward('127.0.0.1', remotePort).then(
      (channel) => {
        channel.on('error', () => socket.destroy());
        channel.on('close', () => socket.destroy());
        socket.on('close', () => channel.destroy());
        socket.pipe(channel).pipe(socket);
        return undefined;
      },
      () => socket.destroy(),
    );
  });
  return {
    port: await listen(server),
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
