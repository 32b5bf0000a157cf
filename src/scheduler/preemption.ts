import { filterNode } from './framework.ts';
import type { NodeInfo, PodInfo } from './node-info.ts';
import type { Refusal } from './select-node.ts';

/** A node on which these pods would have to make room. */
export interface Candidate {
  node: NodeInfo;
  /** The most important one first. */
  victims: readonly PodInfo[];
}

const MOST_CANDIDATES = 100;

/**
 * The node on which the fewest and least important pods have to go for this one. Undefined where none helps.
 * Mirrors plugins/defaultpreemption, without disruption budgets.
 */
export function findPreemption(info: PodInfo, refusal: Refusal): Candidate | undefined {
  const candidates: Candidate[] = [];
  for (const [node, rejection] of refusal.rejections) {
    if (rejection.unresolvable) continue;
    const victims = victimsOn(info, node, refusal);
    if (victims.length > 0) candidates.push({ node, victims });
    if (candidates.length >= MOST_CANDIDATES) break;
  }
  return candidates.sort(better)[0];
}

/** Whether the pod may push others out, and is not waiting for those to be gone already. */
export function mayPreempt(info: PodInfo, nominated: NodeInfo | undefined): string | undefined {
  if (info.pod.spec?.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const leaving =
    nominated &&
    [...nominated.pods.values()].some(
      (other) => other.priority < info.priority && other.pod.metadata?.deletionTimestamp,
    );
  return leaving ? 'not eligible due to a terminating pod on the nominated node.' : undefined;
}

/** Takes all lesser pods off a copy of the node, and gives back all that it has room for. */
function victimsOn(info: PodInfo, node: NodeInfo, { prepared }: Refusal): PodInfo[] {
  const lesser = [...node.pods.values()].filter((other) => other.priority < info.priority);
  if (lesser.length === 0) return [];
  const trial = node.clone();
  for (const other of lesser) trial.removePod(other.uid);
  if (filterNode(prepared, trial)) return [];
  const victims: PodInfo[] = [];
  for (const other of lesser.sort(moreImportant)) {
    trial.addPod(other);
    if (!filterNode(prepared, trial)) continue;
    trial.removePod(other.uid);
    victims.push(other);
  }
  return victims;
}

function moreImportant(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  return startOf(a) < startOf(b) ? -1 : 1;
}

function startOf({ pod }: PodInfo): string {
  return pod.status?.startTime ?? pod.metadata?.creationTimestamp ?? '';
}

function better(a: Candidate, b: Candidate): number {
  const highest = ({ victims }: Candidate): number => victims[0]?.priority ?? 0;
  const sum = ({ victims }: Candidate): number =>
    victims.reduce((total, { priority }) => total + priority + 2 ** 31, 0);
  const latest = (candidate: Candidate): string => startOf(candidate.victims[0] as PodInfo);
  return (
    highest(a) - highest(b) ||
    sum(a) - sum(b) ||
    a.victims.length - b.victims.length ||
    (latest(a) > latest(b) ? -1 : 1)
  );
}
