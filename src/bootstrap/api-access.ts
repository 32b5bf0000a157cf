import type { Client } from '../client/client.ts';
import { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../base/clock.ts';
import type { Identity } from '../pki/issue.ts';
import type { Host } from '../provision/host.ts';
import { openForward } from './forward.ts';

/** The API of the cluster through SSH: it needs no way to the API server but the one that is there already. */
export interface ApiAccess {
  client: Client;
  close(): void;
}

/** A client on the API servers of these hosts, each reached through its own SSH connection; it fails over. */
export async function openApiAccess(
  hosts: readonly Host[],
  options: { port: number; caPem: string; identity: Identity; clock: Clock },
): Promise<ApiAccess> {
  const forwards = await Promise.all(hosts.map((host) => openForward(host, options.port)));
  const client = new RestClient({
    servers: forwards.map(({ port }) => `https://127.0.0.1:${port}`),
    credentials: { ca: options.caPem, cert: options.identity.certPem, key: options.identity.keyPem },
    userAgent: 'slipway-up',
    clock: options.clock,
    requestTimeoutMs: 15_000,
  });
  return {
    client,
    close() {
      client.close();
      for (const forward of forwards) forward.close();
    },
  };
}
