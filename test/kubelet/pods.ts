import type { Container, Pod } from '../../src/api/gen/types/core-v1.ts';
import { containerHash } from '../../src/kubelet/containers/labels.ts';
import type { PodRuntimeStatus, RuntimeContainerStatus } from '../../src/kubelet/pods/runtime-status.ts';

/** A pod as the API server gives it. */
export function podOf(spec: Partial<NonNullable<Pod['spec']>> = {}, metadata: Pod['metadata'] = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default', uid: 'uid-1', generation: 1, ...metadata },
    spec: { nodeName: 'n1', restartPolicy: 'Always', containers: [containerOf('app')], ...spec },
  };
}

export function containerOf(name: string, fields: Partial<Container> = {}): Container {
  return {
    name,
    image: 'slipway.local/busybox:1',
    imagePullPolicy: 'IfNotPresent',
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    ...fields,
  };
}

/** What the runtime says of a container; `name!` in the list of a status means it runs. */
export function statusOf(
  name: string,
  state: RuntimeContainerStatus['state'],
  fields: Partial<RuntimeContainerStatus> = {},
): RuntimeContainerStatus {
  return {
    id: `id-${name}`,
    name,
    sandboxId: 's1',
    state,
    hash: containerHash(containerOf(name)),
    restartCount: 0,
    image: 'slipway.local/busybox:1',
    imageRef: 'sha256:1',
    createdAtMs: 1000,
    startedAtMs: 2000,
    finishedAtMs: state === 'Exited' ? 3000 : 0,
    exitCode: 0,
    reason: state === 'Exited' ? 'Completed' : '',
    message: '',
    logPath: '',
    ...fields,
  };
}

export function runtimeOf(
  containers: RuntimeContainerStatus[],
  sandbox: Partial<PodRuntimeStatus['sandboxes'][number]> | undefined = {},
): PodRuntimeStatus {
  const one = {
    id: 's1',
    ready: true,
    attempt: 0,
    createdAtMs: 500,
    networkMode: 'POD',
    ips: ['10.244.0.5'],
  };
  return {
    uid: 'uid-1',
    name: 'web',
    namespace: 'default',
    sandboxes: sandbox ? [{ ...one, ...sandbox }] : [],
    containers,
    ips: sandbox ? ['10.244.0.5'] : [],
  };
}
