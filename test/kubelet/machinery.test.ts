import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { CONFIGMAPS, PODS, SECRETS } from '../../src/api/gen/resources.ts';
import { isNotFound } from '../../src/client/errors.ts';
import { RuntimeError } from '../../src/kubelet/cri/runtime-error.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { advanceUntil, createHarness } from './harness.ts';
import { containerOf, podOf } from './pods.ts';

const starts = (calls: readonly string[]) => calls.filter((call) => call.startsWith('startContainer'));

test('a pod is started and reported', async (t) => {
  const harness = await createHarness(t);
  await harness.add(podOf());
  t.deepEqual(harness.runtime.calls, ['runPodSandbox web', 'createContainer app', 'startContainer app']);
  const { status } = await harness.pod();
  t.like(status, { phase: 'Running', hostIP: '192.0.2.1', qosClass: 'BestEffort', observedGeneration: 1 });
  t.truthy(status?.podIP);
  t.is(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
  t.deepEqual(harness.events, [
    'Normal Pulled Container image "slipway.local/busybox:1" already present on machine',
    'Normal Created Container created',
    'Normal Started Container started',
  ]);
});

test('a kubelet that restarts finds its containers and starts none', async (t) => {
  const harness = await createHarness(t);
  await harness.add(
    podOf({ containers: [containerOf('app', { readinessProbe: { exec: { command: ['x'] } } })] }),
  );
  await advanceUntil(harness, 'the pod is Ready', async () =>
    ((await harness.pod()).status?.conditions ?? []).some(
      ({ type, status }) => type === 'Ready' && status === 'True',
    ),
  );
  const before = await harness.pod();
  harness.runtime.calls.length = 0;
  harness.client.writes = [];
  await harness.clock.advance(60_000);
  await harness.restart();
  t.deepEqual(harness.runtime.calls, []);
  t.deepEqual((await harness.pod()).status, before.status, 'the pod stays Ready');
  t.deepEqual(harness.client.writes, []);
});

test('after a reboot of the host the sandbox and the containers are made again', async (t) => {
  const harness = await createHarness(t);
  await harness.add(podOf());
  harness.runtime.reboot();
  harness.runtime.calls.length = 0;
  await harness.restart();
  t.deepEqual(harness.runtime.calls.slice(-3), [
    'runPodSandbox web',
    'createContainer app',
    'startContainer app',
  ]);
  const { status } = await harness.pod();
  t.like(status?.containerStatuses?.[0], { restartCount: 1, lastState: { terminated: { exitCode: 255 } } });
  t.true(
    harness.events.includes('Normal SandboxChanged Pod sandbox changed, it will be killed and re-created.'),
  );
});

test('a crashing container restarts at once, then after 10 s, then after 20 s', async (t) => {
  const harness = await createHarness(t);
  await harness.add(podOf());
  const crash = async () => {
    harness.runtime.exit('app', 1);
    await harness.settle();
  };
  await crash();
  t.is(starts(harness.runtime.calls).length, 2, 'the first restart is immediate');
  for (const seconds of [10, 20]) {
    await crash();
    const state = (await harness.pod()).status?.containerStatuses?.[0]?.state;
    t.is(state?.waiting?.reason, 'CrashLoopBackOff');
    t.regex(
      state?.waiting?.message ?? '',
      new RegExp(`^back-off ${seconds}s restarting failed container=app`),
    );
    const before = starts(harness.runtime.calls).length;
    await harness.clock.advance(seconds * 1000 - 500);
    await harness.settle();
    t.is(starts(harness.runtime.calls).length, before, 'not before its time');
    await harness.clock.advance(1000);
    await harness.settle();
    t.is(starts(harness.runtime.calls).length, before + 1);
  }
  t.is((await harness.pod()).status?.containerStatuses?.[0]?.restartCount, 3);
});

test('a pull that fails waits with its reason, then backs off, then works', async (t) => {
  const harness = await createHarness(t);
  harness.runtime.onCall = (name) => {
    if (name === 'pullImage') throw new RuntimeError('Unknown', 'no such host');
  };
  await harness.add(podOf({ containers: [containerOf('app', { image: 'example.org/a:1' })] }));
  const waiting = async () => (await harness.pod()).status?.containerStatuses?.[0]?.state?.waiting;
  t.deepEqual(await waiting(), { reason: 'ErrImagePull', message: 'no such host' });
  harness.machinery.workers.poke('uid-1');
  await harness.settle();
  t.deepEqual(await waiting(), {
    reason: 'ImagePullBackOff',
    message: 'Back-off pulling image "example.org/a:1": ErrImagePull: no such host',
  });
  harness.runtime.onCall = () => undefined;
  await advanceUntil(harness, 'it runs', async () => (await harness.pod()).status?.phase === 'Running');
  t.is(harness.runtime.calls.filter((call) => call.startsWith('pullImage')).length, 2);
});

test('deletion runs preStop, stops with the grace that is left, and removes the object', async (t) => {
  const harness = await createHarness(t);
  const ran: string[] = [];
  harness.runtime.onExec = (container, command) => {
    ran.push(`${container} ${command.join(' ')}`);
    return { exitCode: 0 };
  };
  const lifecycle = { preStop: { exec: { command: ['bye'] } } };
  await harness.add(
    podOf({
      terminationGracePeriodSeconds: 30,
      containers: [containerOf('app', { lifecycle, volumeMounts: [{ name: 'm', mountPath: '/m' }] })],
      volumes: [{ name: 'm', emptyDir: { medium: 'Memory' } }],
    }),
  );
  t.is(harness.mounter.mounts.size, 1);
  await harness.client.delete(PODS, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 30 });
  await harness.deliver();
  await harness.settle();
  t.deepEqual(ran, ['app bye']);
  t.true(harness.runtime.calls.includes('stopContainer app 30'));
  t.is(harness.runtime.containers.size, 0);
  t.is(harness.runtime.sandboxes.size, 0);
  t.is(harness.mounter.mounts.size, 0);
  t.false(existsSync(harness.machinery.paths.pod('uid-1')));
  t.true(isNotFound(await t.throwsAsync(harness.pod())));
  const last = harness.client.writes.at(-1);
  t.like(last, { verb: 'delete', resource: 'pods', name: 'web' });
});

