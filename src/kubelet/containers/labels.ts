import type { Container, Lifecycle, Pod } from '../../api/gen/types/core-v1.ts';
import { nameOf, namespaceOf, specOf, uidOf } from '../pods/pod-spec.ts';

/**
 * What the kubelet writes on sandboxes and containers, so that a restarted kubelet knows them again.
 * Mirrors pkg/kubelet/kuberuntime/labels.go: tools such as crictl read these names.
 */
export const POD_NAME = 'io.kubernetes.pod.name';
export const POD_NAMESPACE = 'io.kubernetes.pod.namespace';
export const POD_UID = 'io.kubernetes.pod.uid';
export const CONTAINER_NAME = 'io.kubernetes.container.name';

const HASH = 'io.kubernetes.container.hash';
const RESTART_COUNT = 'io.kubernetes.container.restartCount';
const TERMINATION_MESSAGE_PATH = 'io.kubernetes.container.terminationMessagePath';
const TERMINATION_MESSAGE_POLICY = 'io.kubernetes.container.terminationMessagePolicy';
const PRE_STOP = 'io.kubernetes.container.preStopHandler';
const PORTS = 'io.kubernetes.container.ports';
const DELETION_GRACE_PERIOD = 'io.kubernetes.pod.deletionGracePeriod';
const TERMINATION_GRACE_PERIOD = 'io.kubernetes.pod.terminationGracePeriod';

export interface ContainerAnnotations {
  hash: string;
  restartCount: number;
  terminationMessagePath: string;
  terminationMessagePolicy: string;
  preStop?: Lifecycle['preStop'];
  ports?: Container['ports'];
  deletionGracePeriodSeconds?: number;
  terminationGracePeriodSeconds?: number;
}

export function podLabels(pod: Pod): Record<string, string> {
  return {
    ...pod.metadata?.labels,
    [POD_NAME]: nameOf(pod),
    [POD_NAMESPACE]: namespaceOf(pod),
    [POD_UID]: uidOf(pod),
  };
}

export function containerLabels(container: Container, pod: Pod): Record<string, string> {
  return {
    [POD_NAME]: nameOf(pod),
    [POD_NAMESPACE]: namespaceOf(pod),
    [POD_UID]: uidOf(pod),
    [CONTAINER_NAME]: container.name,
  };
}

export function containerAnnotations(
  container: Container,
  pod: Pod,
  restartCount: number,
): Record<string, string> {
  const annotations: Record<string, string> = {
    [HASH]: containerHash(container),
    [RESTART_COUNT]: String(restartCount),
    [TERMINATION_MESSAGE_PATH]: container.terminationMessagePath ?? '',
    [TERMINATION_MESSAGE_POLICY]: container.terminationMessagePolicy ?? '',
  };
  const deletion = pod.metadata?.deletionGracePeriodSeconds;
  if (deletion !== undefined) annotations[DELETION_GRACE_PERIOD] = String(deletion);
  const termination = specOf(pod).terminationGracePeriodSeconds;
  if (termination !== undefined) annotations[TERMINATION_GRACE_PERIOD] = String(termination);
  if (container.lifecycle?.preStop) annotations[PRE_STOP] = JSON.stringify(container.lifecycle.preStop);
  if (container.ports?.length) annotations[PORTS] = JSON.stringify(container.ports);
  return annotations;
}

export function readContainerAnnotations(annotations: Record<string, string>): ContainerAnnotations {
  return {
    hash: annotations[HASH] ?? '',
    restartCount: numberIn(annotations[RESTART_COUNT]) ?? 0,
    terminationMessagePath: annotations[TERMINATION_MESSAGE_PATH] ?? '',
    terminationMessagePolicy: annotations[TERMINATION_MESSAGE_POLICY] ?? '',
    preStop: jsonIn(annotations[PRE_STOP]) as Lifecycle['preStop'],
    ports: jsonIn(annotations[PORTS]) as Container['ports'],
    deletionGracePeriodSeconds: numberIn(annotations[DELETION_GRACE_PERIOD]),
    terminationGracePeriodSeconds: numberIn(annotations[TERMINATION_GRACE_PERIOD]),
  };
}

/**
 * FNV-1a over what forces a container to be replaced: its name and image, as upstream since 1.31. A change
 * of any other field of a running pod is refused by the API or applied in place.
 */
export function containerHash(container: Container): string {
  const text = JSON.stringify({ name: container.name, image: container.image });
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16);
}

function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

function jsonIn(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
