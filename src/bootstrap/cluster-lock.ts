import { messageOf } from '../base/errors.ts';
import type { Host } from '../provision/host.ts';
import type { Cluster, Node } from './cluster.ts';
import type { OperatorLocks } from './operator-locks.ts';

/**
 * Locks what a run may change, and the cluster as a whole: every control plane that answers, so that two runs exclude each
 * other that change different servers. Control planes that the command has no use for are connected to for that;
 * those that do not answer are left out, and where fewer than a majority is left somebody is told. Errors: E_LOCKED.
 */
export async function lockCluster(
  cluster: Cluster,
  locks: OperatorLocks,
  open: ((node: Node) => Promise<Host>) | undefined,
): Promise<void> {
  const strangers = cluster.controlPlanes.filter((node) => !node.connected && !node.lost);
  if (open) await Promise.all(strangers.map((node) => connectForLock(node, open)));
  const hosts = (nodes: readonly Node[]) =>
    nodes.flatMap(({ fencedHost }) => (fencedHost === undefined ? [] : [fencedHost]));
  const { controlPlanes, targets } = cluster;
  const locked = hosts(controlPlanes);
  await locks.take({
    cluster: locked,
    servers: hosts(targets.filter((node) => !node.isControlPlane)),
    state: cluster.state,
  });
  if (locked.length > controlPlanes.length / 2) return;
  cluster.report({
    type: 'warning',
    node: undefined,
    message: `only ${locked.length} of ${controlPlanes.length} control planes could be locked: make sure that nobody else works on this cluster`,
  });
}

async function connectForLock(node: Node, open: (node: Node) => Promise<Host>): Promise<void> {
  try {
    node.host = await open(node);
  } catch (error) {
    node.cluster.signal.throwIfAborted();
    node.lost = true;
    node.warn(`does not answer, and is not locked: ${messageOf(error)}`);
  }
}
