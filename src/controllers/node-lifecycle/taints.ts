import type { Node, Taint } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';

export const NOT_READY = 'node.kubernetes.io/not-ready';
export const UNREACHABLE = 'node.kubernetes.io/unreachable';

/** Conditions whose trouble keeps new pods away. */
const PRESSURE: Record<string, string> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';

const OURS = new Set([NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...Object.values(PRESSURE)]);

export function readyStatus(node: Node): 'True' | 'False' | 'Unknown' {
  const status = node.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return status === 'True' || status === 'False' ? status : 'Unknown';
}

/** The key of the taint that tells why the node is not ready; undefined where it is. */
export function troubleOf(node: Node): string | undefined {
  const ready = readyStatus(node);
  return ready === 'True' ? undefined : ready === 'False' ? NOT_READY : UNREACHABLE;
}

/**
 * The node's taints as its conditions ask for. Those that keep pods away come at once; `evict` says whether
 * those that drive pods out may be there: 'add' them, 'keep' what is there, or 'remove' them. Mirrors
 * pkg/controller/nodelifecycle/node_lifecycle_controller.go. Returns undefined where nothing changes.
 */
export function wantedTaints(
  node: Node,
  evict: 'add' | 'keep' | 'remove',
  nowMs: number,
): Taint[] | undefined {
  const old = node.spec?.taints ?? [];
  const trouble = troubleOf(node);
  const wanted = new Set<string>();
  if (trouble) wanted.add(`${trouble}:NoSchedule`);
  if (node.spec?.unschedulable) wanted.add(`${UNSCHEDULABLE}:NoSchedule`);
  for (const { type, status } of node.status?.conditions ?? []) {
    const key = PRESSURE[type];
    if (key !== undefined && status === 'True') wanted.add(`${key}:NoSchedule`);
  }
  const driven = old.find(
    ({ effect, key }) => effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE),
  );
  // A node that turns from not ready to unreachable keeps being emptied, under the other name.
  if (trouble && (evict === 'add' || (evict === 'keep' && driven))) wanted.add(`${trouble}:NoExecute`);
  const kept = old.filter(({ key, effect }) => !isManaged(key, effect) || wanted.has(`${key}:${effect}`));
  const have = new Set(kept.map(({ key, effect }) => `${key}:${effect}`));
  const added = [...wanted]
    .filter((id) => !have.has(id))
    .map((id): Taint => {
      const [key = '', effect = ''] = id.split(':');
      return { key, effect, timeAdded: rfc3339(nowMs) };
    });
  if (added.length === 0 && kept.length === old.length) return undefined;
  return [...kept, ...added];
}

/** People may set NoExecute taints by the pressure keys themselves: those are theirs. */
function isManaged(key: string, effect: string): boolean {
  if (!OURS.has(key)) return false;
  return effect === 'NoSchedule' || (effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE));
}
