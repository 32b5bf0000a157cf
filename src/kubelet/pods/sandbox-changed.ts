import type { Pod } from '../../api/gen/types/core-v1.ts';
import { isHostNetwork } from './pod-spec.ts';
import type { PodRuntimeStatus } from './runtime-status.ts';

export interface SandboxVerdict {
  /** A new sandbox is needed before any container can start. */
  changed: boolean;
  /** The attempt number of the next sandbox, or of the current one where it stays. */
  attempt: number;
  sandboxId: string;
}

/** Whether the pod needs a (new) sandbox. Mirrors pkg/kubelet/kuberuntime/util/util.go, PodSandboxChanged. */
export function sandboxChanged(pod: Pod, status: PodRuntimeStatus): SandboxVerdict {
  const newest = status.sandboxes[0];
  if (!newest) return { changed: true, attempt: 0, sandboxId: '' };
  const ready = status.sandboxes.filter((sandbox) => sandbox.ready).length;
  const next = { changed: true, attempt: newest.attempt + 1, sandboxId: newest.id };
  if (ready > 1 || !newest.ready) return next;
  if ((newest.networkMode === 'NODE') !== isHostNetwork(pod)) return { ...next, sandboxId: '' };
  if (!isHostNetwork(pod) && newest.ips.length === 0) return next;
  return { changed: false, attempt: newest.attempt, sandboxId: newest.id };
}
