import { gatherFacts, type ProbeRequest } from '../../provision/facts.ts';
import { SERVICE_USER, STORE_DIRECTORY } from '../components/files.ts';
import { allNodes, type NodePhase } from '../phase.ts';
import { CURRENT_LINK, EXECUTABLE_NAMES, executableOf, type Release } from '../release.ts';
import { PACKAGES } from './packages.ts';
import { SYSCTLS } from './prepare-server.ts';

const UNITS = [...EXECUTABLE_NAMES.slice(1), 'containerd'].map((name) => `${name}.service`);
const DISKS = ['/etc', '/opt', '/tmp', '/var/lib', '/var/log', '/run'] as const;

const request = (release: Release): ProbeRequest => ({
  packages: PACKAGES,
  units: [...UNITS, 'firewalld.service', 'ufw.service', 'kubelet.service'],
  paths: [
    '/etc/kubernetes',
    '/etc/containerd',
    '/etc/systemd/system',
    '/etc/sysctl.d',
    ...EXECUTABLE_NAMES.map((name) => `/usr/local/bin/${name}`),
    CURRENT_LINK,
  ],
  largeFiles: [executableOf(release), '/var/lib/slipway/packages/bundle.tar'],
  directories: [STORE_DIRECTORY],
  disks: DISKS,
  users: [SERVICE_USER],
  sysctls: Object.keys(SYSCTLS),
});

export const facts: NodePhase = {
  id: 'facts',
  title: 'Gather facts',
  kind: 'check',
  nodes: allNodes,
  run: async (node, cluster) => {
    node.facts = await gatherFacts(node.host, request(cluster.release), cluster.signal);
  },
};