test('a shorter grace period cuts a longer one short', async (t) => {
  const harness = await createHarness(t);
  harness.runtime.obedient = false;
  await harness.add(podOf({ terminationGracePeriodSeconds: 600 }));
  const ref = { namespace: 'default', name: 'web' };
  await harness.client.delete(PODS, ref, { gracePeriodSeconds: 600 });
  await harness.deliver();
  await waitFor('the stop has begun', () => harness.runtime.calls.includes('stopContainer app 600'));
  await harness.client.delete(PODS, ref, { gracePeriodSeconds: 3 });
  await harness.deliver();
  await waitFor('it is stopped anew', () => harness.runtime.calls.includes('stopContainer app 3'));
  await harness.clock.advance(3_500);
  await harness.settle();
  t.true(isNotFound(await t.throwsAsync(harness.pod())));
});

test('a pod that ends keeps its containers for their logs until it is deleted', async (t) => {
  const harness = await createHarness(t);
  await harness.add(podOf({ restartPolicy: 'Never' }));
  harness.runtime.exit('app', 0);
  await harness.settle();
  t.is((await harness.pod()).status?.phase, 'Succeeded');
  t.is(harness.runtime.containers.size, 1);
  t.truthy((await harness.pod()).status?.podIP, 'and the address that it had');
});
test('a pod past its deadline fails', async (t) => {
  const harness = await createHarness(t);
  await harness.add(podOf({ activeDeadlineSeconds: 60 }));
  await harness.clock.advance(59_000);
  await harness.settle();
  t.is((await harness.pod()).status?.phase, 'Running');
  await harness.clock.advance(2_000);
  await harness.settle();
  t.like((await harness.pod()).status, { phase: 'Failed', reason: 'DeadlineExceeded' });
});

test('a pod whose port is taken, or that does not fit, is refused', async (t) => {
  const harness = await createHarness(t);
  const ports = [{ containerPort: 80, hostPort: 8080 }];
  await harness.add(podOf({ containers: [containerOf('app', { ports })] }));
  await harness.add(podOf({ containers: [containerOf('app', { ports })] }, { name: 'second', uid: 'uid-2' }));
  t.like((await harness.pod('second')).status, {
    phase: 'Failed',
    reason: 'NodePorts',
    message: 'Pod was rejected: Predicate NodePorts failed',
  });
  const resources = { requests: { cpu: '5' } };
  await harness.add(
    podOf({ containers: [containerOf('app', { resources })] }, { name: 'big', uid: 'uid-3' }),
  );
  t.like((await harness.pod('big')).status, { phase: 'Failed', reason: 'OutOfcpu' });
  t.is((await harness.pod()).status?.phase, 'Running');
});

test('a pod waits for its secret, and starts when it is there', async (t) => {
  const harness = await createHarness(t);
  await harness.add(
    podOf({
      containers: [containerOf('app', { volumeMounts: [{ name: 's', mountPath: '/s' }] })],
      volumes: [{ name: 's', secret: { secretName: 'late' } }],
    }),
  );
  t.true(
    harness.events.some((event) =>
      event.startsWith('Warning FailedMount MountVolume.SetUp failed for volume "s" :'),
    ),
  );
  t.is((await harness.pod()).status?.phase, 'Pending');
  harness.client.seed(SECRETS, {
    metadata: { name: 'late', namespace: 'default' },
    data: { k: Buffer.from('v').toString('base64') },
  });
  await advanceUntil(harness, 'it runs', async () => (await harness.pod()).status?.phase === 'Running');
  const path = harness.machinery.paths.volume('uid-1', 'secret', 's');
  t.is(await readFile(`${path}/k`, 'utf8'), 'v');
});

