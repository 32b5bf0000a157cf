import type { ActionOptions } from '../../actions/run-action.ts';
import { nodeIdentity } from '../../../pki/identities.ts';
import type { Cluster, Node } from '../../cluster.ts';
import { componentPhase } from '../../components/component.ts';
import { apiserver } from '../../components/control-plane.ts';
import {
  allNodes,
  controlPlanes,
  isNodePhase,
  type ClusterPhase,
  type NodePhase,
  type Phase,
} from '../../phase.ts';
import { connect } from '../../phases/connect.ts';
import { inspectEtcd } from '../../phases/etcd.ts';
import { facts } from '../../phases/facts.ts';
import { untilReady } from '../../phases/wait-apiserver.ts';
import { waitComponents, type HEALTH_PORTS } from '../../phases/wait-components.ts';
import { checkServed } from '../look.ts';
import { checkRelease } from '../renew.ts';

const lock: ClusterPhase = {
  id: 'lock',
  title: 'Keep others out',
  kind: 'check',
  run: (cluster) => cluster.lock(),
};

/** What every rotation begins with: all servers must be there, and run this release; then nobody else may come. */
export const beginning = (open: ActionOptions['open']): Phase[] => [
  inspectEtcd,
  connect(open),
  facts,
  checkRelease,
  lock,
];

/** A phase that has nothing to do where its stage is past. */
export function onlyWhere(due: WeakSet<Cluster>, phase: Phase): Phase {
  if (isNodePhase(phase)) {
    return { ...phase, nodes: (cluster) => (due.has(cluster) ? phase.nodes(cluster) : []) };
  }
  return {
    ...phase,
    run: async (cluster: Cluster) => (due.has(cluster) ? await phase.run(cluster) : undefined),
  };
}

/** The certificate that a node must have now. */
export const written = (node: Node, name: string): string =>
  node.cluster.pki[`${nodeIdentity(node.name, name)}.crt`] ?? '';

/** Restarts the API servers one after the other, each ready and seen to serve its certificate before the next. */
export const apiServers = componentPhase({
  id: 'apiserver',
  title: 'the API servers',
  nodes: controlPlanes,
  component: apiserver,
  settle: async (node) => {
    await untilReady(node);
    await checkServed(node.host, written(node, 'apiserver'), node.cluster.inventory.api.port);
  },
});

/** Of many servers a tenth at a time: one in whose place others work is missed by nobody. */
const atOnce = ({ nodes }: Cluster): number => Math.max(1, Math.floor(nodes.length / 10));

/** Restarts a component on one server after the other, each healthy before the next; of many servers a tenth at a time. */
export const oneByOne = (
  name: keyof typeof HEALTH_PORTS,
  title: string,
  nodes: (cluster: Cluster) => readonly Node[],
  component: Parameters<typeof componentPhase>[0]['component'],
): NodePhase => {
  const healthy = waitComponents({ id: name, title, nodes, names: [name] });
  return componentPhase({
    id: name,
    title,
    nodes,
    component,
    settle: (node) => healthy.run(node, node.cluster),
    atOnce: (cluster) => (nodes === allNodes ? atOnce(cluster) : 1),
  });
};
