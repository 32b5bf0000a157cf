import { SlipwayError } from '../../base/errors.ts';
import { gatherFacts } from '../../provision/facts.ts';
import type { Host } from '../../provision/host.ts';
import { messageOf } from '../../base/errors.ts';
import type { Cluster, Node } from '../cluster.ts';
import { isOurCordon, nodeNamed, uncordon } from '../drain/cordon.ts';
import { podsOn } from '../drain/drain.ts';
import { planDrain, type DrainPlan } from '../drain/plan-drain.ts';
import { EtcdAccess } from '../etcd/access.ts';
import { nodeOfMember, votersOf } from '../etcd/members-view.ts';
import { checkRemoval } from '../etcd/quorum.ts';
import { hasEmbeddedStore, hasMovedStore, hasServedEtcd } from '../etcd/state.ts';
import type { ClusterPhase, NodePhase, Phase } from '../phase.ts';
import { probeRequest } from './facts.ts';
import { apiOf, useApi } from './wait-apiserver.ts';

export interface RemoveRequest {
  node: string;
  /** The server is lost: it is neither drained nor reached. */
  dead: boolean;
  force: boolean;
  deleteEmptyDirData: boolean;
  drainTimeoutMs: number;
  /** Programs, packages and settings stay on the server. */
  keepFiles: boolean;
}

/** What the phases of a removal know of each other. */
export interface Removal {
  request: RemoveRequest;
  leaving: Node;
  /** Control planes that stay and hold the store. */
  staying: Node[];
  drain: DrainPlan;
}

export const REMOVE = 'remove';

/**
 * Looks at the server that leaves and at those that stay, and refuses what would harm the cluster, before anything
 * is changed.
 */
export function selectLeaving(
  open: (node: Node) => Promise<Host>,
  request: RemoveRequest,
  removal: Partial<Removal>,
): Phase[] {
  const looked = (cluster: Cluster): Node[] =>
    cluster.nodes.filter((node) => node.isControlPlane || node.name === request.node);
  const check: ClusterPhase = {
    id: 'remove-request',
    title: 'Read the request',
    kind: 'check',
    run: async (cluster) => {
      removal.request = request;
      removal.leaving = cluster.nodes.find(({ name }) => name === request.node);
      if (removal.leaving === undefined) {
        throw new SlipwayError('E_UNKNOWN_SERVER', `the inventory has no server ${request.node}`, {
          hint: 'remove a server before it is taken out of the inventory; put it back for that',
        });
      }
      removal.leaving.lost = request.dead;
      cluster.targets = [removal.leaving];
      cluster.pki = await cluster.state.readPki();
    },
  };
  const connect: NodePhase = {
    id: 'connect',
    title: 'Connect to the servers',
    kind: 'check',
    nodes: (cluster) => looked(cluster).filter((node) => !(request.dead && node === removal.leaving)),
    run: async (node) => {
      try {
        node.host = await open(node);
      } catch (error) {
        if (node === removal.leaving) throw lost(node, error);
        node.lost = true;
        node.warn(`does not answer: ${messageOf(error)}`);
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
    title: 'Check that the server can go',
    kind: 'check',
    run: async (cluster) => {
      try {
        await examine(cluster, removal as Removal);
      } catch (error) {
        // An earlier run that was cut off may have left its cordon; this one does not go on with it. Where another
        // operator is at work it is his.
        if (cluster.api && !cluster.dryRun && (await isAlone(cluster))) {
          await uncordon(apiOf(cluster), request.node, REMOVE);
        }
        throw error;
      }
    },
  };
  return [check, connect, facts, select];
}

const isAlone = (cluster: Cluster): Promise<boolean> =>
  cluster.lock().then(
    () => true,
    () => false,
  );

function lost(node: Node, cause: unknown): SlipwayError {
  const code = cause instanceof SlipwayError ? cause.code : 'E_SSH_UNREACHABLE';
  return new SlipwayError(code, messageOf(cause), {
    cause,
    hint: `where ${node.name} is lost for good, remove it with --dead`,
  });
}

async function examine(cluster: Cluster, removal: Removal): Promise<void> {
  const { leaving, request } = removal;
  removal.staying = cluster.controlPlanes.filter(
    (node) =>
      node !== leaving &&
      node.probed &&
      (hasServedEtcd(node) || hasEmbeddedStore(node) || hasMovedStore(node)),
  );
  if (removal.staying.length === 0) {
    throw new SlipwayError(
      'E_QUORUM',
      leaving.isControlPlane
        ? `${leaving.name} is the only control plane that can be reached: the cluster would end with it`
        : 'none of the control planes in the inventory can be reached, or none has a cluster',
      { hint: 'to give the cluster up, reset it instead' },
    );
  }
  await useApi(cluster, removal.staying);
  const client = apiOf(cluster);
  const node = await nodeNamed(client, leaving.name);
  if (request.dead) checkDead(leaving, node, request);
  if (leaving.isControlPlane) await checkQuorum(cluster, removal);
  removal.drain = { evict: [], stay: [], refusals: [] };
  if (node === undefined || request.dead) return;
  removal.drain = planDrain(await podsOn(client, leaving.name), request);
  // What an earlier run began to evict is not asked about again.
  if (removal.drain.refusals.length === 0) return;
  throw new SlipwayError('E_DRAIN', `${leaving.name} is not drained: ${removal.drain.refusals.join('; ')}`, {
    hint: isOurCordon(node, REMOVE) ? 'the node takes pods again' : 'nothing was changed',
  });
}

function checkDead(leaving: Node, node: Awaited<ReturnType<typeof nodeNamed>>, request: RemoveRequest): void {
  const ready = node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  if (!ready || request.force) return;
  throw new SlipwayError('E_NOT_DEAD', `${leaving.name} is Ready: it does not look dead`, {
    hint: 'remove it without --dead; if it died a moment ago, wait until it is NotReady (or --force)',
  });
}

async function checkQuorum(cluster: Cluster, { leaving, staying }: Removal): Promise<void> {
  const access = await EtcdAccess.open(cluster, staying);
  try {
    const members = await access.members.list();
    const mine = members.find((member) => nodeOfMember(member, [leaving]));
    if (mine === undefined || mine.isLearner) return;
    const reached = leaving.connected ? [...staying, leaving] : staying;
    const voters = await votersOf(access, reached);
    checkRemoval(voters, mine.id);
    const left = voters.length - 1;
    if (left % 2 === 0) {
      leaving.warn(
        `etcd has ${left} members without it, and none of them may fail: join another control plane soon`,
      );
    }
  } finally {
    access.close();
  }
}
