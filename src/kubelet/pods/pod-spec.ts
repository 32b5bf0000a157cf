import type { Container, EphemeralContainer, Pod, PodSpec } from '../../api/gen/types/core-v1.ts';

/** Readers of a Pod's fields that hide JSON's optionality: the API server has defaulted what is required. */
export const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';
export const nameOf = (pod: Pod): string => pod.metadata?.name ?? '';
export const namespaceOf = (pod: Pod): string => pod.metadata?.namespace ?? 'default';
export const specOf = (pod: Pod): PodSpec => pod.spec ?? { containers: [] };

/** 'web_default(uid)': how upstream names a pod in messages. */
export const formatPod = (pod: Pod): string => `${nameOf(pod)}_${namespaceOf(pod)}(${uidOf(pod)})`;

export const isHostNetwork = (pod: Pod): boolean => specOf(pod).hostNetwork === true;

/** A pod of the manifest directory. Mirrors pkg/kubelet/types/pod_update.go. */
export const CONFIG_SOURCE = 'kubernetes.io/config.source';
export const CONFIG_MIRROR = 'kubernetes.io/config.mirror';
export const CONFIG_HASH = 'kubernetes.io/config.hash';

export function isStaticPod(pod: Pod): boolean {
  const source = pod.metadata?.annotations?.[CONFIG_SOURCE];
  return source !== undefined && source !== 'api';
}

export const isMirrorPod = (pod: Pod): boolean => pod.metadata?.annotations?.[CONFIG_MIRROR] !== undefined;

/** A sidecar: an init container that goes on running. */
export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

export function initContainers(pod: Pod): Container[] {
  return specOf(pod).initContainers ?? [];
}

export function ephemeralContainers(pod: Pod): EphemeralContainer[] {
  return specOf(pod).ephemeralContainers ?? [];
}

/** Every container of the pod: init, regular and ephemeral ones. */
export function allContainers(pod: Pod): Container[] {
  return [
    ...initContainers(pod),
    ...(specOf(pod).containers ?? []),
    ...(ephemeralContainers(pod) as Container[]),
  ];
}

export function findContainer(pod: Pod, name: string): Container | undefined {
  return allContainers(pod).find((container) => container.name === name);
}

export function isInitContainer(pod: Pod, name: string): boolean {
  return initContainers(pod).some((container) => container.name === name);
}

/**
 * Whether a container that exited with `exitCode` shall run again by its own rules, else the pod's policy.
 * Mirrors pkg/api/v1/pod/util.go, ContainerShouldRestart.
 */
export function containerShouldRestart(container: Container, pod: Pod, exitCode: number): boolean {
  if (container.restartPolicy !== undefined) {
    for (const rule of container.restartPolicyRules ?? []) {
      const values = rule.exitCodes?.values ?? [];
      const listed = values.includes(exitCode);
      const matches = rule.exitCodes?.operator === 'NotIn' ? !listed : listed;
      if (rule.exitCodes && matches) return rule.action === 'Restart';
    }
    return byPolicy(container.restartPolicy, exitCode);
  }
  return byPolicy(specOf(pod).restartPolicy ?? 'Always', exitCode);
}

function byPolicy(policy: string, exitCode: number): boolean {
  if (policy === 'Always') return true;
  return policy === 'OnFailure' && exitCode !== 0;
}
