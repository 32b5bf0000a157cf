import { SlipwayError } from '../../base/errors.ts';
import type { Cluster, Node } from '../cluster.ts';
import type { ClusterPhase } from '../phase.ts';
import { installedRelease } from '../release.ts';

/** A cluster that runs is brought to another release by an upgrade: in its order, and with its checks. */
export const validateRelease: ClusterPhase = {
  id: 'validate-release',
  title: 'Check the release',
  kind: 'check',
  run: async (cluster) => refuseOtherRelease(cluster),
};

/** E_RELEASE where a server that works in the cluster runs another release than the executable of this run. */
export function refuseOtherRelease(cluster: Cluster): void {
  const { release } = cluster;
  const others = cluster.nodes.filter((node) => {
    const id = node.probed && isAtWork(node) ? installedRelease(node.facts) : undefined;
    return id !== undefined && id !== release.id;
  });
  if (others.length === 0) return;
  const list = others.map((node) => `${node.name} runs ${installedRelease(node.facts)}`).join(', ');
  throw new SlipwayError('E_RELEASE', `the executable is release ${release.id}, and ${list}`, {
    hint:
      'bring the cluster to this release with "slipway upgrade", or name the executable of its own with --executable ' +
      '(each server has it as /opt/slipway/current/slipway)',
  });
}

const isAtWork = ({ facts }: Node): boolean =>
  ['slipway-apiserver.service', 'slipway-kubelet.service'].some(
    (unit) => facts.units.get(unit)?.activeState === 'active',
  );
