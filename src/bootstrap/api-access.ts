import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Client } from '../client/client.ts';
import { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../base/clock.ts';
import type { Identity } from '../pki/issue.ts';
import type { Host } from '../provision/host.ts';

/** The API of the cluster through SSH: it needs no way to the API server but the one that is there already. */
export interface ApiAccess {
  client: Client;
  close(): void;
}

/** Opens a port on loopback whose connections come out on the server's own loopback, and a client on it. */
export async function openApiAccess(
  host: Host,
  options: { port: number; caPem: string; identity: Identity; clock: Clock },
): Promise<ApiAccess> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    host.forward('127.0.0.1', options.port).then(
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
  const port = await listen(server);
  const client = new RestClient({
    servers: [`https://127.0.0.1:${port}`],
    credentials: { ca: options.caPem, cert: options.identity.certPem, key: options.identity.keyPem },
    userAgent: 'slipway-up',
    clock: options.clock,
    requestTimeoutMs: 15_000,
  });
  return {
    client,
    close() {
      client.close();
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
