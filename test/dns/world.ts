import type { ExecutionContext } from 'ava';
import { ENDPOINTSLICES, NAMESPACES, SERVICES } from '../../src/api/gen/resources.ts';
import type { ServiceSpec } from '../../src/api/gen/types/core-v1.ts';
import type { Endpoint, EndpointPort } from '../../src/api/gen/types/discovery-v1.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import type { MemoryClient } from '../../src/client/memory-client.ts';
import { runDns, type DnsOptions } from '../../src/dns/dns.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { ask } from './dns-client.ts';

export function seedService(client: MemoryClient, key: string, spec: ServiceSpec): void {
  const [namespace = '', name = ''] = key.split('/');
  client.seed(SERVICES, { apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec });
}

export function seedSlice(
  client: MemoryClient,
  key: string,
  endpoints: Endpoint[],
  ports: EndpointPort[] = [],
): void {
  const [namespace = '', service = ''] = key.split('/');
  const addressType = endpoints[0]?.addresses[0]?.includes(':') ? 'IPv6' : 'IPv4';
  client.seed(ENDPOINTSLICES, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace,
      name: `${service}-${addressType}`,
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType,
    endpoints,
    ports,
  });
}

/** The Services that the tables of answers ask for. */
export function seedCluster(client: MemoryClient): void {
  for (const name of ['default', 'kube-system']) {
    client.seed(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  const http = { name: 'http', port: 80, protocol: 'TCP' };
  seedService(client, 'default/web', {
    clusterIP: '10.96.0.20',
    clusterIPs: ['10.96.0.20', 'fd00::20'],
    ports: [http],
  });
  seedService(client, 'default/db', {
    clusterIP: 'None',
    clusterIPs: ['None'],
    ports: [{ name: 'pg', port: 5432 }],
  });
  seedSlice(
    client,
    'default/db',
    [
      { addresses: ['10.244.0.5'], hostname: 'db-0' },
      { addresses: ['10.244.1.6'], hostname: 'DB-1', conditions: { ready: true } },
      { addresses: ['10.244.1.7'], conditions: { ready: true } },
      { addresses: ['10.244.1.8'], hostname: 'db-3', conditions: { ready: false } },
    ],
    [{ name: 'pg', port: 5432, protocol: 'TCP' }],
  );
  seedService(client, 'default/idle', { clusterIP: 'None', ports: [] });
  seedService(client, 'default/inside', {
    type: 'ExternalName',
    externalName: 'web.default.svc.cluster.local',
  });
  seedService(client, 'default/outside', { type: 'ExternalName', externalName: 'www.example.com' });
  seedService(client, 'default/circle', {
    type: 'ExternalName',
    externalName: 'circle.default.svc.cluster.local',
  });
  seedService(client, 'kube-system/kube-dns', {
    clusterIP: '10.96.0.10',
    ports: [{ name: 'dns', port: 53, protocol: 'UDP' }],
  });
}

/** Runs the DNS component on a free loopback port until the test ends; gives the port. */
export async function startDns(
  t: ExecutionContext,
  client: MemoryClient,
  options: Partial<DnsOptions> = {},
  synced = true,
): Promise<number> {
  const stop = new AbortController();
  const listening = Promise.withResolvers<number>();
  const running = runDns(
    {
      client,
      listen: [{ address: '127.0.0.1', port: 0 }],
      clock: systemClock,
      log: silentLogger,
      upstreams: [],
      ...options,
      onListening: (ports) => {
        options.onListening?.(ports);
        listening.resolve(ports[0] ?? 0);
      },
    },
    stop.signal,
  );
  t.teardown(async () => {
    stop.abort();
    await running;
  });
  const port = await listening.promise;
  if (synced) {
    await waitFor(
      'DNS knows the cluster',
      async () => (await ask('cluster.local', 'SOA', { port })).rcode === 'NOERROR',
    );
  }
  return port;
}
