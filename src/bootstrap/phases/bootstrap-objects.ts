import { bootstrapObjects } from '../objects/bootstrap-objects.ts';
import { ensure, missing } from '../objects/ensure.ts';
import type { ClusterPhase } from '../phase.ts';
import { apiOf } from './wait-apiserver.ts';

/** Rights for nodes that join, for people and for our own components, and the DNS Service. */
export const applyBootstrapObjects: ClusterPhase = {
  id: 'bootstrap-objects',
  title: 'Apply roles and the DNS service',
  kind: 'change',
  run: async (cluster) => {
    // A dry run before the first API server: everything will be missing.
    const client = cluster.dryRun ? cluster.api?.client : apiOf(cluster);
    await Promise.all(
      bootstrapObjects({ dnsAddress: cluster.dnsAddress }).map(async (wanted) => {
        const verb = client === undefined ? undefined : await missing(client, wanted);
        if (client !== undefined && verb === undefined) return;
        const { kind = '', metadata } = wanted.object;
        // The same sentence whatever is there: a plan that was made while no API server answered must fit.
        const reasons = { create: 'it is missing', update: 'it is not what it should be' };
        await cluster.change(
          `apply ${kind} ${metadata.name}`,
          () => ensure(apiOf(cluster), wanted),
          verb === undefined ? 'no API server answers yet' : reasons[verb],
        );
      }),
    );
  },
};
