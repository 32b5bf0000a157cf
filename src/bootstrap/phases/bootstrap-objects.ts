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
        const verb = client === undefined ? 'create' : await missing(client, wanted);
        if (verb === undefined) return;
        const { kind = '', metadata } = wanted.object;
        await cluster.change(`${verb} ${kind} ${metadata.name}`, () => ensure(apiOf(cluster), wanted));
      }),
    );
  },
};
