import { messageOf, SlipwayError } from '../../base/errors.ts';
import { SUPER_ADMIN } from '../../pki/identities.ts';
import { unitJournal } from '../../provision/units.ts';
import { openApiAccess } from '../api-access.ts';
import type { Cluster, Node } from '../cluster.ts';
import { identityOf } from '../components/files.ts';
import { controlPlanes, type ClusterPhase } from '../phase.ts';

const READY_MS = 60_000;

/** Waits until every API server that this run starts is ready, and keeps a client of them for the phases that follow. */
export const waitApiserver: ClusterPhase = {
  id: 'wait-apiserver',
  title: 'Wait for the API server',
  kind: 'wait',
  run: async (cluster) => {
    await Promise.all(controlPlanes(cluster).map((node) => untilReady(node)));
    await useApi(
      cluster,
      cluster.controlPlanes.filter(({ connected }) => connected),
    );
  },
};

/** Opens the client that later phases use, on the API servers of these nodes. */
export async function useApi(cluster: Cluster, nodes: readonly Node[]): Promise<void> {
  cluster.api?.close();
  cluster.api = await openApi(cluster, nodes);
}

/** A client on the API servers of these nodes alone; whoever opens it closes it. */
export const openApi = (cluster: Cluster, nodes: readonly Node[]): ReturnType<typeof openApiAccess> =>
  openApiAccess(
    nodes.map(({ host }) => host),
    {
      port: cluster.inventory.api.port,
      caPem: cluster.pki['pki/ca.crt'] ?? '',
      identity: identityOf(cluster, SUPER_ADMIN),
      clock: cluster.clock,
    },
  );

/** Waits until the API server of one node says that it is ready. E_NOT_READY, with the end of its journal. */
export async function untilReady(node: Node, withinMs = READY_MS): Promise<void> {
  const { cluster } = node;
  const api = await openApi(cluster, [node]);
  const deadlineMs = cluster.clock.monotonicMs() + withinMs;
  let last = 'no answer';
  try {
    for (;;) {
      try {
        const { status, body } = await api.client.request('GET', '/readyz');
        if (status === 200) return;
        last = `it answers ${status}: ${body.toString('utf8').slice(0, 200)}`;
      } catch (error) {
        last = messageOf(error);
      }
      if (cluster.clock.monotonicMs() > deadlineMs) break;
      await cluster.clock.sleep(200, cluster.signal);
    }
  } finally {
    api.close();
  }
  const journal = await unitJournal(node.host, 'slipway-apiserver.service');
  const message = `${node.name}: the API server is not ready after ${withinMs / 1000} s: ${last}; its journal ends with:\n${journal}`;
  throw new SlipwayError('E_NOT_READY', message, {
    hint: `look at "journalctl -u slipway-apiserver" on ${node.name}, then run the same command again`,
  });
}

/** The client, in phases after 'wait-apiserver'. */
export function apiOf(cluster: Cluster): NonNullable<Cluster['api']>['client'] {
  if (cluster.api === undefined) throw new Error('the API is used before the phase "wait-apiserver"');
  return cluster.api.client;
}
