import { NODES } from '../../api/gen/resources.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import { gatherFacts } from '../../provision/facts.ts';
import type { Host } from '../../provision/host.ts';
import type { Cluster, Node } from '../cluster.ts';
import { BOOTSTRAP_CONFIG, KUBELET_CONFIG } from '../components/node.ts';
import { BACKDATE_MS } from '../../pki/issue.ts';
import { parseCertificate } from '../../pki/parse.ts';
import { removedAtMs } from '../objects/removed-nodes.ts';
import { hasEmbeddedStore, hasMovedStore, hasServedEtcd } from '../etcd/state.ts';
import type { ClusterPhase, NodePhase, Phase } from '../phase.ts';
import { CURRENT_LINK } from '../release.ts';
import { probeRequest } from './facts.ts';
import { apiOf, useApi } from './wait-apiserver.ts';

/** Beside the key, in the kubelet's own file. */
const CLIENT_CERTIFICATE = '/var/lib/kubelet/pki/kubelet-client-current.pem';

export interface JoinRequest {
  /** Names; none: every server of the inventory that is not in the cluster. */
  nodes: readonly string[];
  role?: 'control-plane' | 'worker';
}

/**
 * Finds out which servers of the inventory are not in the cluster yet, and makes them the targets of what follows.
 * Servers that are in it are looked at, and only control planes and those that were named; one that does
 * not answer is left alone.
 */
export function selectJoining(open: (node: Node) => Promise<Host>, request: JoinRequest): Phase[] {
  const lost = new Map<Node, unknown>();
  const looked = (cluster: Cluster): Node[] =>
    cluster.nodes.filter(
      (node) => node.isControlPlane || request.nodes.length === 0 || request.nodes.includes(node.name),
    );
  const check: ClusterPhase = {
    id: 'join-request',
    title: 'Read the request',
    kind: 'check',
    run: async (cluster) => {
      for (const name of request.nodes) {
        if (cluster.nodes.some((node) => node.name === name)) continue;
        throw new SlipwayError('E_UNKNOWN_SERVER', `the inventory has no server ${name}`, {
          hint: `add it under "servers:", or name one of ${cluster.nodes.map((node) => node.name).join(', ')}`,
        });
      }
      cluster.pki = await cluster.state.readPki();
    },
  };
  const connect: NodePhase = {
    id: 'connect',
    title: 'Connect to the servers',
    kind: 'check',
    nodes: looked,
    run: async (node) => {
      try {
        node.host = await open(node);
      } catch (error) {
        node.lost = true;
        lost.set(node, error);
      }
    },
  };
  const facts: NodePhase = {
    id: 'facts',
    title: 'Gather facts',
    kind: 'check',
    nodes: (cluster) => looked(cluster).filter((node) => node.connected),
    run: async (node, cluster) => {
      node.facts = await gatherFacts(node.host, probeRequest(cluster, node.name), cluster.signal);
    },
  };
  const select: ClusterPhase = {
    id: 'select',
    title: 'Find the servers that join',
    kind: 'check',
    run: (cluster) => narrow(cluster, looked(cluster), lost, request),
  };
  return [check, connect, facts, select];
}

