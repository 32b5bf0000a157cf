import { messageOf, SlipwayError } from '../../base/errors.ts';
import { SUPER_ADMIN } from '../../pki/identities.ts';
import { unitJournal } from '../../provision/units.ts';
import { openApiAccess } from '../api-access.ts';
import type { Cluster } from '../cluster.ts';
import { identityOf } from '../components/files.ts';
import type { ClusterPhase } from '../phase.ts';

const READY_MS = 60_000;

/** Waits until the API server says that it is ready, and keeps the client for the phases that follow. */
export const waitApiserver: ClusterPhase = {
  id: 'wait-apiserver',
  title: 'Wait for the API server',
  kind: 'wait',
  run: async (cluster) => {
    const node = cluster.firstControlPlane;
    const caPem = cluster.pki['pki/ca.crt'] ?? '';
    cluster.api = await openApiAccess(node.host, {
      port: cluster.inventory.api.port,
      caPem,
      identity: identityOf(cluster, SUPER_ADMIN),
      clock: cluster.clock,
    });
    const deadlineMs = cluster.clock.monotonicMs() + READY_MS;
    let last = 'no answer';
    for (;;) {
      try {
        const { status, body } = await cluster.api.client.request('GET', '/readyz');
        if (status === 200) return;
        last = `it answers ${status}: ${body.toString('utf8').slice(0, 200)}`;
      } catch (error) {
        last = messageOf(error);
      }
      if (cluster.clock.monotonicMs() > deadlineMs) throw await notReady(cluster, last);
      await cluster.clock.sleep(200, cluster.signal);
    }
  },
};

async function notReady(cluster: Cluster, last: string): Promise<SlipwayError> {
  const node = cluster.firstControlPlane;
  const journal = await unitJournal(node.host, 'slipway-apiserver.service');
  const message = `${node.name}: the API server is not ready after ${READY_MS / 1000} s: ${last}; its journal ends with:\n${journal}`;
  return new SlipwayError('E_NOT_READY', message, {
    hint: `look at "journalctl -u slipway-apiserver" on ${node.name}, then run the same command again`,
  });
}

/** The client, in phases after 'wait-apiserver'. */
export function apiOf(cluster: Cluster): NonNullable<Cluster['api']>['client'] {
  if (cluster.api === undefined) throw new Error('the API is used before the phase "wait-apiserver"');
  return cluster.api.client;
}
