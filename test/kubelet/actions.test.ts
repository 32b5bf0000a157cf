import test from 'ava';
import type { Pod } from '../../src/api/gen/types/core-v1.ts';
import type { PodActions, ProbeVerdict } from '../../src/kubelet/pods/action-types.ts';
import { planPod } from '../../src/kubelet/pods/actions.ts';
import type { PodRuntimeStatus } from '../../src/kubelet/pods/runtime-status.ts';
import { containerOf, podOf, runtimeOf, statusOf } from './pods.ts';

interface Verdicts {
  liveness?: Record<string, ProbeVerdict>;
  startup?: Record<string, ProbeVerdict>;
}

const plan = test.macro(
  (t, pod: Pod, runtime: PodRuntimeStatus, want: Partial<PodActions>, verdicts: Verdicts = {}) => {
    const actions = planPod(pod, runtime, {
      liveness: (id) => verdicts.liveness?.[id],
      startup: (id) => verdicts.startup?.[id],
    });
    t.like(actions, want);
    t.deepEqual(
      [actions.initToStart, actions.containersToStart, actions.containersToKill.map(({ name }) => name)],
      [
        want.initToStart ?? [],
        want.containersToStart ?? [],
        want.containersToKill?.map(({ name }) => name) ?? [],
      ],
    );
  },
);

const none = { killPod: false, createSandbox: false };
const two = podOf({ containers: [containerOf('a'), containerOf('b')] });
const noSandbox = { ...runtimeOf([]), sandboxes: [], ips: [] };

test('a new pod gets a sandbox and its containers', plan, two, noSandbox, {
  createSandbox: true,
  attempt: 0,
  containersToStart: ['a', 'b'],
});

test(
  'a running pod is left alone',
  plan,
  two,
  runtimeOf([statusOf('a', 'Running'), statusOf('b', 'Running')]),
  none,
);

test(
  'a missing container is started beside one that runs',
  plan,
  two,
  runtimeOf([statusOf('a', 'Running')]),
  {
    ...none,
    containersToStart: ['b'],
  },
);

test(
  'an exited container starts again by Always',
  plan,
  two,
  runtimeOf([statusOf('a', 'Running'), statusOf('b', 'Exited')]),
  { ...none, containersToStart: ['b'] },
);

const onFailure = podOf({ restartPolicy: 'OnFailure', containers: [containerOf('a'), containerOf('b')] });
test(
  'by OnFailure only a failed one does',
  plan,
  onFailure,
  runtimeOf([statusOf('a', 'Exited'), statusOf('b', 'Exited', { exitCode: 1 })]),
  { ...none, containersToStart: ['b'] },
);

test(
  'a pod of which nothing may run any more is killed',
  plan,
  podOf({ restartPolicy: 'Never' }),
  runtimeOf([statusOf('app', 'Exited', { exitCode: 1 })]),
  { killPod: true, createSandbox: false },
);

test(
  'a container’s own rule restarts it by its exit code',
  plan,
  podOf({
    restartPolicy: 'Never',
    containers: [
      containerOf('app', {
        restartPolicy: 'Never',
        restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
      }),
    ],
  }),
  runtimeOf([statusOf('app', 'Exited', { exitCode: 42 })]),
  { ...none, containersToStart: ['app'] },
);

test(
  'a changed image replaces the container, whatever the policy',
  plan,
  podOf({ restartPolicy: 'Never' }),
  runtimeOf([statusOf('app', 'Running', { hash: 'other' })]),
  {
    ...none,
    containersToStart: ['app'],
    containersToKill: [
      {
        id: 'id-app',
        name: 'app',
        reason: 'Changed',
        message: 'Container app definition changed, will be restarted',
      },
    ],
  },
);

test(
  'a failed liveness probe kills, and by Never does not start again',
  plan,
  podOf({ restartPolicy: 'Never', containers: [containerOf('a'), containerOf('b')] }),
  runtimeOf([statusOf('a', 'Running'), statusOf('b', 'Running')]),
  {
    ...none,
    containersToKill: [
      { id: 'id-b', name: 'b', reason: 'LivenessProbe', message: 'Container b failed liveness probe' },
    ],
  },
  { liveness: { 'id-b': 'Failure' } },
);

