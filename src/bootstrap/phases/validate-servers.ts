import { SlipwayError } from '../../base/errors.ts';
import { sha256 } from '../../provision/files.ts';
import type { Cluster, Node } from '../cluster.ts';
import { ETCD_CLIENT_PORT, ETCD_METRICS_PORT, ETCD_PEER_PORT } from '../components/etcd.ts';
import { PKI_DIRECTORY } from '../components/files.ts';
import { usesEtcd } from '../etcd/state.ts';
import { contains, parseAddress, parseRange } from '../inventory/ranges.ts';
import { allNodes, type ClusterPhase, type NodePhase } from '../phase.ts';
import { executableOf } from '../release.ts';
import { missingPackages } from './packages.ts';

const MIB = 2 ** 20;
const CONTROL_PLANE_PORTS = [10257, 10259];
const NODE_PORTS = [10248, 10249, 10250, 10256];
/** Certificates are backdated five minutes: a server that is further behind would not believe them. */
const MAX_CLOCK_OFFSET_MS = 4 * 60_000;
/** As k0sctl: leases and tokens tolerate less than this between servers. */
const MAX_CLOCK_SPREAD_MS = 30_000;

/** What each server must be, by itself. Every check only looks. */
export const validateServers: NodePhase = {
  id: 'validate-servers',
  title: 'Validate the servers',
  kind: 'check',
  nodes: allNodes,
  run: async (node, cluster) => {
    checkSystem(node, cluster);
    checkSpace(node, cluster);
    checkPorts(node, cluster);
    checkNetwork(node, cluster);
    await checkStranger(node, cluster);
  },
};

function checkSystem(node: Node, cluster: Cluster): void {
  const { facts } = node;
  if (facts.init !== 'systemd') {
    throw node.refuse(`process 1 is "${facts.init}", not systemd`, 'use a server that boots with systemd');
  }
  if (!['debian', 'ubuntu'].includes(facts.os.id)) {
    throw node.refuse(
      `runs ${facts.os.name || 'an unknown system'}`,
      'this version installs on Debian and Ubuntu',
    );
  }
  if (facts.architecture !== cluster.release.architecture) {
    throw node.refuse(
      `is ${facts.architecture}, but the executable is for ${cluster.release.architecture}`,
      'give --executable a build for this architecture',
    );
  }
  const minimumMib = node.isControlPlane ? 1700 : 1000;
  const memoryMib = Math.floor(facts.memoryBytes / MIB);
  if (memoryMib < minimumMib)
    throw node.refuse(`has ${memoryMib} MiB of memory`, `at least ${minimumMib} MiB are needed`);
  const offsetMs = facts.nowMs - cluster.clock.now();
  if (Math.abs(offsetMs) > MAX_CLOCK_OFFSET_MS) {
    const seconds = Math.round(Math.abs(offsetMs) / 1000);
    throw node.refuse(
      `its clock is ${seconds} s ${offsetMs > 0 ? 'ahead of' : 'behind'} this machine's`,
      'set the clocks by NTP',
    );
  }
  if (facts.swap) node.warn('swap is on: pods may be slow where memory is short');
  for (const firewall of ['firewalld', 'ufw']) {
    if (facts.units.get(`${firewall}.service`)?.activeState === 'active') {
      node.warn(`${firewall} is active: it must let the cluster's ports and pods pass`);
    }
  }
}

function checkSpace(node: Node, cluster: Cluster): void {
  const upload =
    node.facts.sizes.get(executableOf(cluster.release)) === cluster.release.bytes ? 0 : cluster.release.bytes;
  const packages = missingPackages(node).length > 0 ? 300 * MIB : 0;
  const needed: Array<[string, number]> = [
    ['/etc', MIB],
    ['/opt', upload * 1.5 + 10 * MIB],
    ['/var/lib', packages + 100 * MIB],
    ['/tmp', MIB],
  ];
  for (const [path, bytes] of needed) {
    const free = node.facts.freeBytes.get(path) ?? 0;
    if (free < bytes) {
      throw node.refuse(
        `no space left on ${path}: ${Math.floor(free / MIB)} MiB are free, ${Math.ceil(bytes / MIB)} MiB are needed`,
        `free some space on ${path} of ${node.name}, then run the same command again`,
      );
    }
  }
}

