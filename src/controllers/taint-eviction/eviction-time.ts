import type { Pod, Taint } from '../../api/gen/types/core-v1.ts';
import { tolerates } from '../../api/taints.ts';
import { metaOf } from '../shared/meta.ts';

/**
 * When the pod must leave a node with these taints, as milliseconds of the wall clock: at once (0), at a time,
 * or never (undefined). Counted from when the taint was set, so that a restart of the controller does not
 * begin anew. Mirrors pkg/controller/tainteviction/taint_eviction.go.
 */
export function evictionTime(pod: Pod, taints: readonly Taint[]): number | undefined {
  const tolerations = pod.spec?.tolerations ?? [];
  let earliest: number | undefined;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    const seconds = matching
      .map(({ tolerationSeconds }) => tolerationSeconds)
      .filter((value) => value !== undefined);
    if (seconds.length === 0) continue;
    const added = Date.parse(taint.timeAdded ?? '') || 0;
    const since = Math.max(added, Date.parse(metaOf(pod).creationTimestamp ?? '') || 0);
    const at = since + Math.max(0, Math.min(...seconds)) * 1000;
    earliest = earliest === undefined ? at : Math.min(earliest, at);
  }
  return earliest;
}
