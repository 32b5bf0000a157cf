import type { Plugin } from '../framework.ts';
import type { HostPort, NodeInfo, PodInfo } from '../node-info.ts';

const REJECTION = {
  reasons: ["node(s) didn't have free ports for the requested pod ports"],
  unresolvable: false,
};

/** Host ports that the pod wants are free. Mirrors nodeports. */
export const nodePorts: Plugin = {
  name: 'NodePorts',
  prepare: (info) =>
    info.ports.length === 0 ? undefined : { filter: (node) => (taken(info, node) ? REJECTION : undefined) },
  mayHelp: (_, event) => event.kind === 'NodeAdded' || event.kind === 'PodDeleted',
};

function taken(info: PodInfo, node: NodeInfo): boolean {
  for (const other of node.pods.values())
    for (const used of other.ports) if (info.ports.some((wanted) => collide(wanted, used))) return true;
  return false;
}

function collide(a: HostPort, b: HostPort): boolean {
  const overlap = a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0';
  return overlap && a.port === b.port && a.protocol === b.protocol;
}
