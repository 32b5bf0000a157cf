import { CERTIFICATESIGNINGREQUESTS, LEASES, NODES, PODS, SECRETS } from '../../api/gen/resources.ts';
import { isNotFound } from '../../client/errors.ts';
import type { Client } from '../../client/client.ts';
import { runScript } from '../../provision/host.ts';
import { ADMIN } from '../../pki/identities.ts';
import { renderKubeconfig } from '../../pki/kubeconfig.ts';
import type { Cluster } from '../cluster.ts';
import { ETCD_UNIT, peerUrl } from '../components/etcd.ts';
import { identityOf, serversForPeople } from '../components/files.ts';
import { cordon, nodeNamed, uncordon } from '../drain/cordon.ts';
import { podsOn } from '../drain/drain.ts';
import { evictFrom } from '../drain/evict-from.ts';
import { certificatesOf, recordRemovedNode, removedAtMs } from '../objects/removed-nodes.ts';
import { EtcdAccess } from '../etcd/access.ts';
import { hasServedEtcd } from '../etcd/state.ts';
import type { ClusterPhase, Phase } from '../phase.ts';
import { OWNER_LABEL } from './bootstrap-tokens.ts';
import { REMOVE, type Removal } from './select-leaving.ts';
import { apiOf } from './wait-apiserver.ts';
import { wipe } from './wipe.ts';
import { resetServer } from '../actions/reset.ts';

/** Everything that a removal changes, in its order. Each step may have been done by an earlier run. */
export function leave(removal: Partial<Removal>): Phase[] {
  const of = (): Removal => removal as Removal;
  const phase = (
    id: string,
    title: string,
    run: (cluster: Cluster, removal: Removal) => Promise<void>,
  ): ClusterPhase => ({ id, title, kind: 'change', run: (cluster) => run(cluster, of()) });
  return [
    phase('cordon', 'Keep new pods away', cordonNode),
    phase('drain', 'Drain the node', drainNode),
    phase('stop-server', 'Stop what runs on the server', stopServer),
    phase('leave-etcd', 'Take its member out of etcd', leaveEtcd),
    phase('delete-node', 'Delete the node and its credentials', deleteNode),
    phase('wipe', 'Take the cluster from the server', clean),
    phase('forget', 'Forget its certificates', forget),
    phase('kubeconfig', 'Write the kubeconfig', writeKubeconfigWithout),
  ];
}

async function cordonNode(cluster: Cluster, { leaving }: Removal): Promise<void> {
  const node = await nodeNamed(apiOf(cluster), leaving.name);
  if (node === undefined || node.spec?.unschedulable) return;
  await cluster.change(`cordon ${leaving.name}`, () => cordon(apiOf(cluster), leaving.name, REMOVE));
}

async function drainNode(cluster: Cluster, { drain, leaving, request }: Removal): Promise<void> {
  try {
    await evictFrom(leaving, apiOf(cluster), drain.evict, request.drainTimeoutMs);
  } catch (error) {
    // The server stays for now: it takes pods again, unless it was cordoned by somebody else.
    await uncordon(apiOf(cluster), leaving.name, REMOVE).catch(() => {});
    throw error;
  }
}

/** From here on there is no way back: the server serves nothing any more. */
async function stopServer(cluster: Cluster, { leaving }: Removal): Promise<void> {
  if (!leaving.connected) return;
  const units = [...leaving.facts.units].filter(
    ([name, { activeState, unitFileState }]) =>
      name.startsWith('slipway-') &&
      name !== ETCD_UNIT &&
      (activeState !== 'inactive' || unitFileState === 'enabled'),
  );
  if (units.length === 0) return;
  const names = units.map(([name]) => name).join(' ');
  await leaving.change(`stop ${names}`, async () => {
    const script = `systemctl disable --quiet --now ${names}\n`;
    await runScript(leaving.host, 'stopping the components', script, { signal: cluster.signal });
  });
}

/** Undoes what was changed on the server, or takes identity and data alone from it. */
async function clean(_: Cluster, { leaving, request }: Removal): Promise<void> {
  if (!leaving.connected) return;
  if (request.keepFiles) {
    await wipe(leaving);
    return;
  }
  const { verdict, differences, left } = await resetServer(leaving);
  if (verdict !== 'different' && left.length === 0) return;
  const lines = [...differences, ...left];
  leaving.warn(`not all is as it was before the installation: ${lines.slice(0, 5).join('; ')}`);
}

