import type { RunCommand } from '../base/command.ts';
import { CommandError } from '../base/command.ts';
import type { ProxiedEndpoint } from './endpoints.ts';
import type { Family } from './family.ts';
import type { ProxiedPort } from './service-ports.ts';

/** A UDP flow as the kernel remembers it: what the client asked for, and who answers. */
export interface UdpFlow {
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
  answeredBy: string;
  answeringPort: number;
}

/** Reads `conntrack -L -p udp`: each line has the two directions one after the other. */
export function parseFlows(output: string): UdpFlow[] {
  const flows: UdpFlow[] = [];
  for (const line of output.split('\n')) {
    const values = (name: string) =>
      [...line.matchAll(new RegExp(`\\b${name}=(\\S+)`, 'g'))].map((match) => match[1]);
    const [source, answeredBy] = values('src');
    const [destination] = values('dst');
    const [sourcePort, answeringPort] = values('sport');
    const [destinationPort] = values('dport');
    if (!line.startsWith('udp') || !source || !answeredBy || !destination || !sourcePort || !destinationPort)
      continue;
    flows.push({
      source,
      sourcePort: Number(sourcePort),
      destination,
      destinationPort: Number(destinationPort),
      answeredBy,
      answeringPort: Number(answeringPort),
    });
  }
  return flows;
}

/** UDP ports of Services with the endpoints that still serve them. */
export interface UdpFrontend {
  port: ProxiedPort;
  endpoints: readonly ProxiedEndpoint[];
}

/**
 * The flows to a Service that end at no endpoint of it: the kernel would go on sending a client's packets to
 * where a pod was. TCP needs none of this, as its connections break. Mirrors pkg/proxy/conntrack/cleanup.go.
 */
export function staleFlows(
  flows: readonly UdpFlow[],
  frontends: readonly UdpFrontend[],
  nodeIps: readonly string[],
): UdpFlow[] {
  const serving = new Map<string, Set<string>>();
  for (const { port, endpoints } of frontends) {
    const backends = new Set(
      endpoints.filter(({ serving }) => serving).map(({ ip, port: target }) => `${ip} ${target}`),
    );
    // Without endpoints there is nowhere better to send the packets.
    if (port.protocol !== 'udp' || backends.size === 0) continue;
    for (const ip of [port.clusterIp, ...port.externalIps, ...port.loadBalancerIps]) {
      serving.set(`${ip} ${port.port}`, backends);
    }
    if (port.nodePort === undefined) continue;
    for (const ip of nodeIps) serving.set(`${ip} ${port.nodePort}`, backends);
  }
  return flows.filter((flow) => {
    const backends = serving.get(`${flow.destination} ${flow.destinationPort}`);
    return backends !== undefined && !backends.has(`${flow.answeredBy} ${flow.answeringPort}`);
  });
}

/** Forgets the stale UDP flows of a family; gives how many. */
export async function cleanStaleFlows(
  run: RunCommand,
  family: Family,
  frontends: readonly UdpFrontend[],
  nodeIps: readonly string[],
): Promise<number> {
  if (frontends.length === 0) return 0;
  const name = family.toLowerCase();
  const stale = staleFlows(
    parseFlows(await run('conntrack', ['-L', '-f', name, '-p', 'udp'])),
    frontends,
    nodeIps,
  );
  for (const { source, sourcePort, destination, destinationPort } of stale) {
    const original = ['--orig-src', source, '--orig-dst', destination];
    const ports = ['--orig-port-src', String(sourcePort), '--orig-port-dst', String(destinationPort)];
    try {
      await run('conntrack', ['-D', '-f', name, '-p', 'udp', ...original, ...ports]);
    } catch (error) {
      // Exit code 1 says that the flow has ended by itself.
      if (!(error instanceof CommandError && error.exitCode === 1)) throw error;
    }
  }
  return stale.length;
}