test('a changed config map reaches the volume within a minute and a half', async (t) => {
  const harness = await createHarness(t);
  const map = (text: string) => ({ metadata: { name: 'cm', namespace: 'default' }, data: { k: text } });
  harness.client.seed(CONFIGMAPS, map('old'));
  await harness.add(
    podOf({
      containers: [containerOf('app', { volumeMounts: [{ name: 'c', mountPath: '/c' }] })],
      volumes: [{ name: 'c', configMap: { name: 'cm' } }],
    }),
  );
  const read = () => readFile(`${harness.machinery.paths.volume('uid-1', 'configmap', 'c')}/k`, 'utf8');
  t.is(await read(), 'old');
  await harness.client.update(CONFIGMAPS, map('new'));
  await harness.clock.advance(91_000);
  await harness.settle();
  t.is(await read(), 'new');
});

test('a failed liveness probe restarts the container with the probe’s own grace', async (t) => {
  const harness = await createHarness(t);
  const livenessProbe = {
    exec: { command: ['check'] },
    periodSeconds: 1,
    failureThreshold: 2,
    terminationGracePeriodSeconds: 5,
  };
  await harness.add(podOf({ containers: [containerOf('app', { livenessProbe })] }));
  harness.runtime.onExec = () => ({ exitCode: 1, stdout: 'sick' });
  await advanceUntil(
    harness,
    'it restarts',
    async () => ((await harness.pod()).status?.containerStatuses?.[0]?.restartCount ?? 0) > 0,
  );
  t.true(harness.runtime.calls.includes('stopContainer app 5'));
  t.true(harness.events.includes('Warning Unhealthy Liveness probe failed: sick'));
  t.true(harness.events.includes('Normal Killing Container app failed liveness probe, will be restarted'));
});

test('a startup probe holds back readiness and liveness', async (t) => {
  const harness = await createHarness(t);
  const probe = (name: string) => ({ exec: { command: [name] }, periodSeconds: 1, failureThreshold: 30 });
  const asked: string[] = [];
  let started = false;
  harness.runtime.onExec = (_container, [name = '']) => {
    asked.push(name);
    return { exitCode: name === 'startup' && !started ? 1 : 0 };
  };
  await harness.add(
    podOf({
      containers: [
        containerOf('app', {
          startupProbe: probe('startup'),
          readinessProbe: probe('readiness'),
          livenessProbe: probe('liveness'),
        }),
      ],
    }),
  );
  await harness.clock.advance(5_000);
  await harness.settle();
  t.deepEqual([...new Set(asked)], ['startup']);
  t.like((await harness.pod()).status?.containerStatuses?.[0], { started: false, ready: false });
  started = true;
  await advanceUntil(
    harness,
    'it is ready',
    async () => (await harness.pod()).status?.containerStatuses?.[0]?.ready === true,
  );
  t.deepEqual([...new Set(asked)].sort(), ['liveness', 'readiness', 'startup']);
});

test('a status that cannot be written is written later, the newest alone', async (t) => {
  const harness = await createHarness(t);
  let refuse = true;
  harness.client.onWrite = () => {
    if (refuse) throw new Error('unreachable');
  };
  await harness.add(podOf({ restartPolicy: 'Never' }));
  harness.runtime.exit('app', 3);
  await harness.settle();
  t.is((await harness.pod()).status, undefined);
  refuse = false;
  await advanceUntil(
    harness,
    'it is written',
    async () => (await harness.pod()).status?.phase === 'Failed',
    500,
  );
  const phases = harness.client.writes.map(
    ({ body }) => (body as { status?: { phase?: string } }).status?.phase,
  );
  t.deepEqual(phases, ['Failed']);
});

test('sysctls that are not the pod’s own are refused', async (t) => {
  const harness = await createHarness(t);
  const sysctls = [{ name: 'kernel.msgmax', value: '1' }];
  await harness.add(podOf({ securityContext: { sysctls } }));
  t.like((await harness.pod()).status, { phase: 'Failed', reason: 'SysctlForbidden' });
});

test('a pod whose config map cannot be read any more keeps its volume and restarts', async (t) => {
  const harness = await createHarness(t);
  harness.client.seed(CONFIGMAPS, { metadata: { name: 'cm', namespace: 'default' }, data: { k: 'v' } });
  await harness.add(
    podOf({
      containers: [containerOf('app', { volumeMounts: [{ name: 'c', mountPath: '/c' }] })],
      volumes: [{ name: 'c', configMap: { name: 'cm' } }],
    }),
  );
  await harness.client.delete(CONFIGMAPS, { namespace: 'default', name: 'cm' });
  await harness.clock.advance(20_000);
  harness.runtime.exit('app', 1);
  await harness.settle();
  t.is((await harness.pod()).status?.containerStatuses?.[0]?.restartCount, 1);
});
