import test from 'ava';
import type { ContainerStatus, Pod, PodStatus } from '../../src/api/gen/types/core-v1.ts';
import { podPhase } from '../../src/kubelet/status/phase.ts';
import { podStatus, type PodStatusInput } from '../../src/kubelet/status/pod-status.ts';
import { sameStatus, statusPatch } from '../../src/kubelet/status/status-patch.ts';
import { terminatedStatus } from '../../src/kubelet/status/terminated-status.ts';
import { containerOf, podOf, runtimeOf, statusOf } from './pods.ts';

const NOW = Date.UTC(2026, 0, 1);
const status = (
  name: string,
  state: ContainerStatus['state'],
  lastState: ContainerStatus['lastState'] = {},
) => ({
  name,
  state,
  lastState,
  ready: false,
  restartCount: 0,
  image: '',
  imageID: '',
});
const running = { running: { startedAt: '' } };
const waiting = { waiting: { reason: 'ContainerCreating' } };
const ended = (exitCode: number) => ({ terminated: { exitCode } });

const phase = test.macro((t, pod: Pod, statuses: ContainerStatus[], want: string, terminal?: boolean) => {
  t.is(podPhase(pod, statuses, terminal ?? false, false), want as 'Pending');
});
const policy = (restartPolicy: string) =>
  podOf({ restartPolicy, containers: [containerOf('a'), containerOf('b')] });

test(
  'Pending while a container waits',
  phase,
  policy('Always'),
  [status('a', running), status('b', waiting)],
  'Pending',
);
test('Pending before any status', phase, policy('Always'), [], 'Pending');
test(
  'Running when one runs',
  phase,
  policy('Never'),
  [status('a', running), status('b', ended(1))],
  'Running',
);
test(
  'Succeeded when all ended well',
  phase,
  policy('OnFailure'),
  [status('a', ended(0)), status('b', ended(0))],
  'Succeeded',
);
test(
  'Failed when one did not and may not restart',
  phase,
  policy('Never'),
  [status('a', ended(0)), status('b', ended(2))],
  'Failed',
);
test(
  'Running while a failed one restarts',
  phase,
  policy('OnFailure'),
  [status('a', ended(0)), status('b', ended(2))],
  'Running',
);
test(
  'Running in a crash loop',
  phase,
  policy('Always'),
  [status('a', waiting, ended(1)), status('b', waiting, ended(1))],
  'Running',
);
test(
  'Failed when ended from outside',
  phase,
  policy('Always'),
  [status('a', ended(0)), status('b', ended(137))],
  'Failed',
  true,
);

const initPod = podOf({ restartPolicy: 'Never', initContainers: [containerOf('i')] });
test(
  'Pending while an init container runs',
  phase,
  initPod,
  [status('i', running), status('app', waiting)],
  'Pending',
);
test(
  'Failed when one failed for good',
  phase,
  initPod,
  [status('i', ended(1)), status('app', waiting)],
  'Failed',
);

function input(
  pod: Pod,
  runtime: PodStatusInput['runtime'],
  fields: Partial<PodStatusInput> = {},
): PodStatusInput {
  return {
    pod,
    runtime,
    runtimeName: 'containerd',
    old: pod.status ?? {},
    terminal: false,
    hostIps: ['192.0.2.1'],
    startFailure: () => undefined,
    readiness: { started: () => true, ready: () => true },
    nowMs: NOW,
    ...fields,
  };
}

const condition = (result: PodStatus, type: string) => result.conditions?.find((one) => one.type === type);

test('a running pod shows addresses, times, conditions and what it observed', (t) => {
  const result = podStatus(input(podOf(), runtimeOf([statusOf('app', 'Running')])));
  t.like(result, {
    phase: 'Running',
    observedGeneration: 1,
    podIP: '10.244.0.5',
    podIPs: [{ ip: '10.244.0.5' }],
    hostIP: '192.0.2.1',
    startTime: '2026-01-01T00:00:00Z',
    qosClass: 'BestEffort',
  });
  t.like(result.containerStatuses?.[0], { ready: true, started: true, containerID: 'containerd://id-app' });
  for (const type of [
    'PodReadyToStartContainers',
    'Initialized',
    'ContainersReady',
    'Ready',
    'PodScheduled',
  ]) {
    t.like(condition(result, type), { status: 'True', observedGeneration: 1 }, type);
  }
});

test('a pod without a sandbox waits: ContainerCreating, or PodInitializing behind init containers', (t) => {
  const empty = { ...runtimeOf([]), sandboxes: [], ips: [] };
  const plain = podStatus(input(podOf(), empty));
  t.deepEqual(plain.containerStatuses?.[0]?.state, { waiting: { reason: 'ContainerCreating' } });
  t.like(condition(plain, 'Ready'), {
    status: 'False',
    reason: 'ContainersNotReady',
    message: 'containers with unready status: [app]',
  });
  t.is(condition(plain, 'PodReadyToStartContainers')?.status, 'False');
  const init = podStatus(input(podOf({ initContainers: [containerOf('i1'), containerOf('i2')] }), empty));
  t.deepEqual(init.containerStatuses?.[0]?.state, { waiting: { reason: 'PodInitializing' } });
  t.like(condition(init, 'Initialized'), {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: 'containers with incomplete status: [i1 i2]',
  });
});

