import type { Cluster, Node } from '../cluster.ts';
import type { ClusterPhase } from '../phase.ts';
import { openApi } from './wait-apiserver.ts';

const ANSWERS_MS = 3000;

/**
 * A dry run starts no API server; where one runs that answers, it is asked what its objects are like. Without one the
 * plan takes it that they are missing.
 */
export const apiForPlan: ClusterPhase = {
  id: 'api-for-plan',
  title: 'Look for an API server to plan with',
  kind: 'check',
  run: async (cluster) => {
    if (!cluster.dryRun || cluster.api !== undefined) return;
    const serving = cluster.controlPlanes.filter(
      (node) =>
        node.connected &&
        node.probed &&
        node.facts.units.get('slipway-apiserver.service')?.activeState === 'active',
    );
    const answers = await Promise.all(serving.map((node) => isReady(cluster, node)));
    const ready = serving.filter((_, index) => answers[index]);
    if (ready.length > 0) cluster.api = await openApi(cluster, ready);
  },
};

async function isReady(cluster: Cluster, node: Node): Promise<boolean> {
  const api = await openApi(cluster, [node]);
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = cluster.clock.after(ANSWERS_MS, () => resolve(false));
  const answer = api.client.request('GET', '/readyz').then(
    ({ status }) => status === 200,
    () => false,
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer.cancel();
    api.close();
  }
}
