import type { ContainerStatus, Pod, PodCondition } from '../../api/gen/types/core-v1.ts';
import { initContainers, isSidecar, specOf } from '../pods/pod-spec.ts';
import type { PodRuntimeStatus } from '../pods/runtime-status.ts';
import { sandboxChanged } from '../pods/sandbox-changed.ts';
import type { PodPhase } from './phase.ts';

/** The conditions that the kubelet owns; all others are kept as they are. */
export const KUBELET_CONDITIONS = new Set([
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
]);

/** Upstream prints Go slices: '[a b]'. */
const slice = (names: string[]): string => `[${names.join(' ')}]`;

/** Mirrors pkg/kubelet/status/generate.go. Times are added later, by comparing with the old conditions. */
export function podConditions(
  pod: Pod,
  runtime: PodRuntimeStatus,
  init: ContainerStatus[],
  regular: ContainerStatus[],
  phase: PodPhase,
  others: PodCondition[],
): PodCondition[] {
  const all = [...init, ...regular];
  const ready = containersReady(pod, all, phase);
  const started = sandboxChanged(pod, runtime).changed ? 'False' : 'True';
  const conditions: PodCondition[] = [
    { type: 'PodReadyToStartContainers', status: started },
    initialized(pod, all, phase),
    podReady(pod, ready, others),
    ready,
    { type: 'PodScheduled', status: 'True' },
  ];
  const observedGeneration = pod.metadata?.generation;
  return conditions.map((condition) =>
    observedGeneration === undefined ? condition : { ...condition, observedGeneration },
  );
}

function containersReady(pod: Pod, statuses: ContainerStatus[], phase: PodPhase): PodCondition {
  const type = 'ContainersReady';
  const unknown: string[] = [];
  const unready: string[] = [];
  const long = [...initContainers(pod).filter(isSidecar), ...specOf(pod).containers];
  for (const container of long) {
    const status = statuses.find((candidate) => candidate.name === container.name);
    if (!status) unknown.push(container.name);
    else if (!status.ready) unready.push(container.name);
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  const message = notReadyMessage(unknown, unready, 'unready');
  if (message === '') return { type, status: 'True' };
  return { type, status: 'False', reason: 'ContainersNotReady', message };
}

function podReady(pod: Pod, ready: PodCondition, others: PodCondition[]): PodCondition {
  if (ready.status !== 'True') return { ...ready, type: 'Ready' };
  const messages: string[] = [];
  for (const gate of specOf(pod).readinessGates ?? []) {
    const condition = others.find((candidate) => candidate.type === gate.conditionType);
    if (!condition) {
      messages.push(`corresponding condition of pod readiness gate "${gate.conditionType}" does not exist.`);
    } else if (condition.status !== 'True') {
      messages.push(
        `the status of pod readiness gate "${gate.conditionType}" is not "True", but ${condition.status}`,
      );
    }
  }
  if (messages.length === 0) return { type: 'Ready', status: 'True' };
  return { type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') };
}

function initialized(pod: Pod, statuses: ContainerStatus[], phase: PodPhase): PodCondition {
  const type = 'Initialized';
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const container of initContainers(pod)) {
    const status = statuses.find((candidate) => candidate.name === container.name);
    if (!status) unknown.push(container.name);
    else if (!(isSidecar(container) ? status.started === true : status.ready))
      incomplete.push(container.name);
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { type, status: 'True', reason: 'PodCompleted' };
  const regularStarted = specOf(pod).containers.some((container) => {
    const state = statuses.find((candidate) => candidate.name === container.name)?.state;
    return state?.running !== undefined || state?.terminated !== undefined;
  });
  // Once a regular container has started, restarting sidecars do not take initialization back.
  const message = regularStarted ? '' : notReadyMessage(unknown, incomplete, 'incomplete');
  if (message === '') return { type, status: 'True' };
  return { type, status: 'False', reason: 'ContainersNotInitialized', message };
}

function notReadyMessage(unknown: string[], not: string[], word: string): string {
  const messages: string[] = [];
  if (unknown.length > 0) messages.push(`containers with unknown status: ${slice(unknown)}`);
  if (not.length > 0) messages.push(`containers with ${word} status: ${slice(not)}`);
  return messages.join(', ');
}
