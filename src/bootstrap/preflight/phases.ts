import { messageOf, SlipwayError } from '../../base/errors.ts';
import { gatherFacts } from '../../provision/facts.ts';
import type { ActionOptions } from '../actions/run-action.ts';
import type { Cluster, Node } from '../cluster.ts';
import { allNodes, type ClusterPhase, type NodePhase, type Phase } from '../phase.ts';
import { SERVICE_USER } from '../components/files.ts';
import { probeRequest } from '../phases/facts.ts';
import { describeFinding, refuseWhereMust, type Finding } from './finding.ts';
import { checkLook, checkLooksTogether } from './look-rules.ts';
import { lookCloser, type Look } from './look.ts';
import { measureAll } from './measure-all.ts';
import { checkMeasurements } from './measure-rules.ts';
import { checkServer } from './server-rules.ts';
import { checkTogether } from './together-rules.ts';

/**
 * Whether an installation has begun on the server, or has come to its end: it has been qualified before that, and a run that
 * goes on where the last one broke off does not measure once more.
 */
const isInstalled = (node: Node): boolean =>
  node.facts.users.has(SERVICE_USER) ||
  node.facts.units.get('slipway-kubelet.service')?.loadState === 'loaded';

/** The servers that `up` and `join` qualify. A dry run uploads nothing: `slipway preflight` measures. */
const newcomers = (cluster: Cluster): readonly Node[] =>
  cluster.dryRun ? [] : allNodes(cluster).filter((node) => node.probed && !isInstalled(node));

/** What `up` and `join` do with servers that are not installed yet, after the checks that every run makes. */
export function qualify(): Phase[] {
  const looks = new Map<Node, Look>();
  const findings: Finding[] = [];
  const look: NodePhase = {
    id: 'look',
    title: 'Look closer at new servers',
    kind: 'check',
    nodes: newcomers,
    run: async (node, cluster) => {
      const seen = await lookCloser(node.host, cluster.signal);
      looks.set(node, seen);
      refuse(cluster, checkLook(node, seen));
    },
  };
  const measure: ClusterPhase = {
    id: 'measure',
    title: 'Measure network and disks of new servers',
    kind: 'check',
    run: async (cluster) => {
      findings.push(...checkLooksTogether(looks));
      const nodes = newcomers(cluster);
      if (nodes.length > 0)
        findings.push(...checkMeasurements(cluster, await measureAll(cluster, nodes, looks, true)));
      refuse(cluster, findings);
    },
  };
  return [look, measure];
}

/** Warns of what should be fixed, and refuses where something must be. */
function refuse(cluster: Cluster, findings: readonly Finding[]): void {
  for (const finding of findings) {
    if (finding.severity === 'should')
      cluster.report({ type: 'warning', node: undefined, message: describeFinding(finding) });
  }
  refuseWhereMust(findings);
}

/**
 * All checks on all servers, one after the other whatever they find: the findings are put into `findings`. Refuses
 * nothing; a server that cannot be reached is a finding.
 */
export function preflightPhases(open: ActionOptions['open'], findings: Finding[]): Phase[] {
  const looks = new Map<Node, Look>();
  const tolerant = (phase: NodePhase, check: string): NodePhase => ({
    ...phase,
    run: async (node, cluster) => {
      try {
        await phase.run(node, cluster);
      } catch (error) {
        cluster.signal.throwIfAborted();
        if (!(error instanceof SlipwayError)) throw error;
        findings.push({
          severity: 'must',
          check,
          node: node.name,
          message: messageOf(error),
          remedy: error.hint ?? 'look at the server, then run the same command again',
        });
      }
    },
  });
  const phase = (id: string, title: string, nodes: NodePhase['nodes'], run: NodePhase['run']): NodePhase => ({
    id,
    title,
    kind: 'check',
    nodes,
    run,
  });
  const connected = (cluster: Cluster): readonly Node[] => cluster.nodes.filter((node) => node.connected);
  const probed = (cluster: Cluster): readonly Node[] => cluster.nodes.filter((node) => node.probed);
  return [
    tolerant(
      phase('connect', 'Connect to the servers', allNodes, async (node) => {
        node.host = await open(node);
      }),
      'connect',
    ),
    tolerant(
      phase('facts', 'Gather facts', connected, async (node, cluster) => {
        node.facts = await gatherFacts(node.host, probeRequest(cluster, node.name), cluster.signal);
        findings.push(...(await checkServer(node, cluster)));
      }),
      'facts',
    ),
    tolerant(
      phase('look', 'Look closer at the servers', probed, async (node, cluster) => {
        const seen = await lookCloser(node.host, cluster.signal);
        looks.set(node, seen);
        findings.push(...checkLook(node, seen));
      }),
      'look',
    ),
    {
      id: 'measure',
      title: 'Measure network and disks',
      kind: 'check',
      run: async (cluster: Cluster) => {
        findings.push(...checkTogether(cluster), ...checkLooksTogether(looks));
        const nodes = probed(cluster).filter((node) => looks.has(node));
        if (nodes.length > 0)
          findings.push(...checkMeasurements(cluster, await measureAll(cluster, nodes, looks)));
      },
    },
  ];
}
