import { LEASES } from '../../api/gen/resources.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import { kubernetesVersion } from '../../base/version.ts';
import type { Client } from '../../client/client.ts';
import { unitJournal } from '../../provision/units.ts';
import type { Node } from '../cluster.ts';
import { bringAbout } from '../components/component.ts';
import { apiserver, controllerManager, scheduler } from '../components/control-plane.ts';
import { containerd, dns, kubelet, network, proxy } from '../components/node.ts';
import { virtualAddress } from '../components/virtual-address.ts';
import { cordon, isCordoned, nodeNamed, uncordon } from '../drain/cordon.ts';
import { podsOn } from '../drain/drain.ts';
import { evictFrom } from '../drain/evict-from.ts';
import { planDrain, podName } from '../drain/plan-drain.ts';
import { restartMember, writeMember } from '../etcd/form-cluster.ts';
import { hasServedEtcd, usesEtcd } from '../etcd/state.ts';
import { pointToRelease } from '../phases/executable.ts';
import { needsKeepalived } from '../phases/packages.ts';
import { importImage } from '../phases/sandbox-image.ts';
import { apiOf, untilReady } from '../phases/wait-apiserver.ts';
import { HEALTH_PORTS, untilHealthy } from '../phases/wait-components.ts';
import { isReady } from './capacity.ts';
import { apiVersionOf, isApiReady } from './look.ts';
import type { RollRequest } from './request.ts';
import { UPGRADE } from './simulate.ts';

const OTHERS_READY_MS = 30_000;
const NODE_READY_MS = 60_000;
const PODS_READY_MS = 120_000;
const PAUSE_MS = 100;

/**
 * Brings one control plane's etcd, API server and virtual address to the release, and proves that they serve. Nothing
 * is restarted while it would be missed: the others must have etcd's quorum and an API server that is ready.
 */
export async function rollApi(node: Node): Promise<void> {
  const { cluster } = node;
  const others = cluster.controlPlanes.filter((other) => other !== node);
  await pointToRelease(node);
  if (usesEtcd(cluster)) {
    await writeMember(node);
    await restartMember(node, others.filter(hasServedEtcd));
  }
  if (!cluster.dryRun && others.length > 0) await untilServedByOthers(node, others);
  await bringAbout(node, apiserver(node));
  if (!cluster.dryRun) {
    await untilReady(node);
    await checkApiVersion(node);
  }
  if (needsKeepalived(node)) await bringAbout(node, virtualAddress(node));
}

/** Waits until another API server is ready: the last one that was restarted may not be yet. */
async function untilServedByOthers(node: Node, others: readonly Node[]): Promise<void> {
  const { clock, signal } = node.cluster;
  const deadlineMs = clock.monotonicMs() + OTHERS_READY_MS;
  for (;;) {
    const ready = await Promise.all(others.map((other) => isApiReady(other).catch(() => false)));
    if (ready.includes(true)) return;
    if (clock.monotonicMs() > deadlineMs) {
      const names = others.map(({ name }) => name).join(', ');
      throw new SlipwayError(
        'E_UPGRADE',
        `${node.name}: no other API server is ready (${names}): it is not restarted`,
        {
          hint: `look at "journalctl -u slipway-apiserver" there, then run the same command again`,
        },
      );
    }
    await clock.sleep(PAUSE_MS, signal);
  }
}

async function checkApiVersion(node: Node): Promise<void> {
  const wanted = kubernetesVersion(node.cluster.release.version);
  const version = await apiVersionOf(node);
  // A release of another Kubernetes says another one: its own version stands behind the plus.
  if (version?.split('+')[1] === wanted.split('+')[1]) return;
  throw new SlipwayError(
    'E_UPGRADE',
    `${node.name}: the API server says that it is ${version}, and not ${wanted}`,
    {
      hint: 'does another process listen on its port? "ss -ltnp" on the server tells',
    },
  );
}

/**
 * Brings everything else on a server to the release: drained first where that is asked for. Containers run on, which
 * is looked at. Whatever happens, the node takes pods again, unless somebody else had cordoned it.
 */
export async function rollNode(node: Node, request: RollRequest): Promise<void> {
  const { cluster } = node;
  const client = apiOf(cluster);
  const pending = !isRolled(node);
  let rolled = false;
  try {
    if (request.drain && pending) await drainNode(node, client, request);
    const before = pending && !cluster.dryRun ? await podsOn(client, node.name) : [];
    await restartComponents(node, client);
    if (!cluster.dryRun && pending) await checkPods(node, client, before);
    rolled = true;
  } finally {
    // After a failure too, even where the API has gone away by now: what failed is told, not this.
    if (!cluster.dryRun) {
      const freed = uncordon(client, node.name, UPGRADE);
      if (rolled) await freed;
      else await freed.catch((error: unknown) => node.warn(`it is still cordoned: ${messageOf(error)}`));
    }
  }
}

/** The components of a server in the order in which they are restarted. */
const componentsOf = (node: Node) => [
  ...(node.isControlPlane ? [controllerManager(node), scheduler(node)] : []),
  network(node),
  kubelet(node),
  proxy(node),
  dns(node),
];

