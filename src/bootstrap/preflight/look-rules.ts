import type { Node } from '../cluster.ts';
import { must, should, type Finding, type Problem } from './finding.ts';
import type { Look } from './look.ts';
import { sameValue } from './together-rules.ts';

/** Less than this leaves no room for pods' packets in a tunnel, and some programs do not cope. */
const LEAST_MTU = 1280;

/** What the closer look at a server says about it. */
export function checkLook(node: Node, look: Look): Finding[] {
  const rules: Array<[string, Problem[], string]> = [
    ['kernel', kernel(look), 'the kernel has overlay, nftables, conntrack, bridges and veth'],
    [
      'cgroups',
      cgroups(node, look),
      `cgroup v${node.facts.cgroupVersion}: ${[...look.controllers].toSorted().join(', ')}`,
    ],
    ['leftovers', leftovers(node, look), 'nothing of another installer is there'],
    ['firewall', firewall(look), 'no firewall rule drops packets'],
    ['ntp', ntp(look), 'the clock is kept by NTP'],
    ['mtu', mtu(node, look), `interface ${look.addresses.get(node.address) ?? '?'}`],
  ];
  return rules.flatMap(([check, problems, fine]): Finding[] => {
    const about = { check, node: node.name };
    if (problems.length > 0) return problems.map((problem) => ({ ...problem, ...about }));
    return [{ severity: 'fine', message: fine, ...about }];
  });
}

function kernel({ features }: Look): Problem[] {
  return [...features]
    .filter(([, has]) => !has)
    .map(([name]) =>
      must(
        `its kernel has no ${name}`,
        'use the distribution’s kernel, or one that is built with it (modules count)',
      ),
    );
}

function cgroups({ facts }: Node, { controllers }: Look): Problem[] {
  const missing = ['cpu', 'memory', 'pids'].filter((name) => !controllers.has(name));
  const problems = missing.map((name) =>
    must(
      `cgroups cannot limit ${name}`,
      `add cgroup_enable=${name} to the kernel's command line, and reboot`,
    ),
  );
  if (missing.length === 0 && facts.cgroupVersion === 1) {
    problems.push(
      should(
        'uses cgroup v1, which Kubernetes keeps for old systems only',
        'boot with systemd.unified_cgroup_hierarchy=1',
      ),
    );
  }
  return problems;
}

/** A cluster of ours has /etc/kubernetes too: who is in one of ours is not looked at for others' files. */
function leftovers({ facts }: Node, look: Look): Problem[] {
  const ours = facts.units.get('slipway-kubelet.service')?.loadState === 'loaded';
  return look.leftovers
    .filter((what) => !(ours && what.startsWith('kubeadm')))
    .map((what) =>
      what.startsWith('docker')
        ? should(
            `${what} is there: its rules and bridges stay beside the cluster's`,
            'remove docker, or use a server without it',
          )
        : must(`has leftovers of ${what}`, 'reset the server with the installer that made them'),
    );
}

function firewall(look: Look): Problem[] {
  return look.firewall.map((where) =>
    should(
      `its firewall drops packets (${where})`,
      'let the cluster’s ports in and pods’ packets through; the ways between servers are measured with it in place',
    ),
  );
}

function ntp({ clockSynchronized, virtualization }: Look): Problem[] {
  if (clockSynchronized !== false) return [];
  // A container has its host's clock.
  if (
    ['lxc', 'lxc-libvirt', 'systemd-nspawn', 'docker', 'podman', 'container-other'].includes(virtualization)
  )
    return [];
  return [should('nothing keeps its clock', 'timedatectl set-ntp true, with chrony or systemd-timesyncd')];
}

function mtu(node: Node, look: Look): Problem[] {
  const name = look.addresses.get(node.address);
  const link = look.links.find((each) => each.interface === name);
  if (link === undefined || link.mtu >= LEAST_MTU) return [];
  return [
    should(`its interface ${link.interface} has an MTU of ${link.mtu}`, `raise it to ${LEAST_MTU} or more`),
  ];
}

/** Hardware addresses and MTUs that should, or should not, be the same on two servers. */
export function checkLooksTogether(looks: ReadonlyMap<Node, Look>): Finding[] {
  // In the order of names, not of answers: of two servers the same one is told of each time.
  const ordered = [...looks].toSorted(([a], [b]) => (a.name < b.name ? -1 : 1));
  const links = ordered.flatMap(([node, look]) =>
    look.links.map((link) => ({ name: node.name, node, ...link })),
  );
  const clones = sameValue(
    links.filter(({ mac }) => mac !== '00:00:00:00:00:00'),
    ({ mac }) => mac,
  ).filter(([a, b]) => a.node !== b.node);
  const findings = clones.map(([a, b]): Finding => ({
    severity: 'must',
    check: 'mac',
    node: a.name,
    message: `its interface ${a.interface} has the same MAC address as ${b.interface} of ${b.name} (${a.mac})`,
    remedy: 'it is a clone: give its interface an address of its own',
  }));
  const used = ordered.flatMap(([node, look]) => {
    const name = look.addresses.get(node.address);
    const link = look.links.find((each) => each.interface === name);
    return link ? [{ node, mtu: link.mtu }] : [];
  });
  const mtus = new Set(used.map((each) => each.mtu));
  if (mtus.size > 1) {
    findings.push({
      severity: 'should',
      check: 'mtu',
      message: `the servers' interfaces have different MTUs: ${used.map((each) => `${each.node.name} ${each.mtu}`).join(', ')}`,
      remedy: 'give all of them the same one',
    });
  }
  return findings;
}
