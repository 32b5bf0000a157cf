import type { Node, NodeCondition } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { metaOf } from '../shared/meta.ts';

const WATCHED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;

/** The node's conditions once its kubelet has fallen silent; undefined where they say so already. */
export function silentConditions(node: Node, nowMs: number): NodeCondition[] | undefined {
  const old = node.status?.conditions ?? [];
  const now = rfc3339(nowMs);
  let changed = false;
  const next = [...old];
  for (const type of WATCHED) {
    const at = next.findIndex((condition) => condition.type === type);
    const condition = next[at];
    if (condition === undefined) {
      const lastHeartbeatTime = metaOf(node).creationTimestamp;
      next.push({
        type,
        status: 'Unknown',
        reason: 'NodeStatusNeverUpdated',
        message: 'Kubelet never posted node status.',
        lastHeartbeatTime,
        lastTransitionTime: now,
      });
      changed = true;
    } else if (condition.status !== 'Unknown') {
      next[at] = {
        ...condition,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: now,
      };
      changed = true;
    }
  }
  return changed ? next : undefined;
}

/** Something that changes whenever the kubelet itself wrote the status. */
export function statusHeartbeat(node: Node): string {
  return node.status?.conditions?.find(({ type }) => type === 'Ready')?.lastHeartbeatTime ?? '';
}

/** How many nodes in how bad a state; what evictions may do with it. */
export type Disruption = 'normal' | 'partial' | 'full';

const PARTIAL_SHARE = 0.55;

/** Mirrors ComputeZoneState of pkg/controller/nodelifecycle. */
export function disruptionOf(ready: number, notReady: number): Disruption {
  if (ready === 0 && notReady > 0) return 'full';
  if (notReady > 2 && notReady / (ready + notReady) >= PARTIAL_SHARE) return 'partial';
  return 'normal';
}

export function zoneOf(node: Node): string {
  const labels = metaOf(node).labels ?? {};
  return `${labels['topology.kubernetes.io/region'] ?? ''}/${labels['topology.kubernetes.io/zone'] ?? ''}`;
}
