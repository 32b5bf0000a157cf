import { gatherFacts, type ProbeRequest } from '../../provision/facts.ts';
import {
  DISTRIBUTION_ETCD_UNIT,
  ETCD_DIRECTORY,
  ETCD_INITIAL_FILE,
  ETCD_MEMBER_DIRECTORY,
  ETCD_UNIT,
} from '../components/etcd.ts';
import {
  ETCD_USER,
  MOVED_STORE_DIRECTORY,
  SERVICE_USER,
  STORE_DIRECTORY,
  STORE_FILE,
} from '../components/files.ts';
import { SNAPSHOT_DIRECTORY, SNAPSHOT_TIMER } from '../components/snapshots.ts';
import type { Cluster } from '../cluster.ts';
import { allNodes, type NodePhase } from '../phase.ts';
import { CURRENT_LINK, EXECUTABLE_NAMES, executableOf } from '../release.ts';
import { KEEPALIVED_UNIT } from '../components/virtual-address.ts';
import { ALL_PACKAGES } from './packages.ts';
import { SYSCTLS } from './prepare-server.ts';

const UNITS = [
  ...[...EXECUTABLE_NAMES.slice(1), 'containerd'].map((name) => `${name}.service`),
  ETCD_UNIT,
  KEEPALIVED_UNIT,
  SNAPSHOT_TIMER,
];
const DISKS = ['/etc', '/opt', '/tmp', '/var/lib', '/var/log', '/run'] as const;

/** What every command asks a server. */
export const probeRequest = (
  { release, etcdBinary, clock, knownExecutables }: Cluster,
  server = '',
): ProbeRequest => ({
  packages: ALL_PACKAGES,
  units: [...UNITS, DISTRIBUTION_ETCD_UNIT, 'firewalld.service', 'ufw.service', 'kubelet.service'],
  paths: [
    '/etc/kubernetes',
    '/etc/containerd',
    '/etc/systemd/system',
    '/etc/sysctl.d',
    ...EXECUTABLE_NAMES.map((name) => `/usr/local/bin/${name}`),
    CURRENT_LINK,
    ETCD_INITIAL_FILE,
    '/etc/slipway',
  ],
  largeFiles: [
    STORE_FILE,
    ...(etcdBinary ? [etcdBinary.target] : []),
    '/var/lib/slipway/packages/bundle.tar',
  ],
  executables: [
    {
      path: executableOf(release),
      known: knownExecutables.of(server, executableOf(release), clock.now()),
    },
  ],
  directories: [
    STORE_DIRECTORY,
    MOVED_STORE_DIRECTORY,
    ETCD_DIRECTORY,
    ETCD_MEMBER_DIRECTORY,
    SNAPSHOT_DIRECTORY,
  ],
  disks: DISKS,
  users: [SERVICE_USER, ETCD_USER],
  sysctls: Object.keys(SYSCTLS),
});

export const facts: NodePhase = {
  id: 'facts',
  title: 'Gather facts',
  kind: 'check',
  nodes: allNodes,
  run: async (node, cluster) => {
    node.facts = await gatherFacts(node.host, probeRequest(cluster, node.name), cluster.signal);
  },
};