test(
  'after a reboot the sandbox is made again with the next attempt',
  plan,
  two,
  runtimeOf([statusOf('a', 'Exited'), statusOf('b', 'Exited')], { ready: false, attempt: 4 }),
  { killPod: true, createSandbox: true, attempt: 5, containersToStart: ['a', 'b'] },
);

test(
  'a pod that may not restart gets no second sandbox',
  plan,
  podOf({ restartPolicy: 'Never' }),
  runtimeOf([statusOf('app', 'Exited')], { ready: false }),
  { killPod: true, createSandbox: false },
);

test('a sandbox without an address is replaced', plan, podOf(), runtimeOf([], { ips: [] }), {
  killPod: true,
  createSandbox: true,
  attempt: 1,
  containersToStart: ['app'],
});

test(
  'a deleted pod starts nothing',
  plan,
  podOf({}, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
  runtimeOf([statusOf('app', 'Exited')]),
  { killPod: true },
);

const withInit = podOf({ initContainers: [containerOf('i1'), containerOf('i2')] });

test('the first init container comes first', plan, withInit, runtimeOf([]), { ...none, initToStart: ['i1'] });

test('the second waits for the first', plan, withInit, runtimeOf([statusOf('i1', 'Running')]), none);

test('then the second', plan, withInit, runtimeOf([statusOf('i1', 'Exited')]), {
  ...none,
  initToStart: ['i2'],
});

test(
  'then the containers; a removed first init container does not matter',
  plan,
  withInit,
  runtimeOf([statusOf('i2', 'Exited')]),
  { ...none, containersToStart: ['app'] },
);

test(
  'a failed init container starts again, and by Never ends the pod',
  plan,
  podOf({ restartPolicy: 'Never', initContainers: [containerOf('i1')] }),
  runtimeOf([statusOf('i1', 'Exited', { exitCode: 1 })]),
  { killPod: true },
);

test(
  'init containers do not run again beside a running container',
  plan,
  withInit,
  runtimeOf([statusOf('app', 'Running')]),
  none,
);

const sidecar = containerOf('side', { restartPolicy: 'Always', startupProbe: { exec: { command: ['x'] } } });
const withSidecar = podOf({ initContainers: [sidecar, containerOf('i2')] });

test(
  'what follows a sidecar waits for its startup probe',
  plan,
  withSidecar,
  runtimeOf([statusOf('side', 'Running')]),
  none,
  { startup: { 'id-side': 'Unknown' } },
);

test(
  'and starts when it has succeeded',
  plan,
  withSidecar,
  runtimeOf([statusOf('side', 'Running')]),
  { ...none, initToStart: ['i2'] },
  { startup: { 'id-side': 'Success' } },
);

test(
  'a sidecar that ended starts again beside the containers',
  plan,
  withSidecar,
  runtimeOf([
    statusOf('side', 'Exited', { exitCode: 1 }),
    statusOf('i2', 'Exited'),
    statusOf('app', 'Running'),
  ]),
  { ...none, initToStart: ['side'] },
);

test(
  'sidecars do not keep a finished pod alive',
  plan,
  podOf({ restartPolicy: 'Never', initContainers: [containerOf('side', { restartPolicy: 'Always' })] }),
  runtimeOf([statusOf('side', 'Running'), statusOf('app', 'Exited')]),
  { killPod: true, createSandbox: false },
);

test('an ephemeral container starts once', (t) => {
  const pod = podOf({ ephemeralContainers: [{ name: 'debug', image: 'slipway.local/busybox:1' }] });
  const probes = { liveness: () => undefined, startup: () => undefined };
  t.deepEqual(planPod(pod, runtimeOf([statusOf('app', 'Running')]), probes).ephemeralToStart, ['debug']);
  const seen = runtimeOf([statusOf('app', 'Running'), statusOf('debug', 'Exited')]);
  t.deepEqual(planPod(pod, seen, probes).ephemeralToStart, []);
});
