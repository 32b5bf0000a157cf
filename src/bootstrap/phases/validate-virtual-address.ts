import { parseAddress } from '../inventory/ranges.ts';
import { controlPlanes, type NodePhase } from '../phase.ts';
import { needsKeepalived } from './packages.ts';

/** The address moves within one network: where it is no neighbour of the server's own, nobody would find it there. */
export const validateVirtualAddress: NodePhase = {
  id: 'validate-virtual-address',
  title: 'Check the virtual address',
  kind: 'check',
  nodes: (cluster) => controlPlanes(cluster).filter(needsKeepalived),
  run: async (node, cluster) => {
    const virtual = cluster.inventory.api.virtualAddress ?? '';
    const own = node.facts.addresses.find((found) => found.address === node.address);
    if (own === undefined) return;
    const size = 2 ** (32 - own.prefix);
    const part = (text: string): number => Math.floor((parseAddress(text) ?? 0) / size);
    if (part(virtual) === part(node.address)) return;
    throw node.refuse(
      `api.virtualAddress ${virtual} lies outside the network of its ${own.interface}, ${own.address}/${own.prefix}`,
      'choose a free address of the network that all control planes share',
    );
  },
};
