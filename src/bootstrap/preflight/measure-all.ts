import { randomBytes } from 'node:crypto';
import { messageOf } from '../../base/errors.ts';
import type { Cluster, Node } from '../cluster.ts';
import { ETCD_CLIENT_PORT, ETCD_PEER_PORT, ETCD_UNIT } from '../components/etcd.ts';
import { usesEtcd } from '../etcd/state.ts';
import { STORE_DIRECTORY } from '../components/files.ts';
import type { Look } from './look.ts';
import type { ListenReady, MeasureResult, MeasureTarget } from './probe/protocol.ts';
import { ProbeSession } from './session.ts';

const KUBELET_PORT = 10_250;
const USUAL_MTU = 1500;

/** What was measured from each server, and why nothing was where it was not. */
export interface Measurements {
  results: Map<Node, MeasureResult>;
  failed: Map<Node, string>;
}

/** Ports of `to` that `from` needs, by what the cluster uses. */
export function neededPorts(from: Node, to: Node, cluster: Cluster): number[] {
  const ports = new Set<number>();
  if (to.isControlPlane) ports.add(cluster.inventory.api.port);
  if (from.isControlPlane) ports.add(KUBELET_PORT);
  if (from.isControlPlane && to.isControlPlane && usesEtcd(cluster)) {
    ports.add(ETCD_CLIENT_PORT).add(ETCD_PEER_PORT);
  }
  return [...ports];
}

/** Everything that anybody needs of `node`. */
const portsToOpen = (node: Node, cluster: Cluster): number[] => [
  ...new Set(
    cluster.nodes.filter((from) => from !== node).flatMap((from) => neededPorts(from, node, cluster)),
  ),
];

/**
 * Measures the ways from each of these servers to every server of the cluster, and the disks of control planes. Where one
 * cannot be measured the others are. Nothing stays on any server, but with `keep` the executable, until it is installed or the
 * run ends (Cluster.probes).
 */
export async function measureAll(
  cluster: Cluster,
  nodes: readonly Node[],
  looks: ReadonlyMap<Node, Look>,
  keep = false,
): Promise<Measurements> {
  const failed = new Map<Node, string>();
  const results = new Map<Node, MeasureResult>();
  const ready = new Map<Node, ListenReady>();
  const token = randomBytes(16).toString('hex');
  const sessions = nodes.map((node) => new ProbeSession(node));
  const each = async (step: (session: ProbeSession) => Promise<void>): Promise<void> => {
    const able = sessions.filter(({ node }) => !failed.has(node));
    await Promise.all(
      able.map((session) =>
        step(session).catch((error: unknown) => void failed.set(session.node, messageOf(error))),
      ),
    );
    cluster.signal.throwIfAborted();
  };
  try {
    await each(async (session) => {
      const { node } = session;
      await session.open();
      const tcpPorts = portsToOpen(node, cluster);
      ready.set(node, await session.listen({ address: node.address, tcpPorts, token }));
    });
    await each(async (session) => {
      const { node } = session;
      const targets = cluster.nodes.flatMap((to) => target(node, to, cluster, ready.get(to), looks));
      const diskDirectory = node.isControlPlane ? { diskDirectory: STORE_DIRECTORY } : {};
      results.set(node, await session.measure({ token, targets, ...diskDirectory }));
    });
    if (keep) {
      await each(async (session) => {
        await session.endMeasuring();
        cluster.probes.set(session.node, session);
      });
    }
  } finally {
    const over = sessions.filter((session) => cluster.probes.get(session.node) !== session);
    await Promise.all(over.map((session) => session.close()));
  }
  return { results, failed };
}

/** A server where no listener of ours runs is asked only where it serves already: as a member of the cluster. */
function target(
  from: Node,
  to: Node,
  cluster: Cluster,
  ready: ListenReady | undefined,
  looks: ReadonlyMap<Node, Look>,
): MeasureTarget[] {
  if (from === to) return [];
  const serves = to.probed && to.facts.units.get('slipway-kubelet.service')?.activeState === 'active';
  if (ready === undefined && !serves) return [];
  const look = looks.get(from);
  const name = look?.addresses.get(from.address);
  const mtu = look?.links.find((link) => link.interface === name)?.mtu ?? USUAL_MTU;
  const udp = ready === undefined ? {} : { udpPort: ready.udpPort };
  const needed = neededPorts(from, to, cluster);
  const tcpPorts = ready ? needed : needed.filter((port) => isServed(to, port, cluster));
  return [{ name: to.name, address: to.address, tcpPorts, mtu, ...udp }];
}

/** Whether a member of the cluster serves that port now: etcd comes to a control plane with the second one. */
function isServed(node: Node, port: number, cluster: Cluster): boolean {
  const units: Record<number, string> = {
    [cluster.inventory.api.port]: 'slipway-apiserver.service',
    [KUBELET_PORT]: 'slipway-kubelet.service',
    [ETCD_CLIENT_PORT]: ETCD_UNIT,
    [ETCD_PEER_PORT]: ETCD_UNIT,
  };
  return node.facts.units.get(units[port] ?? '')?.activeState === 'active';
}
