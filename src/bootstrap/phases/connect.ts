import { allNodes, type NodePhase } from '../phase.ts';
import type { Host } from '../../provision/host.ts';
import type { Node } from '../cluster.ts';

/** Opens the connection to each server; `open` is injected, so that tests need no SSH. */
export const connect = (open: (node: Node) => Promise<Host>): NodePhase => ({
  id: 'connect',
  title: 'Connect to the servers',
  kind: 'check',
  nodes: allNodes,
  run: async (node) => {
    node.host = await open(node);
  },
});