async function leaveEtcd(cluster: Cluster, { leaving, staying }: Removal): Promise<void> {
  if (!leaving.isControlPlane || !staying.some(hasServedEtcd)) return;
  const access = await EtcdAccess.open(cluster, staying.filter(hasServedEtcd));
  try {
    const url = peerUrl(leaving.address);
    const member = (await access.members.list()).find(({ peerUrls }) => peerUrls.includes(url));
    if (member === undefined) return;
    await cluster.change(`remove member ${member.name || member.id} from etcd`, async () => {
      await access.members.remove(member.id);
    });
  } finally {
    access.close();
  }
}

async function deleteNode(cluster: Cluster, { leaving }: Removal): Promise<void> {
  const client = apiOf(cluster);
  const { name } = leaving;
  const certificates = certificatesOf(cluster.pki, name);
  const node = await nodeNamed(client, name);
  // An interrupted run may have come beyond this.
  const done = node === undefined && (await removedAtMs(client, name)) !== undefined;
  if (certificates.length > 0 && !done) {
    // First: a kubelet that still runs somewhere would make its node again.
    await cluster.change(`let nobody believe the certificates of ${name} any more`, () =>
      recordRemovedNode(client, { name, certificates, removedAtMs: cluster.clock.now() }),
    );
  }
  const pods = await podsOn(client, name);
  if (pods.length > 0) {
    // Nothing stops them on a server that is gone or stopped; their controllers wait for that.
    await cluster.change(`delete ${pods.length} pods that ${name} still had`, async () => {
      for (const { metadata } of pods) {
        const ref = { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
        await gone(client.delete(PODS, ref, { gracePeriodSeconds: 0 }));
      }
    });
  }
  if (node !== undefined) {
    await cluster.change(`delete node ${name}`, async () => {
      await gone(client.delete(NODES, { name }));
      await gone(client.delete(LEASES, { namespace: 'kube-node-lease', name }));
    });
  }
  await deleteCredentials(cluster, client, name);
}

/** Certificates that were asked for and tokens that were given: neither may bring the node back. */
async function deleteCredentials(cluster: Cluster, client: Client, name: string): Promise<void> {
  const user = `system:node:${name}`;
  const [{ items: requests }, { items: tokens }] = await Promise.all([
    client.list(CERTIFICATESIGNINGREQUESTS),
    client.list(SECRETS, { namespace: 'kube-system', labelSelector: `${OWNER_LABEL}=${name}` }),
  ]);
  const theirs = requests.filter(({ spec }) => spec?.username === user);
  for (const { metadata } of theirs) {
    const ref = { name: metadata?.name ?? '' };
    await cluster.change(`delete certificate request ${ref.name}`, () =>
      gone(client.delete(CERTIFICATESIGNINGREQUESTS, ref)),
    );
  }
  for (const { metadata } of tokens) {
    const ref = { namespace: 'kube-system', name: metadata?.name ?? '' };
    await cluster.change(`revoke ${ref.name}`, () => gone(client.delete(SECRETS, ref)));
  }
}

async function gone(deletion: Promise<unknown>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** A server of that name that joins later is another one: it gets keys of its own. */
async function forget(cluster: Cluster, { leaving }: Removal): Promise<void> {
  const folder = `nodes/${leaving.name}`;
  if (!Object.keys(cluster.pki).some((path) => path.startsWith(`${folder}/`))) return;
  await cluster.change(`forget the certificates of ${leaving.name}`, () => cluster.state.remove(folder));
}

/** kubectl asks the first server of the list: it must be one that is there. */
async function writeKubeconfigWithout(
  cluster: Cluster,
  { leaving, request, staying }: Removal,
): Promise<void> {
  if (!leaving.isControlPlane) return;
  const content = renderKubeconfig({
    clusterName: cluster.inventory.cluster.name,
    servers: serversForPeople(cluster, staying),
    caPem: cluster.pki['pki/ca.crt'] ?? '',
    user: 'kubernetes-admin',
    credential: identityOf(cluster, ADMIN),
  });
  if ((await cluster.state.read('admin.kubeconfig')) === content) return;
  await cluster.change(`write the kubeconfig without ${request.node}`, () =>
    cluster.state.write('admin.kubeconfig', content),
  );
}