/** Whether the server's components run this release already, as the facts of this run's begin say. */
export const isRolled = (node: Node): boolean =>
  componentsOf(node).every(({ unit, config }) => {
    const facts = node.facts.units.get(unit);
    return facts?.activeState === 'active' && facts.config === config;
  });

async function restartComponents(node: Node, client: Client): Promise<void> {
  const { cluster } = node;
  await pointToRelease(node);
  await bringAbout(node, containerd(node));
  await importImage(node);
  for (const component of componentsOf(node)) await bringAbout(node, component);
  if (cluster.dryRun) return;
  const names = Object.keys(HEALTH_PORTS) as Array<keyof typeof HEALTH_PORTS>;
  const mine = names.filter(
    (name) => node.isControlPlane || !['controller-manager', 'scheduler'].includes(name),
  );
  await Promise.all(mine.map((name) => untilHealthy(node, name)));
  await untilNodeReady(node, client);
}

async function drainNode(node: Node, client: Client, request: RollRequest): Promise<void> {
  const { cluster, name } = node;
  const found = await nodeNamed(client, name);
  if (found && !isCordoned(found))
    await cluster.change(`cordon ${name}`, () => cordon(client, name, UPGRADE));
  const plan = planDrain(await podsOn(client, name), request);
  if (plan.refusals.length > 0) {
    throw new SlipwayError('E_DRAIN', `${name} is not drained: ${plan.refusals.join('; ')}`, {
      hint: 'the node takes pods again; without --drain pods run on',
    });
  }
  await evictFrom(node, client, plan.evict, request.drainTimeoutMs);
}

/** Waits until the node is Ready by the word of its new kubelet: one heartbeat from after the restart. */
async function untilNodeReady(node: Node, client: Client): Promise<void> {
  const lease = await leaseVersion(node, client);
  const wanted = kubernetesVersion(node.cluster.release.version).split('+')[1];
  await poll(node, NODE_READY_MS, 'slipway-kubelet.service', async () => {
    const found = await nodeNamed(client, node.name);
    if (found === undefined) return 'there is no such node';
    if (!isReady(found)) {
      const said = found.status?.conditions?.find(({ type }) => type === 'Ready')?.message;
      return `it is not Ready: ${said ?? 'it says nothing about itself'}`;
    }
    const version = found.status?.nodeInfo?.kubeletVersion ?? '';
    if (version.split('+')[1] !== wanted) return `its kubelet says that it is ${version}`;
    return (await leaseVersion(node, client)) === lease ? 'it has not given a sign of life' : undefined;
  });
}

async function leaseVersion(node: Node, client: Client): Promise<string | undefined> {
  const lease = await client.get(LEASES, { namespace: 'kube-node-lease', name: node.name });
  return lease.metadata?.resourceVersion;
}

/** Pods that were ready must be it again; containers that did not survive the restart are told. */
async function checkPods(node: Node, client: Client, before: readonly Pod[]): Promise<void> {
  const ready = before.filter(isPodReady);
  let now: Pod[] = [];
  await poll(node, PODS_READY_MS, 'slipway-kubelet.service', async () => {
    now = await podsOn(client, node.name);
    // One that was deleted meanwhile is nobody's fault.
    const missing = ready.filter((pod) => {
      const same = now.find(({ metadata }) => metadata?.uid === pod.metadata?.uid);
      return same !== undefined && same.metadata?.deletionTimestamp === undefined && !isPodReady(same);
    });
    return missing.length > 0 ? `pods are not ready again: ${missing.map(podName).join(', ')}` : undefined;
  });
  const lost = ready.filter((pod) => {
    const same = now.find(({ metadata }) => metadata?.uid === pod.metadata?.uid);
    return same !== undefined && containerIds(same).join() !== containerIds(pod).join();
  });
  if (lost.length > 0) node.warn(`containers were restarted: ${lost.map(podName).join(', ')}`);
}

const isPodReady = ({ status }: Pod): boolean =>
  status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';

const containerIds = ({ status }: Pod): string[] =>
  (status?.containerStatuses ?? []).map(({ containerID }) => containerID ?? '').toSorted();

/** Asks until `wrong` gives nothing. E_NOT_READY with the last thing it gave, and the end of the unit's journal. */
async function poll(
  node: Node,
  withinMs: number,
  unit: string,
  wrong: () => Promise<string | undefined>,
): Promise<void> {
  const { clock, signal } = node.cluster;
  const deadlineMs = clock.monotonicMs() + withinMs;
  for (;;) {
    const reason = await wrong().catch((error: unknown) => messageOf(error));
    if (reason === undefined) return;
    if (clock.monotonicMs() > deadlineMs) {
      const journal = await unitJournal(node.host, unit);
      throw new SlipwayError(
        'E_NOT_READY',
        `${node.name}: after ${withinMs / 1000} s ${reason}; the journal of ${unit} ends with:\n${journal}`,
        { hint: `look at "journalctl -u ${unit}" on ${node.name}, then run the same command again` },
      );
    }
    await clock.sleep(PAUSE_MS, signal);
  }
}
