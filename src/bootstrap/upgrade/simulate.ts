import type { Node as ApiNode, Pod } from '../../api/gen/types/core-v1.ts';
import { isCordoned, isOurCordon } from '../drain/cordon.ts';
import { planDrain, podName } from '../drain/plan-drain.ts';
import { quorumOf, type Voter } from '../etcd/quorum.ts';
import type { Finding } from '../preflight/finding.ts';
import { Capacity, isReady, requestsOf, type Volumes } from './capacity.ts';
import type { RollRequest, Stage } from './request.ts';

/** Our cordons of an upgrade carry this name. */
export const UPGRADE = 'upgrade';

/** All that the simulation knows of the cluster, as it was read at its begin. */
export interface Picture extends Volumes {
  nodes: readonly ApiNode[];
  pods: readonly Pod[];
  /** Control planes whose API server is ready, by their names. */
  readyApiServers: readonly string[];
  /** Members of etcd that vote; undefined where the store is embedded. */
  voters: readonly Voter[] | undefined;
  /** Servers that are to be upgraded still. */
  outdated: ReadonlySet<string>;
  /** Why the API server would not evict a pod now, by 'namespace/name', as its dry run answered; for pods that are to be drained. */
  held: ReadonlyMap<string, string>;
  /** Bytes that a server lacks for the new release, by server. */
  lacksBytes: ReadonlyMap<string, number>;
}

/**
 * Plays an upgrade through, stage by stage, before the first change: what would happen to etcd's quorum, to the API,
 * to every pod of a node that is drained, and whether the others have room for them.
 */
export function simulate(
  picture: Picture,
  stages: readonly Stage[],
  request: Pick<RollRequest, 'drain' | 'force' | 'deleteEmptyDirData'>,
): Finding[] {
  const findings: Finding[] = [];
  for (const [node, bytes] of picture.lacksBytes) {
    findings.push({
      severity: 'must',
      check: 'space',
      node,
      message: `there are ${Math.ceil(bytes / 2 ** 20)} MiB too little free below /opt for the new release`,
      remedy: 'free some space there; releases that nothing runs any more are in /opt/slipway/releases',
    });
  }
  findings.push(...checkNodes(picture));
  for (const stage of stages) {
    const nodes = stage.nodes.filter((name) => picture.outdated.has(name));
    if (nodes.length === 0) continue;
    if (stage.part === 'api') for (const name of nodes) findings.push(...checkApi(picture, name));
    else if (request.drain) findings.push(...checkDrain(picture, nodes, request));
    else findings.push(...tellStaying(picture, nodes));
  }
  return findings;
}

/** A cluster that is not whole is not changed: what fails then could have another cause. */
function checkNodes({ nodes }: Picture): Finding[] {
  return nodes.flatMap((node): Finding[] => {
    const about = { check: 'node', node: node.metadata?.name ?? '' };
    if (!isReady(node)) {
      const said = node.status?.conditions?.find(({ type }) => type === 'Ready')?.message;
      return [
        {
          severity: 'must',
          ...about,
          message: `the node is not Ready${said ? `: ${said}` : ''}`,
          remedy: 'bring it back, or remove it from the cluster ("slipway remove --dead")',
        },
      ];
    }
    if (isCordoned(node) && !isOurCordon(node, UPGRADE)) {
      return [
        {
          severity: 'should',
          ...about,
          message: 'the node is cordoned by somebody else, and stays it',
          remedy: 'it takes no pods of drained nodes; "kubectl uncordon" it where that is not meant',
        },
      ];
    }
    return [];
  });
}

