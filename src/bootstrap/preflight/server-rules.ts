import { trustedRoots } from '../../pki/rotation.ts';
import { sha256 } from '../../provision/files.ts';
import type { Cluster, Node } from '../cluster.ts';
import { ETCD_CLIENT_PORT, ETCD_METRICS_PORT, ETCD_PEER_PORT } from '../components/etcd.ts';
import { PKI_DIRECTORY } from '../components/files.ts';
import { usesEtcd } from '../etcd/state.ts';
import { contains, parseAddress, parseRange } from '../inventory/ranges.ts';
import { missingPackages } from '../phases/packages.ts';
import { hasExecutable } from '../release.ts';
import { must, should, type Finding, type Problem } from './finding.ts';

export const MIB = 2 ** 20;
const CONTROL_PLANE_PORTS = [10257, 10259];
const NODE_PORTS = [10248, 10249, 10250, 10256];
/** Certificates are backdated five minutes: a server that is further behind would not believe them. */
const MAX_CLOCK_OFFSET_MS = 4 * 60_000;

/** What each server must be by itself, as far as the facts tell that every command gathers. */
interface Rule {
  id: string;
  check: (node: Node, cluster: Cluster) => Problem[] | Promise<Problem[]>;
  /** What is told where the rule has nothing to complain about. */
  fine: (node: Node, cluster: Cluster) => string;
}

const RULES: readonly Rule[] = [
  { id: 'system', check: checkSystem, fine: ({ facts }) => `${facts.os.name || facts.os.id}, systemd` },
  {
    id: 'architecture',
    check: checkArchitecture,
    fine: ({ facts }) => `${facts.architecture}, kernel ${facts.kernel}`,
  },
  {
    id: 'memory',
    check: checkMemory,
    fine: ({ facts }) => `${Math.floor(facts.memoryBytes / MIB)} MiB of memory, ${facts.cpus} processors`,
  },
  { id: 'clock', check: checkClock, fine: () => 'the clock agrees with this machine’s' },
  { id: 'swap', check: checkSwap, fine: () => 'no swap' },
  { id: 'firewall-service', check: checkFirewallService, fine: () => 'neither firewalld nor ufw is active' },
  { id: 'space', check: checkSpace, fine: () => 'enough free space for what is installed' },
  { id: 'ports', check: checkPorts, fine: () => 'the cluster’s ports are free, or ours' },
  { id: 'address', check: checkAddress, fine: ({ address }) => `has the address ${address}` },
  { id: 'ranges', check: checkRanges, fine: () => 'no address inside the ranges of pods and Services' },
  {
    id: 'forwarding',
    check: checkForwarding,
    fine: () => 'net.ipv4.ip_forward is on, or can be switched on',
  },
  { id: 'other-cluster', check: checkStranger, fine: () => 'belongs to no other cluster' },
];

/** Applies every rule to a server whose facts are known. */
export async function checkServer(node: Node, cluster: Cluster): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const rule of RULES) {
    const problems = await rule.check(node, cluster);
    const about = { check: rule.id, node: node.name };
    findings.push(...problems.map((problem) => ({ ...problem, ...about })));
    if (problems.length === 0)
      findings.push({ severity: 'fine', message: rule.fine(node, cluster), ...about });
  }
  return findings;
}

function checkSystem({ facts }: Node): Problem[] {
  if (facts.init !== 'systemd') {
    return [must(`process 1 is "${facts.init}", not systemd`, 'use a server that boots with systemd')];
  }
  if (['debian', 'ubuntu'].includes(facts.os.id)) return [];
  return [must(`runs ${facts.os.name || 'an unknown system'}`, 'this version installs on Debian and Ubuntu')];
}

function checkArchitecture({ facts }: Node, { release }: Cluster): Problem[] {
  if (facts.architecture === release.architecture) return [];
  return [
    must(
      `is ${facts.architecture}, but the executable is for ${release.architecture}`,
      'give --executable a build for this architecture',
    ),
  ];
}

function checkMemory(node: Node): Problem[] {
  const problems: Problem[] = [];
  const minimumMib = node.isControlPlane ? 1700 : 1000;
  const memoryMib = Math.floor(node.facts.memoryBytes / MIB);
  if (memoryMib < minimumMib)
    problems.push(must(`has ${memoryMib} MiB of memory`, `at least ${minimumMib} MiB are needed`));
  if (node.isControlPlane && node.facts.cpus < 2) {
    problems.push(
      should(
        'has one processor',
        'give a control plane two or more: the API server answers late when others work',
      ),
    );
  }
  return problems;
}

function checkClock({ facts }: Node, { clock }: Cluster): Problem[] {
  const offsetMs = facts.nowMs - clock.now();
  if (Math.abs(offsetMs) <= MAX_CLOCK_OFFSET_MS) return [];
  const seconds = Math.round(Math.abs(offsetMs) / 1000);
  const message = `its clock is ${seconds} s ${offsetMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  return [must(message, 'set the clocks by NTP')];
}

function checkSwap({ facts }: Node): Problem[] {
  if (!facts.swap) return [];
  return [
    should(
      'swap is on: pods may be slow where memory is short',
      'switch it off: swapoff -a, and its line in /etc/fstab',
    ),
  ];
}

function checkFirewallService({ facts }: Node): Problem[] {
  return ['firewalld', 'ufw']
    .filter((name) => facts.units.get(`${name}.service`)?.activeState === 'active')
    .map((name) =>
      should(
        `${name} is active: it must let the cluster's ports and pods pass`,
        `allow the ports that docs/commands.md lists, or: systemctl disable --now ${name}`,
      ),
    );
}

