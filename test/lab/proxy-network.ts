import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { ENDPOINTSLICES, NODES, SERVICES } from '../../src/api/gen/resources.ts';
import type { ServiceSpec } from '../../src/api/gen/types/core-v1.ts';
import type { EndpointSlice } from '../../src/api/gen/types/discovery-v1.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { runProxy } from '../../src/proxy/proxy.ts';
import { Netns } from './netns.ts';

export const NODE_IP = '10.77.0.11';
export const OUTSIDE_IP = '10.77.0.1';
export const CLIENT_IP = '10.244.0.10';
const GATEWAY = '10.244.0.1';

/** Backends by name: two pods on the node and one behind the router, on another node. All answer on 8080. */
export const BACKENDS = { b1: '10.244.0.11', b2: '10.244.0.12', far: '10.244.1.5' } as const;

/**
 * A node with pods wired as CNI's ptp plugin does it, and the world outside: enough network for the proxy's rules
 * to work on real packets.
 */
export class ProxyNetwork {
  readonly host: Netns;
  readonly client: Netns;
  readonly outside: Netns;
  readonly pods: Map<string, Netns>;

  private constructor(host: Netns, client: Netns, outside: Netns, pods: Map<string, Netns>) {
    this.host = host;
    this.client = client;
    this.outside = outside;
    this.pods = pods;
  }

  static async create(label: string): Promise<ProxyNetwork> {
    const make = (name: string) => Netns.create(`${label}-${name}`);
    const [host, client, outside, b1, b2] = await Promise.all(
      ['host', 'client', 'outside', 'b1', 'b2'].map(make),
    );
    if (!host || !client || !outside || !b1 || !b2) throw new Error('unreachable');
    await host.connect('eth0', outside, 'eth0');
    await host.exec(`ip addr add ${NODE_IP}/24 dev eth0; ip route add default via ${OUTSIDE_IP}
      ip route add 10.244.1.0/24 via ${OUTSIDE_IP}; echo 1 > /proc/sys/net/ipv4/ip_forward`);
    await outside.exec(`ip addr add ${OUTSIDE_IP}/24 dev eth0; ip addr add ${BACKENDS.far}/32 dev lo
      ip route add 10.244.0.0/24 via ${NODE_IP}`);
    const pods = new Map([
      ['client', client],
      ['b1', b1],
      ['b2', b2],
    ]);
    for (const [name, pod] of pods) {
      const address = name === 'client' ? CLIENT_IP : BACKENDS[name as 'b1' | 'b2'];
      await host.connect(`veth-${name}`, pod, 'eth0');
      await host.exec(
        `ip addr add ${GATEWAY}/32 dev veth-${name}; ip route add ${address}/32 dev veth-${name}`,
      );
      await pod.exec(`ip addr add ${address}/32 dev eth0; ip route add ${GATEWAY} dev eth0
        ip route add default via ${GATEWAY}`);
    }
    const network = new ProxyNetwork(host, client, outside, pods);
    for (const [name, pod] of [
      ['b1', b1],
      ['b2', b2],
      ['far', outside],
    ] as const)
      await network.serve(name, pod);
    return network;
  }

  /** Starts the echo server of a backend. */
  async serve(name: string, pod: Netns): Promise<void> {
    const script = fileURLToPath(new URL('echo-server.ts', import.meta.url));
    const child = pod.spawn([process.execPath, script, name, '8080']);
    if (child.stdout) await once(child.stdout, 'data');
  }

  async close(): Promise<void> {
    await Promise.all(
      [this.host, this.client, this.outside, ...this.pods.values()].map((netns) => netns.close()),
    );
  }
}

/** Connects by TCP from a namespace; gives who answered and which address it saw, or why not. */
export async function ask(
  from: Netns,
  address: string,
  port: number,
): Promise<{ name: string; seen: string } | string> {
  const script = `exec 3<>/dev/tcp/${address}/${port} && IFS= read -r -t 3 line <&3 && echo "$line"`;
  const { code, stdout, stderr } = await from.tryExec(`timeout 4 bash -c '${script}'`);
  if (code !== 0) return /refused/.test(stderr) ? 'refused' : 'silence';
  const [name = '', seen = ''] = stdout.trim().split(' ');
  return { name, seen: seen.replace('::ffff:', '') };
}

/** Names of those who answer to so many connections. */
export async function whoAnswers(from: Netns, address: string, port: number, times = 12): Promise<string[]> {
  const names = new Set<string>();
  for (let i = 0; i < times; i++) {
    const answer = await ask(from, address, port);
    names.add(typeof answer === 'string' ? answer : answer.name);
  }
  return [...names].sort();
}

/** The API with one node, Services, and the proxy that runs on them. */
export class ProxyWorld {
  readonly client = new MemoryClient(systemClock);
  readonly #network: ProxyNetwork;
  #stop: AbortController | undefined;
  #running: Promise<void> | undefined;

  constructor(network: ProxyNetwork) {
    this.#network = network;
    const status = { addresses: [{ type: 'InternalIP', address: NODE_IP }] };
    this.client.seed(NODES, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node' }, status });
  }

  start(): void {
    this.#stop = new AbortController();
    const options = {
      client: this.client,
      nodeName: 'node',
      clusterCidr: '10.244.0.0/16',
      clock: systemClock,
      log: silentLogger,
      run: this.#network.host.runCommand,
    };
    this.#running = runProxy(options, this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop?.abort();
    await this.#running;
  }

  service(name: string, spec: ServiceSpec, status: object = {}): void {
    const ports = spec.ports ?? [{ port: 80, protocol: 'TCP' }];
    const metadata = { name, namespace: 'default' };
    const object = { apiVersion: 'v1', kind: 'Service', metadata, spec: { ...spec, ports }, status };
    this.client.seed(SERVICES, object);
  }

  /** Sets the endpoints of a Service; `local` says on which node they are. */
  async endpoints(
    service: string,
    backends: ReadonlyArray<keyof typeof BACKENDS>,
    protocol = 'TCP',
  ): Promise<void> {
    const name = `${service}-1`;
    const slice: EndpointSlice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      ports: [{ port: 8080, protocol }],
      endpoints: backends.map((backend) => ({
        addresses: [BACKENDS[backend]],
        nodeName: backend === 'far' ? 'other' : 'node',
      })),
    };
    const existing = await this.client
      .get(ENDPOINTSLICES, { namespace: 'default', name })
      .catch(() => undefined);
    if (!existing) await this.client.create(ENDPOINTSLICES, slice);
    else
      await this.client.update(ENDPOINTSLICES, {
        ...slice,
        metadata: { ...slice.metadata, ...existing.metadata },
      });
  }
}
