import { NODES } from '../../api/gen/resources.ts';
import type { Node as ApiNode } from '../../api/gen/types/core-v1.ts';
import { SlipwayError } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import { unitJournal } from '../../provision/units.ts';
import type { Cluster, Node } from '../cluster.ts';
import { allNodes, type NodePhase } from '../phase.ts';
import { apiOf } from './wait-apiserver.ts';

const READY_MS = 120_000;

/** Waits until each node is Ready. */
export const waitNodes: NodePhase = {
  id: 'wait-nodes',
  title: 'Wait for the nodes',
  kind: 'wait',
  nodes: allNodes,
  run: async (node, cluster) => {
    await ready(node, cluster);
  },
};

/** Gives each node the labels that it may not give itself. */
export const labelNodes: NodePhase = {
  id: 'label-nodes',
  title: 'Label the nodes',
  kind: 'change',
  nodes: allNodes,
  run: async (node, cluster) => {
    // A dry run before the first API server: nobody has labelled anything.
    const found = cluster.dryRun && cluster.api === undefined ? undefined : await lookUp(node, cluster);
    const labels: Record<string, string> = {
      ...(node.isControlPlane ? { 'node-role.kubernetes.io/control-plane': '' } : {}),
      ...node.entry.labels,
    };
    // One by one: a plan that was made while no API server answered has them all, and fewer may be needed.
    for (const [key, value] of Object.entries(labels)) {
      if (found?.metadata?.labels?.[key] === value) continue;
      const patch = { metadata: { labels: { [key]: value } } };
      await node.change(`label node ${node.name} with ${key}=${value}`, async () => {
        await apiOf(cluster).patch(NODES, { name: node.name }, patch, { type: 'merge' });
      });
    }
  },
};

async function ready(node: Node, cluster: Cluster): Promise<void> {
  const deadlineMs = cluster.clock.monotonicMs() + READY_MS;
  for (;;) {
    const found = await lookUp(node, cluster);
    const condition = found?.status?.conditions?.find(({ type }) => type === 'Ready');
    if (found && condition?.status === 'True') return;
    if (cluster.clock.monotonicMs() > deadlineMs) {
      const why =
        found === undefined
          ? 'it has not registered'
          : (condition?.message ?? 'it says nothing about itself');
      const journal = await unitJournal(node.host, 'slipway-kubelet.service');
      const message = `${node.name} is not Ready after ${READY_MS / 1000} s: ${why}; the kubelet's journal ends with:\n${journal}`;
      throw new SlipwayError('E_NOT_READY', message, {
        hint: `look at "journalctl -u slipway-kubelet" on ${node.name}, then run the same command again`,
      });
    }
    await cluster.clock.sleep(250, cluster.signal);
  }
}

async function lookUp(node: Node, cluster: Cluster): Promise<ApiNode | undefined> {
  try {
    return await apiOf(cluster).get(NODES, { name: node.name });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
