import type { ContainerStatus, Pod } from '../../../api/gen/types/core-v1.ts';
import type { TableColumn } from '../../resource-definition.ts';
import { ageColumn, column, humanDuration, nameColumn } from '../columns.ts';

interface PodSummary {
  ready: number;
  total: number;
  reason: string;
  restarts: number;
  lastRestartMs: number;
}

/** Mirrors printPod of pkg/printers/internalversion/printers.go. */
export function summarizePod(pod: Pod): PodSummary {
  const status = pod.status;
  const summary: PodSummary = {
    ready: 0,
    total: pod.spec?.containers?.length ?? 0,
    reason: status?.reason || status?.phase || '',
    restarts: 0,
    lastRestartMs: 0,
  };
  const condition = (type: string) => status?.conditions?.find((one) => one.type === type);
  if (condition('PodScheduled')?.reason === 'SchedulingGated') summary.reason = 'SchedulingGated';
  const initializing = summarizeInit(pod, summary);
  if (!initializing || condition('Initialized')?.status === 'True') {
    summarizeRunning(pod, summary, condition('Ready')?.status === 'True');
  }
  if (pod.metadata?.deletionTimestamp) {
    if (status?.reason === 'NodeLost') summary.reason = 'Unknown';
    else if (status?.phase !== 'Failed' && status?.phase !== 'Succeeded') summary.reason = 'Terminating';
  }
  return summary;
}

/** Counts the init containers; true while the pod is still in them. */
function summarizeInit(pod: Pod, summary: PodSummary): boolean {
  const specs = pod.spec?.initContainers ?? [];
  const sidecars = new Set(specs.filter((one) => one.restartPolicy === 'Always').map((one) => one.name));
  summary.total += sidecars.size;
  let sidecarRestarts = 0;
  let sidecarRestartMs = 0;
  let initializing = false;
  for (const [index, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    addRestarts(container, summary);
    const { terminated, waiting } = container.state ?? {};
    if (sidecars.has(container.name)) {
      sidecarRestarts += container.restartCount;
      sidecarRestartMs = Math.max(sidecarRestartMs, lastFinishMs(container));
    }
    if (terminated?.exitCode === 0) continue;
    if (sidecars.has(container.name) && container.started) {
      if (container.ready) summary.ready += 1;
      continue;
    }
    initializing = true;
    if (terminated) summary.reason = `Init:${terminated.reason || exitText(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing')
      summary.reason = `Init:${waiting.reason}`;
    else summary.reason = `Init:${index}/${specs.length}`;
    break;
  }
  const initialized = pod.status?.conditions?.find((one) => one.type === 'Initialized')?.status === 'True';
  if (!initializing || initialized) {
    // Restarts of init containers that are over are of no interest any more.
    summary.restarts = sidecarRestarts;
    summary.lastRestartMs = sidecarRestartMs;
  }
  return initializing;
}

function summarizeRunning(pod: Pod, summary: PodSummary, podReady: boolean): void {
  let running = false;
  for (const container of (pod.status?.containerStatuses ?? []).toReversed()) {
    addRestarts(container, summary);
    const { terminated, waiting, running: runs } = container.state ?? {};
    if (waiting?.reason) summary.reason = waiting.reason;
    else if (terminated) summary.reason = terminated.reason || exitText(terminated);
    else if (container.ready && runs) {
      running = true;
      summary.ready += 1;
    }
  }
  if (summary.reason === 'Completed' && running) summary.reason = podReady ? 'Running' : 'NotReady';
}

function exitText(terminated: { signal?: number; exitCode: number }): string {
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}

function addRestarts(container: ContainerStatus, summary: PodSummary): void {
  summary.restarts += container.restartCount;
  summary.lastRestartMs = Math.max(summary.lastRestartMs, lastFinishMs(container));
}

function lastFinishMs(container: ContainerStatus): number {
  const finished = container.lastState?.terminated?.finishedAt;
  return finished ? Date.parse(finished) : 0;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const met = gates.filter((gate) =>
    pod.status?.conditions?.some((one) => one.type === gate.conditionType && one.status === 'True'),
  );
  return `${met.length}/${gates.length}`;
}

export const POD_COLUMNS: ReadonlyArray<TableColumn<Pod>> = [
  nameColumn(),
  column('Ready', 'string', (pod) => {
    const { ready, total } = summarizePod(pod);
    return `${ready}/${total}`;
  }),
  column('Status', 'string', (pod) => summarizePod(pod).reason),
  column('Restarts', 'string', (pod, now) => {
    const { restarts, lastRestartMs } = summarizePod(pod);
    if (restarts === 0 || lastRestartMs === 0) return String(restarts);
    return `${restarts} (${humanDuration(now - lastRestartMs)} ago)`;
  }),
  ageColumn(),
  column('IP', 'string', (pod) => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || '<none>', 'wide'),
  column('Node', 'string', (pod) => pod.spec?.nodeName || '<none>', 'wide'),
  column('Nominated Node', 'string', (pod) => pod.status?.nominatedNodeName || '<none>', 'wide'),
  column('Readiness Gates', 'string', readinessGates, 'wide'),
];
