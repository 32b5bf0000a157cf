import { SlipwayError } from '../../base/errors.ts';
import { unitIsCurrent } from '../../provision/units.ts';
import type { Node } from '../cluster.ts';
import { etcd, ETCD_UNIT } from '../components/etcd.ts';
import { EtcdAccess } from './access.ts';

const DISTRIBUTION_ETCD = '/usr/bin/etcd';

const minorOf = (version: string): number => Number(version.split('.')[1]);

/** Refuses a step that etcd's data would not survive: back, or over a minor version. Throws E_ETCD_BINARY. */
export function checkStep(server: string, running: string, wanted: string): void {
  const step = minorOf(wanted) - minorOf(running);
  if (step === 0 || step === 1) return;
  const message = `${server} runs etcd ${running}, and ${wanted} is ${step < 0 ? 'older' : `${step} minor versions further`}`;
  throw new SlipwayError('E_ETCD_BINARY', message, {
    hint:
      step < 0
        ? 'etcd does not go back by itself: name one of the version that runs; to go back for good, restore a backup'
        : 'go by each minor version in between, with "slipway up" for each',
  });
}

/** Holds the members that would be restarted with another etcd to `checkStep`, before any of them is touched. */
export async function checkVersions(nodes: readonly Node[]): Promise<void> {
  const changing = nodes.filter((node) => {
    const facts = node.facts.units.get(ETCD_UNIT);
    return facts?.activeState === 'active' && !unitIsCurrent(facts, etcd(node).config);
  });
  const [first] = changing;
  if (first === undefined || first.cluster.dryRun) return;
  const access = await EtcdAccess.open(first.cluster, changing);
  try {
    for (const node of changing) {
      const wanted = await wantedVersion(node);
      const { version } = await access.members.status(await access.endpointOf(node));
      if (wanted !== undefined) checkStep(node.name, version, wanted);
    }
  } finally {
    access.close();
  }
}

async function wantedVersion(node: Node): Promise<string | undefined> {
  const path = node.cluster.etcdBinary?.target ?? DISTRIBUTION_ETCD;
  const { stdout } = await node.host.tryRun(`${path} --version\n`, { signal: node.cluster.signal });
  return /etcd Version: (\d+\.\d+\.\d+)/.exec(stdout)?.[1];
}