function checkPorts(node: Node, cluster: Cluster): void {
  const ours = new Set([...node.facts.units.values()].map(({ mainPid }) => mainPid).filter((pid) => pid > 0));
  const ports = [
    ...NODE_PORTS,
    ...(node.isControlPlane ? [cluster.inventory.api.port, ...CONTROL_PLANE_PORTS] : []),
    ...(node.isControlPlane && usesEtcd(cluster)
      ? [ETCD_CLIENT_PORT, ETCD_PEER_PORT, ETCD_METRICS_PORT]
      : []),
  ];
  for (const { port, process, pid } of node.facts.listening) {
    if (ports.includes(port) && !ours.has(pid)) {
      throw node.refuse(
        `port ${port} is taken by ${process || 'another process'}`,
        'stop that process, or use another server',
      );
    }
  }
}

function checkNetwork(node: Node, cluster: Cluster): void {
  const { facts, address } = node;
  if (!facts.addresses.some((found) => found.address === address)) {
    const found = facts.addresses
      .map((each) => each.address)
      .filter((each) => !each.startsWith('127.') && !each.includes(':'));
    throw node.refuse(
      `has no address ${address}; it has ${found.join(', ') || 'none'}`,
      'set "address" to one of these; where SSH needs another one, set it in "ssh: { address: … }"',
    );
  }
  const { network } = cluster.inventory;
  for (const field of ['podRange', 'serviceRange'] as const) {
    const range = parseRange(network[field]);
    const clash = facts.addresses.find(
      // Addresses of ours: the DNS's on loopback, and the bridges of the pod network.
      (found) =>
        range !== undefined &&
        found.interface !== 'lo' &&
        !/^(slipway|cni|veth)/.test(found.interface) &&
        contains(range, parseAddress(found.address) ?? -1),
    );
    if (clash && facts.units.get('slipway-network.service')?.activeState !== 'active') {
      throw node.refuse(
        `its interface ${clash.interface} has ${clash.address}, which lies inside network.${field} ${network[field]}`,
        `choose another network.${field} in the inventory`,
      );
    }
  }
  const forwarding = facts.sysctls.get('net.ipv4.ip_forward');
  if (forwarding?.value !== '1' && forwarding?.writable !== true) {
    throw node.refuse(
      'net.ipv4.ip_forward is off and cannot be switched on there',
      'switch it on where the server is made (it may be a container)',
    );
  }
}

/** A server that belongs to another cluster is left alone. */
async function checkStranger(node: Node, cluster: Cluster): Promise<void> {
  const theirs = node.facts.files.get(`${PKI_DIRECTORY}/ca.crt`);
  const ours = await cluster.state.read('pki/ca.crt');
  if (theirs !== undefined && (ours === undefined || sha256(ours) !== theirs.sha256)) {
    throw node.refuse(
      `belongs to another cluster already (${PKI_DIRECTORY}/ca.crt is not that of ${cluster.state.path})`,
      'give --state-dir of the cluster it belongs to, or reset the server first',
    );
  }
  const kubelet = node.facts.units.get('kubelet.service');
  if (kubelet?.activeState === 'active') {
    throw node.refuse('another installer’s kubelet.service runs there', 'reset the server first');
  }
}

/** What the servers must be among themselves. */
export const validateTogether: ClusterPhase = {
  id: 'validate-together',
  title: 'Compare the servers',
  kind: 'check',
  run: async (cluster) => {
    const nodes = cluster.nodes.filter((node) => node.probed);
    for (const [field, what] of [
      ['machineId', 'machine-id'],
      ['hostname', 'host name'],
    ] as const) {
      const seen = new Map<string, Node>();
      for (const node of nodes) {
        const value = node.facts[field];
        const other = seen.get(value);
        if (other && value !== '') {
          throw node.refuse(
            `has the same ${what} as ${other.name} (${value})`,
            field === 'hostname'
              ? 'give each server a name of its own (hostnamectl)'
              : 'it is a clone: remove /etc/machine-id and run systemd-machine-id-setup there, or check that the two addresses are not one server',
          );
        }
        seen.set(value, node);
      }
    }
    const offsets = nodes.map((node) => node.facts.nowMs - cluster.clock.now());
    const spreadMs = Math.max(...offsets) - Math.min(...offsets);
    if (spreadMs > MAX_CLOCK_SPREAD_MS) {
      throw new SlipwayError(
        'E_PREFLIGHT',
        `the clocks of the servers differ by ${Math.round(spreadMs / 1000)} s`,
        {
          hint: 'set the clocks by NTP on every server',
        },
      );
    }
  },
};
