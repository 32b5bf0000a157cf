import { allNodes, type ClusterPhase, type NodePhase } from '../phase.ts';
import { refuseWhereMust } from '../preflight/finding.ts';
import { checkServer } from '../preflight/server-rules.ts';
import { checkTogether } from '../preflight/together-rules.ts';

/** What each server must be, by itself: everything that must be fixed is told at once. Every check only looks. */
export const validateServers: NodePhase = {
  id: 'validate-servers',
  title: 'Validate the servers',
  kind: 'check',
  nodes: allNodes,
  run: async (node, cluster) => {
    const findings = await checkServer(node, cluster);
    for (const { severity, message } of findings) if (severity === 'should') node.warn(message);
    refuseWhereMust(findings);
  },
};

/** What the servers must be among themselves. */
export const validateTogether: ClusterPhase = {
  id: 'validate-together',
  title: 'Compare the servers',
  kind: 'check',
  run: async (cluster) => {
    refuseWhereMust(checkTogether(cluster));
  },
};
