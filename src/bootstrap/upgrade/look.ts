import { NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS } from '../../api/gen/resources.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { Client } from '../../client/client.ts';
import { messageOf } from '../../base/errors.ts';
import type { Cluster, Node } from '../cluster.ts';
import { wouldEvict } from '../drain/drain.ts';
import { planDrain, podName } from '../drain/plan-drain.ts';
import { EtcdAccess } from '../etcd/access.ts';
import { votersOf } from '../etcd/members-view.ts';
import type { Voter } from '../etcd/quorum.ts';
import { hasServedEtcd } from '../etcd/state.ts';
import { hasExecutable, installedRelease } from '../release.ts';
import { openApi } from '../phases/wait-apiserver.ts';
import type { RollRequest } from './request.ts';
import type { Picture } from './simulate.ts';
import type { RunningVersions } from './skew.ts';

/** How many dry runs of evictions are under way at once. */
const AT_ONCE = 10;

/** Which release, API server and kubelet each server runs. */
export async function lookAtVersions(cluster: Cluster, client: Client): Promise<RunningVersions> {
  const releases = new Map<string, string>();
  for (const node of cluster.nodes) {
    const id = node.probed ? installedRelease(node.facts) : undefined;
    if (id !== undefined) releases.set(node.name, id);
  }
  const apiServers = new Map<string, string>();
  await Promise.all(
    cluster.controlPlanes.map(async (node) => {
      const version = await apiVersionOf(node).catch(() => undefined);
      if (version !== undefined) apiServers.set(node.name, version);
    }),
  );
  const { items } = await client.list(NODES);
  const kubelets = items.map(({ metadata, status }): [string, string] => [
    metadata?.name ?? '',
    status?.nodeInfo?.kubeletVersion ?? '',
  ]);
  return { releases, apiServers, kubelets: new Map(kubelets) };
}

/** gitVersion of one control plane's API server; undefined where it answers something else than 200. */
export async function apiVersionOf(node: Node): Promise<string | undefined> {
  const api = await openApi(node.cluster, [node]);
  try {
    const { status, body } = await api.client.request('GET', '/version');
    if (status !== 200) return undefined;
    return (JSON.parse(body.toString('utf8')) as { gitVersion?: string }).gitVersion;
  } finally {
    api.close();
  }
}

/** Reads all that the simulation asks about; asks for every eviction by a dry run of the API server. */
export async function takePicture(cluster: Cluster, client: Client, request: RollRequest): Promise<Picture> {
  const [nodes, pods, claims, volumes, voters, readyApiServers] = await Promise.all([
    client.list(NODES),
    client.list(PODS),
    client.list(PERSISTENTVOLUMECLAIMS),
    client.list(PERSISTENTVOLUMES),
    lookAtVoters(cluster),
    findReady(cluster),
  ]);
  const { release } = cluster;
  const outdated = new Set(
    cluster.nodes.filter((node) => installedRelease(node.facts) !== release.id).map(({ name }) => name),
  );
  const draining = request.drain
    ? pods.items.filter(({ spec }) => spec?.nodeName !== undefined && outdated.has(spec.nodeName))
    : [];
  // Compressed, unpacked, and a little to breathe.
  const needed = release.compressedBytes + release.bytes + 64 * 2 ** 20;
  const lacks = cluster.nodes.flatMap((node): Array<[string, number]> => {
    const free = node.facts.freeBytes.get('/opt') ?? Infinity;
    return hasExecutable(node.facts, release) || free >= needed ? [] : [[node.name, needed - free]];
  });
  return {
    nodes: nodes.items,
    pods: pods.items,
    claims: claims.items,
    volumes: volumes.items,
    readyApiServers,
    voters,
    outdated,
    held: await askEvictions(client, planDrain(draining, { force: true, deleteEmptyDirData: true }).evict),
    lacksBytes: new Map(lacks),
  };
}

async function askEvictions(client: Client, pods: readonly Pod[]): Promise<Map<string, string>> {
  const held = new Map<string, string>();
  const queue = [...pods];
  const worker = async (): Promise<void> => {
    for (let pod = queue.shift(); pod !== undefined; pod = queue.shift()) {
      const reason = await wouldEvict(client, pod);
      if (reason !== undefined) held.set(podName(pod), reason);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return held;
}

async function lookAtVoters(cluster: Cluster): Promise<Voter[] | undefined> {
  const members = cluster.controlPlanes.filter(hasServedEtcd);
  if (members.length === 0) return undefined;
  const access = await EtcdAccess.open(cluster, members);
  try {
    return await votersOf(access, members);
  } finally {
    access.close();
  }
}

async function findReady(cluster: Cluster): Promise<string[]> {
  const ready = await Promise.all(
    cluster.controlPlanes.map(async (node) => {
      try {
        return (await isApiReady(node)) ? [node.name] : [];
      } catch (error) {
        node.warn(`its API server does not answer: ${messageOf(error)}`);
        return [];
      }
    }),
  );
  return ready.flat();
}

/** Whether the API server of one control plane says that it is ready. Rejects where it does not answer at all. */
export async function isApiReady(node: Node): Promise<boolean> {
  const api = await openApi(node.cluster, [node]);
  try {
    return (await api.client.request('GET', '/readyz')).status === 200;
  } finally {
    api.close();
  }
}
