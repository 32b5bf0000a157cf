import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { Cluster, type ClusterOptions, type Node } from '../../src/bootstrap/cluster.ts';
import { parseInventory } from '../../src/bootstrap/inventory/load.ts';
import type { Release } from '../../src/bootstrap/release.ts';
import type { ReportEvent } from '../../src/bootstrap/report.ts';
import { StateDirectory } from '../../src/bootstrap/state-directory.ts';
import type { Facts } from '../../src/provision/facts.ts';

const INVENTORY = `cluster: { name: test }
servers:
  - { name: cp1, address: 10.0.0.1, roles: [control-plane] }
  - { name: w1, address: 10.0.0.2, roles: [worker] }
  - { name: w2, address: 10.0.0.3, roles: [worker] }
`;

export const RELEASE: Release = {
  version: '1.2.3',
  kubernetes: '1.36',
  id: '1.2.3-abcdef012345',
  sha256: 'abcdef012345'.padEnd(64, '0'),
  bytes: 1000,
  compressedPath: '/no/such',
  compressedBytes: 100,
  architecture: 'x86_64',
};

/** A bare server's facts. */
export const bareFacts = (name: string, address: string): Facts => ({
  hostname: name,
  machineId: `id-${name}`,
  os: { id: 'debian', version: '12', codename: 'bookworm', name: 'Debian 12' },
  architecture: 'x86_64',
  kernel: '6.1',
  init: 'systemd',
  container: 'none',
  cgroupVersion: 2,
  cpus: 2,
  memoryBytes: 4 * 2 ** 30,
  swap: false,
  nowMs: systemClock.now(),
  addresses: [{ interface: 'eth0', address, prefix: 24 }],
  freeBytes: new Map(['/etc', '/opt', '/var/lib', '/tmp'].map((path) => [path, 2 ** 34])),
  listening: [],
  packages: new Map(),
  units: new Map(),
  files: new Map(),
  links: new Map(),
  directories: new Set(),
  sizes: new Map(),
  executables: new Map(),
  stamps: new Map(),
  images: new Set(),
  users: new Set(),
  canLowerOomScore: true,
  sysctls: new Map([['net.ipv4.ip_forward', { value: '0', writable: true }]]),
});

/** A cluster of three servers that nobody has touched, and the events that it reports. */
export function newCluster(change: Partial<ClusterOptions> = {}): {
  cluster: Cluster;
  events: ReportEvent[];
} {
  const events: ReportEvent[] = [];
  const cluster = new Cluster({
    inventory: parseInventory(INVENTORY, 'i.yaml'),
    release: RELEASE,
    state: new StateDirectory(mkdtempSync(join(tmpdir(), 'slipway-state-'))),
    clock: systemClock,
    report: (event) => void events.push(event),
    signal: new AbortController().signal,
    dryRun: false,
    ...change,
  });
  for (const node of cluster.nodes) node.facts = bareFacts(node.name, node.address);
  return { cluster, events };
}

/** The node of this name; a test that names another is wrong. */
export function nodeOf(cluster: Cluster, name: string): Node {
  const node = cluster.nodes.find((each) => each.name === name);
  if (!node) throw new Error(`no node ${name}`);
  return node;
}
