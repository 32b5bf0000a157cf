import type { Finding } from '../preflight/finding.ts';
import { compareVersions, kubernetesMinor, versionOfRelease } from './versions.ts';

/** What runs before anything is changed. */
export interface RunningVersions {
  /** Ids of the releases that servers run, by server. */
  releases: ReadonlyMap<string, string>;
  /** gitVersion of each API server that answers, by server. */
  apiServers: ReadonlyMap<string, string>;
  /** kubeletVersion of each node. */
  kubelets: ReadonlyMap<string, string>;
}

export interface TargetRelease {
  id: string;
  version: string;
  /** '1.36'. */
  kubernetes: string;
}

/** Kubelets may be so many minor releases older than the API servers. */
const KUBELET_SKEW = 3;

/** Which versions may follow which. Mirrors kubernetes.io/releases/version-skew-policy and cmd/kubeadm/app/phases/upgrade/policy.go. */
export function checkSkew(
  target: TargetRelease,
  running: RunningVersions,
  direction: 'forward' | 'back',
): Finding[] {
  const findings: Finding[] = [];
  const must = (check: string, node: string | undefined, message: string, remedy: string): void => {
    findings.push({ severity: 'must', check, message, remedy, ...(node === undefined ? {} : { node }) });
  };
  const others = [...new Set(running.releases.values())].filter((id) => id !== target.id);
  if (others.length > 1) {
    must(
      'releases',
      undefined,
      `the servers run ${others.length} other releases (${others.toSorted().join(', ')}): an upgrade was not finished`,
      'finish it, or go back ("slipway rollback"), before you begin another one',
    );
  }
  if (direction === 'forward') {
    for (const id of others) {
      const version = versionOfRelease(id);
      if (compareVersions(target.version, version) >= 0) continue;
      const servers = [...running.releases].filter(([, release]) => release === id).map(([name]) => name);
      must(
        'downgrade',
        undefined,
        `${servers.join(', ')} run slipway ${version}, which is newer than ${target.version}`,
        'use an executable that is not older; "slipway rollback" takes the last upgrade back',
      );
    }
  }
  const minor = kubernetesMinor(target.kubernetes) ?? 0;
  for (const [node, version] of running.apiServers) {
    const now = kubernetesMinor(version);
    if (now === undefined || direction === 'back') continue;
    if (minor > now + 1) {
      must(
        'skew',
        node,
        `its API server is ${version}, and Kubernetes goes up one minor release at a time: 1.${now + 1} comes next, not 1.${minor}`,
        `upgrade to a slipway with Kubernetes 1.${now + 1} first`,
      );
    } else if (minor < now) {
      must(
        'skew',
        node,
        `its API server is ${version}, newer than Kubernetes 1.${minor}`,
        'use a newer slipway',
      );
    }
  }
  for (const [node, version] of running.kubelets) {
    const now = kubernetesMinor(version);
    if (now === undefined || direction === 'back') continue;
    if (now < minor - KUBELET_SKEW) {
      must(
        'skew',
        node,
        `its kubelet is ${version}, more than ${KUBELET_SKEW} minor releases older than 1.${minor}`,
        'upgrade the kubelets by smaller steps',
      );
    }
  }
  return findings;
}