async function narrow(
  cluster: Cluster,
  looked: readonly Node[],
  lost: ReadonlyMap<Node, unknown>,
  request: JoinRequest,
): Promise<void> {
  const serving = cluster.controlPlanes.filter(
    (node) => node.probed && (hasServedEtcd(node) || hasEmbeddedStore(node) || hasMovedStore(node)),
  );
  if (serving.length === 0) throw noCluster(lost);
  await useApi(cluster, serving);
  const { items } = await apiOf(cluster).list(NODES);
  const registered = new Set(items.map(({ metadata }) => metadata?.name));
  const outside = (node: Node): boolean =>
    !registered.has(node.name) || (node.probed && !node.facts.files.has(KUBELET_CONFIG));
  // A run that was killed just before its end has left the file of a token that is worth nothing any more.
  const unfinished = (node: Node): boolean => node.probed && node.facts.files.has(BOOTSTRAP_CONFIG);
  const joining = looked.filter(
    (node) =>
      (outside(node) || unfinished(node)) &&
      (request.nodes.length === 0 || request.nodes.includes(node.name)) &&
      (request.role === undefined || node.entry.roles.includes(request.role)),
  );
  for (const [node, error] of lost) {
    if (joining.includes(node)) throw error;
    node.warn(`does not answer and is left alone: ${messageOf(error)}`);
  }
  for (const node of joining) await refuseOldIdentity(cluster, node);
  checkWhole(cluster, joining, outside);
  // A control plane that was alone gives its store to etcd when others join it: it is changed with them.
  const mover = joining.some((node) => node.isControlPlane)
    ? serving.filter((node) => hasEmbeddedStore(node) || hasMovedStore(node))
    : [];
  cluster.targets = [...new Set([...mover, ...joining])];
  for (const node of serving) checkRelease(cluster, node, joining);
}

/** A server that was removed while it was away still has what it was; nobody believes that any more. */
async function refuseOldIdentity(cluster: Cluster, node: Node): Promise<void> {
  if (!node.facts.files.has(KUBELET_CONFIG)) return;
  const removed = await removedAtMs(apiOf(cluster), node.name);
  if (removed === undefined) return;
  const { stdout } = await node.host.tryRun(`cat ${CLIENT_CERTIFICATE} 2>/dev/null || true\n`);
  const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(stdout)?.[0];
  // As the API servers judge it (src/apiserver/authn/removed-nodes.ts): dated back when it was issued.
  if (pem !== undefined && parseCertificate(pem).notBeforeMs + BACKDATE_MS > removed) return;
  throw new SlipwayError(
    'E_REMOVED_MEMBER',
    `${node.name} was removed from the cluster while it was away, and still has its old identity`,
    { hint: `reset it ("slipway reset --node ${node.name}"), then join it again` },
  );
}

/** Control planes join so that there are as many as the inventory says: 3 or 5 after it, not 2 or 4 for a while. */
function checkWhole(cluster: Cluster, joining: readonly Node[], outside: (node: Node) => boolean): void {
  if (!joining.some((node) => node.isControlPlane)) return;
  const missing = cluster.controlPlanes.filter((node) => outside(node) && !joining.includes(node));
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name);
  const count = cluster.controlPlanes.length - missing.length;
  throw new SlipwayError(
    'E_QUORUM',
    `the cluster would have ${count} control planes, which is ${count % 2 === 0 ? 'no safer than one less' : 'not what the inventory says'}: ${names.join(', ')} would still be missing`,
    {
      hint: `join them together: ${[...joining.map(({ name }) => name), ...names].map((name) => `--node ${name}`).join(' ')}`,
    },
  );
}

/** What joins runs the release that the control planes run: a newer node than its API server is unheard of. */
function checkRelease(cluster: Cluster, server: Node, joining: readonly Node[]): void {
  const running = server.facts.links.get(CURRENT_LINK)?.replace('releases/', '');
  const { id, version } = cluster.release;
  if (running === undefined || running === id || joining.length === 0) return;
  if (running.startsWith(`${version}-`) && !joining.some((node) => node.isControlPlane)) return;
  throw new SlipwayError(
    'E_RELEASE_DIFFERS',
    `${server.name} runs ${running}, and the servers that join would get ${id}`,
    {
      hint: 'give --executable of the release that the cluster runs, or bring the cluster to this one first',
    },
  );
}

function noCluster(lost: ReadonlyMap<Node, unknown>): SlipwayError {
  const [first] = lost.values();
  if (first instanceof SlipwayError) return first;
  return new SlipwayError('E_NO_CLUSTER', 'none of the control planes in the inventory has a cluster', {
    hint: 'make it with "slipway up"',
  });
}