function checkSpace(node: Node, { release }: Cluster): Problem[] {
  const { facts } = node;
  const upload = hasExecutable(facts, release) ? 0 : release.bytes;
  const packages = missingPackages(node).length > 0 ? 300 * MIB : 0;
  const needed: Array<[string, number]> = [
    ['/etc', MIB],
    ['/opt', upload * 1.5 + 10 * MIB],
    ['/var/lib', packages + 100 * MIB],
    ['/tmp', MIB],
  ];
  return needed.flatMap(([path, bytes]) => {
    const free = facts.freeBytes.get(path) ?? 0;
    if (free >= bytes) return [];
    return [
      must(
        `no space left on ${path}: ${Math.floor(free / MIB)} MiB are free, ${Math.ceil(bytes / MIB)} MiB are needed`,
        `free some space on ${path} of ${node.name}, then run the same command again`,
      ),
    ];
  });
}

/** Every port that a server of the cluster listens on. */
export const portsOf = (node: Node, cluster: Cluster): number[] => [
  ...NODE_PORTS,
  ...(node.isControlPlane ? [cluster.inventory.api.port, ...CONTROL_PLANE_PORTS] : []),
  ...(node.isControlPlane && usesEtcd(cluster) ? [ETCD_CLIENT_PORT, ETCD_PEER_PORT, ETCD_METRICS_PORT] : []),
];

function checkPorts(node: Node, cluster: Cluster): Problem[] {
  const ours = new Set([...node.facts.units.values()].map(({ mainPid }) => mainPid).filter((pid) => pid > 0));
  const ports = portsOf(node, cluster);
  const taken = new Map<number, string>();
  for (const { port, process, pid } of node.facts.listening) {
    if (ports.includes(port) && !ours.has(pid)) taken.set(port, process || 'another process');
  }
  return [...taken].map(([port, process]) =>
    must(`port ${port} is taken by ${process}`, 'stop that process, or use another server'),
  );
}

function checkAddress(node: Node, { inventory }: Cluster): Problem[] {
  const { facts, address } = node;
  if (facts.addresses.some((found) => found.address === address)) {
    return inventory.api.virtualAddress === address
      ? [
          must(
            `its address ${address} is the virtual address of the API`,
            'set "address" to one that stays with the server',
          ),
        ]
      : [];
  }
  const found = facts.addresses
    .map((each) => each.address)
    .filter((each) => !each.startsWith('127.') && !each.includes(':'));
  return [
    must(
      `has no address ${address}; it has ${found.join(', ') || 'none'}`,
      'set "address" to one of these; where SSH needs another one, set it in "ssh: { address: … }"',
    ),
  ];
}

function checkRanges({ facts }: Node, { inventory: { network } }: Cluster): Problem[] {
  if (facts.units.get('slipway-network.service')?.activeState === 'active') return [];
  return (['podRange', 'serviceRange'] as const).flatMap((field) => {
    const range = parseRange(network[field]);
    const clash = facts.addresses.find(
      // Addresses of ours: the DNS's on loopback, and the bridges of the pod network.
      (found) =>
        range !== undefined &&
        found.interface !== 'lo' &&
        !/^(slipway|cni|veth)/.test(found.interface) &&
        contains(range, parseAddress(found.address) ?? -1),
    );
    if (clash === undefined) return [];
    return [
      must(
        `its interface ${clash.interface} has ${clash.address}, which lies inside network.${field} ${network[field]}`,
        `choose another network.${field} in the inventory`,
      ),
    ];
  });
}

function checkForwarding({ facts }: Node): Problem[] {
  const forwarding = facts.sysctls.get('net.ipv4.ip_forward');
  if (forwarding?.value === '1' || forwarding?.writable === true) return [];
  return [
    must(
      'net.ipv4.ip_forward is off and cannot be switched on there',
      'switch it on where the server is made (it may be a container)',
    ),
  ];
}

/** A server that belongs to another cluster is left alone. */
async function checkStranger(node: Node, cluster: Cluster): Promise<Problem[]> {
  const { facts } = node;
  const { state } = cluster;
  const problems: Problem[] = [];
  const theirs = facts.files.get(`${PKI_DIRECTORY}/ca.crt`);
  const ours = trustedRoots(await state.readPkiFiles());
  const isOther = theirs !== undefined && !ours.some((root) => sha256(root) === theirs.sha256);
  if (isOther && !hasOurCredentials(node, cluster)) {
    problems.push(
      must(
        `belongs to another cluster already (${PKI_DIRECTORY}/ca.crt is not that of ${state.path})`,
        'give --state-dir of the cluster it belongs to, or reset the server first',
      ),
    );
  }
  if (facts.units.get('kubelet.service')?.activeState === 'active') {
    problems.push(must('another installer’s kubelet.service runs there', 'reset the server first'));
  }
  return problems;
}

/** Whether credentials are there as we wrote them last: a certificate beside them that differs is then a damaged one. */
function hasOurCredentials({ name, facts }: Node, { applied }: Cluster): boolean {
  return [...facts.files].some(
    ([path, { sha256: hash }]) =>
      /^\/etc\/kubernetes\/.*\.(conf|key)$/.test(path) && applied.lastHash(name, path) === hash,
  );
}