test('a container that restarts waits with the reason, and keeps how it ended', (t) => {
  const runtime = runtimeOf([statusOf('app', 'Exited', { exitCode: 3, reason: 'Error', restartCount: 2 })]);
  const failure = { reason: 'CrashLoopBackOff', message: 'back-off 10s' };
  const result = podStatus(input(podOf(), runtime, { startFailure: () => failure }));
  t.deepEqual(result.containerStatuses?.[0]?.state, { waiting: failure });
  t.like(result.containerStatuses?.[0], { restartCount: 2, lastState: { terminated: { exitCode: 3 } } });
  t.is(result.phase, 'Running');
});

test('a container that ran and vanished does not look as if it had never run', (t) => {
  const pod = podOf();
  const old: PodStatus = { containerStatuses: [{ ...status('app', running), restartCount: 1 }] };
  const result = podStatus(input(pod, runtimeOf([]), { old }));
  t.like(result.containerStatuses?.[0], {
    restartCount: 2,
    lastState: { terminated: { reason: 'ContainerStatusUnknown', exitCode: 137 } },
  });
  t.is(result.phase, 'Running');
});

test('Ready waits for readiness gates', (t) => {
  const gated = podOf({ readinessGates: [{ conditionType: 'lb' }] });
  const without = podStatus(input(gated, runtimeOf([statusOf('app', 'Running')])));
  t.like(condition(without, 'Ready'), {
    status: 'False',
    reason: 'ReadinessGatesNotReady',
    message: 'corresponding condition of pod readiness gate "lb" does not exist.',
  });
  t.is(condition(without, 'ContainersReady')?.status, 'True');
  const open = { ...gated, status: { conditions: [{ type: 'lb', status: 'True' }] } };
  const result = podStatus(input(open, runtimeOf([statusOf('app', 'Running')])));
  t.is(condition(result, 'Ready')?.status, 'True');
  t.is(condition(result, 'lb')?.status, 'True', 'conditions of others are kept');
});

test('a transition time moves only with the status', (t) => {
  const runtime = runtimeOf([statusOf('app', 'Running')]);
  const first = podStatus(input(podOf(), runtime));
  const later = podStatus(input(podOf(), runtime, { old: first, nowMs: NOW + 60_000 }));
  t.is(condition(later, 'Ready')?.lastTransitionTime, '2026-01-01T00:00:00Z');
  const unready = { started: () => true, ready: () => false };
  const changed = podStatus(input(podOf(), runtime, { old: first, nowMs: NOW + 60_000, readiness: unready }));
  t.is(condition(changed, 'Ready')?.lastTransitionTime, '2026-01-01T00:01:00Z');
  t.is(changed.startTime, first.startTime);
});

test('a terminal phase is never left', (t) => {
  const pod = { ...podOf(), status: { phase: 'Failed', reason: 'Evicted', message: 'why' } };
  const result = podStatus(input(pod, runtimeOf([statusOf('app', 'Running')])));
  t.like(result, { phase: 'Failed', reason: 'Evicted', message: 'why' });
  t.like(condition(result, 'Ready'), { status: 'False', reason: 'PodFailed' });
});

test('what nobody saw end counts as failed when the pod is ended', (t) => {
  const result = terminatedStatus(podOf(), {
    phase: 'Running',
    containerStatuses: [status('app', waiting)],
  });
  t.is(result.phase, 'Failed');
  t.like(result.containerStatuses?.[0]?.state?.terminated, {
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
  });
});

test('a patch names what changed, takes back what went, and leaves the conditions of others', (t) => {
  const from: PodStatus = {
    phase: 'Pending',
    reason: 'Old',
    podIPs: [{ ip: '10.0.0.1' }],
    conditions: [
      { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'm' },
      { type: 'lb', status: 'True' },
    ],
  };
  const to: PodStatus = {
    phase: 'Running',
    podIPs: [{ ip: '10.0.0.2' }],
    conditions: [
      { type: 'lb', status: 'False' },
      { type: 'Ready', status: 'True' },
    ],
  };
  t.deepEqual(statusPatch('u', from, to), {
    metadata: { uid: 'u' },
    status: {
      phase: 'Running',
      reason: null,
      conditions: [{ type: 'Ready', status: 'True', reason: null, message: null }],
      podIPs: [{ ip: '10.0.0.2' }, { $patch: 'delete', ip: '10.0.0.1' }],
    },
  });
  t.true(sameStatus({ phase: 'Running', message: '' }, { phase: 'Running', conditions: [] }));
  t.false(sameStatus(from, to));
});
