import type { Cluster } from '../cluster.ts';
import type { Finding } from './finding.ts';

/** As k0sctl: leases and tokens tolerate less than this between servers. */
const MAX_CLOCK_SPREAD_MS = 30_000;

const MUST_DIFFER = [
  [
    'machineId',
    'machine-id',
    'it is a clone: remove /etc/machine-id and run systemd-machine-id-setup there, or check that the two addresses are not one server',
  ],
  ['hostname', 'host name', 'give each server a name of its own (hostnamectl)'],
] as const;

/** What the servers must be among themselves, as far as their facts tell. */
export function checkTogether(cluster: Cluster): Finding[] {
  const nodes = cluster.nodes.filter((node) => node.probed);
  const findings: Finding[] = [];
  for (const [field, what, remedy] of MUST_DIFFER) {
    const twins = sameValue(nodes, (node) => node.facts[field]);
    findings.push(
      ...twins.map(([node, other]): Finding => ({
        severity: 'must',
        check: field === 'machineId' ? 'machine-id' : 'host-name',
        node: node.name,
        message: `has the same ${what} as ${other.name} (${node.facts[field]})`,
        remedy,
      })),
    );
  }
  const offsets = nodes.map((node) => node.facts.nowMs - cluster.clock.now());
  const spreadMs = nodes.length === 0 ? 0 : Math.max(...offsets) - Math.min(...offsets);
  if (spreadMs > MAX_CLOCK_SPREAD_MS) {
    findings.push({
      severity: 'must',
      check: 'clock-spread',
      message: `the clocks of the servers differ by ${Math.round(spreadMs / 1000)} s`,
      remedy: 'set the clocks by NTP on every server',
    });
  }
  if (findings.length === 0 && nodes.length > 1) {
    const message = 'machine-ids and host names differ, the clocks agree';
    findings.push({ severity: 'fine', check: 'together', message });
  }
  return findings;
}

/** Each node that has the same value as an earlier one, with that one; empty values do not count. */
export function sameValue<T extends { name: string }>(
  nodes: readonly T[],
  valueOf: (node: T) => string,
): Array<[T, T]> {
  const seen = new Map<string, T>();
  const twins: Array<[T, T]> = [];
  for (const node of nodes) {
    const value = valueOf(node);
    const other = seen.get(value);
    if (other !== undefined && value !== '') twins.push([node, other]);
    else seen.set(value, node);
  }
  return twins;
}