/** etcd must keep its quorum, and somebody must serve the API, while this control plane's are restarted. */
function checkApi({ voters, readyApiServers }: Picture, name: string): Finding[] {
  const findings: Finding[] = [];
  const about = { node: name };
  if (voters !== undefined) {
    const left = voters.filter((voter) => voter.healthy && voter.name !== name).map((voter) => voter.name);
    const needed = quorumOf(voters.length);
    const enough = voters.length === 1 || left.length >= needed;
    findings.push({
      severity: enough ? 'fine' : 'must',
      check: 'quorum',
      ...about,
      message: enough
        ? `while its member of etcd restarts, ${left.length} of ${voters.length} are left, and ${needed} are needed`
        : `while its member of etcd restarts, ${left.length} of ${voters.length} would be left (${left.join(', ') || 'none'}), and ${needed} are needed`,
      ...(enough ? {} : { remedy: 'bring the other members back first: "slipway status" shows them' }),
    });
  }
  const others = readyApiServers.filter((other) => other !== name);
  if (others.length > 0) {
    findings.push({
      severity: 'fine',
      check: 'api',
      ...about,
      message: `while its API server restarts, ${others.join(' and ')} serve`,
    });
  } else {
    findings.push({
      severity: 'should',
      check: 'api',
      ...about,
      message: 'while its API server restarts, nobody serves the API for some seconds; pods run on',
      remedy: 'three control planes would serve on: "slipway join"',
    });
  }
  return findings;
}

function checkDrain(
  { nodes, pods, held, claims, volumes }: Picture,
  leaving: readonly string[],
  request: Pick<RollRequest, 'force' | 'deleteEmptyDirData'>,
): Finding[] {
  const findings: Finding[] = [];
  const capacity = new Capacity(nodes, pods, new Set(leaving), { claims, volumes });
  for (const name of leaving) {
    const node = nodes.find(({ metadata }) => metadata?.name === name);
    const plan = planDrain(
      pods.filter(({ spec }) => spec?.nodeName === name),
      request,
    );
    for (const refusal of plan.refusals)
      findings.push({ severity: 'must', check: 'drain', node: name, message: refusal });
    const places = new Map<string, number>();
    // The largest first, as whoever packs does.
    for (const pod of plan.evict.toSorted(bySize)) {
      const reason = held.get(podName(pod));
      if (reason !== undefined) {
        findings.push({
          severity: 'must',
          check: 'budget',
          node: name,
          message: `${podName(pod)} may not be evicted: ${reason}`,
          remedy: 'give the workload more replicas or its budget more room; without --drain pods run on',
        });
      }
      const place = capacity.place(pod);
      if (place !== undefined) places.set(place, (places.get(place) ?? 0) + 1);
      else findings.push(homeless(pod, name, node, capacity));
    }
    const where = [...places].map(([place, count]) => `${count} on ${place}`).join(', ');
    findings.push({
      severity: 'fine',
      check: 'drain',
      node: name,
      message: `${plan.evict.length} pods leave${where && ` and have room: ${where}`}; ${plan.stay.length} stay`,
    });
  }
  return findings;
}

/** A pod that no other node takes: for lack of room, or because it may run on this one alone. */
function homeless(pod: Pod, name: string, node: ApiNode | undefined, capacity: Capacity): Finding {
  const about = { check: 'capacity', node: name };
  if (capacity.allowedAnywhere(pod)) {
    return {
      severity: 'must',
      ...about,
      message: `${podName(pod)} has no room on the other nodes`,
      remedy: 'make room or add a server; without --drain pods run on',
    };
  }
  const local = node !== undefined && !capacity.volumesReach(pod, { metadata: { name: '' } });
  return {
    severity: 'should',
    ...about,
    message: local
      ? `${podName(pod)} has a volume that is on ${name} alone: it is down until ${name} is back`
      : `${podName(pod)} may run on no other node: it is down until ${name} is back`,
    remedy: 'without --drain it runs on',
  };
}

function tellStaying({ pods }: Picture, nodes: readonly string[]): Finding[] {
  return nodes.map((name) => {
    const here = pods.filter(({ spec, status }) => spec?.nodeName === name && status?.phase === 'Running');
    return {
      severity: 'fine',
      check: 'pods',
      node: name,
      message: `${here.length} pods run on while its components restart`,
    };
  });
}

function bySize(a: Pod, b: Pod): number {
  const memory = (pod: Pod): bigint => requestsOf(pod).get('memory')?.nanos ?? 0n;
  const difference = memory(b) - memory(a);
  return difference > 0n ? 1 : difference < 0n ? -1 : podName(a).localeCompare(podName(b));
}
