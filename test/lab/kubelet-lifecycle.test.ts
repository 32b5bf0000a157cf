import test, { type ExecutionContext } from 'ava';
import { waitFor } from '../helpers/wait-for.ts';
import { startKubeletNode, type KubeletNode } from './kubelet-node.ts';
import { labSkipReason } from './machine.ts';

const reason = labSkipReason();
const labTest = reason ? test.serial.skip : test.serial;
if (reason) test.serial.skip(`life of pods in the lab: ${reason}`, () => {});

const IMAGE = 'slipway.local/busybox:1';
const sleeper = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];
let node: KubeletNode;

test.before(async (t) => {
  t.timeout(180_000);
  if (reason) return;
  node = await startKubeletNode(`kubelife-${process.pid}`);
  await node.waitForNode();
});

test.after.always(async () => {
  if (!reason) await node?.close();
});

async function create(
  t: ExecutionContext,
  name: string,
  container: Record<string, unknown>,
  spec: Record<string, unknown> = {},
): Promise<void> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeName: 'n1',
      terminationGracePeriodSeconds: 2,
      containers: [{ name: 'app', image: IMAGE, imagePullPolicy: 'IfNotPresent', ...container }],
      ...spec,
    },
  };
  await node.kubectl(['create', '-f', '-'], JSON.stringify(pod));
  t.teardown(() =>
    node.kubectl(['delete', 'pod', name, '--ignore-not-found', '--wait=true', '--grace-period=1']),
  );
}

const untilField = (pod: string, path: string, wanted: string | RegExp, timeoutMs = 30_000) =>
  waitFor(
    `${pod} has ${path} ${String(wanted)}`,
    async () => {
      const value = await node.podField(pod, path);
      return typeof wanted === 'string' ? value === wanted : wanted.test(value);
    },
    { timeoutMs },
  );

const untilReady = (pod: string, timeoutMs?: number) =>
  untilField(pod, '.status.conditions[?(@.type=="Ready")].status', 'True', timeoutMs);
const containerId = (pod: string) => node.podField(pod, '.status.containerStatuses[0].containerID');
const restarts = (pod: string) => node.podField(pod, '.status.containerStatuses[0].restartCount');
const eventsOf = (pod: string) =>
  node.kubectl([
    'get',
    'events',
    `--field-selector=involvedObject.name=${pod}`,
    '-o=jsonpath={range .items[*]}{.reason}: {.message}{"\\n"}{end}',
  ]);

labTest('a container that fails restarts at once, then waits, and tells how it ended', async (t) => {
  await create(t, 'crash', {
    command: ['sh', '-c', 'echo last words > /dev/termination-log; exit 3'],
  });
  await untilField('crash', '.status.containerStatuses[0].state.waiting.reason', 'CrashLoopBackOff');
  const status = JSON.parse(await node.podField('crash', '.status.containerStatuses[0]')) as {
    restartCount: number;
    lastState: { terminated: Record<string, unknown> };
    state: { waiting: { message: string } };
  };
  t.true(status.restartCount >= 1);
  t.like(status.lastState.terminated, { exitCode: 3, reason: 'Error', message: 'last words\n' });
  t.regex(status.state.waiting.message, /^back-off 10s restarting failed container=app pod=crash_default\(/);
  t.is(await node.podField('crash', '.status.phase'), 'Running');
  t.regex(await eventsOf('crash'), /BackOff: Back-off restarting failed container app in pod crash_default/);
});

labTest('pods that may not restart end as Succeeded or Failed, and keep their logs', async (t) => {
  const once = { restartPolicy: 'Never' };
  await create(t, 'good', { command: ['echo', 'done'] }, once);
  await create(
    t,
    'bad',
    { command: ['sh', '-c', 'echo why >&2; exit 2'], terminationMessagePolicy: 'FallbackToLogsOnError' },
    once,
  );
  await untilField('good', '.status.phase', 'Succeeded');
  await untilField('bad', '.status.phase', 'Failed');
  t.is(await node.kubectl(['logs', 'good']), 'done\n');
  t.like(JSON.parse(await node.podField('bad', '.status.containerStatuses[0].state.terminated')), {
    exitCode: 2,
    message: 'why\n',
  });
  t.is(await node.podField('good', '.status.conditions[?(@.type=="Ready")].reason'), 'PodCompleted');
});

labTest('images: one that may not be pulled, one that cannot be, one without a name', async (t) => {
  await create(t, 'never', { image: 'slipway.local/none:1', imagePullPolicy: 'Never' });
  await create(t, 'unpullable', { image: 'slipway.invalid/none:1' });
  await create(t, 'nameless', { image: 'Not A Name' });
  const waiting = '.status.containerStatuses[0].state.waiting.reason';
  await untilField('never', waiting, 'ErrImageNeverPull');
  await untilField('nameless', waiting, 'InvalidImageName');
  await untilField('unpullable', waiting, /^(ErrImagePull|ImagePullBackOff)$/);
  await untilField('unpullable', waiting, 'ImagePullBackOff', 60_000);
  const events = await eventsOf('unpullable');
  for (const wanted of [
    /Pulling: Pulling image "slipway.invalid\/none:1"/,
    /Failed: Error: ErrImagePull/,
    /BackOff: Back-off pulling image/,
  ]) {
    t.regex(events, wanted);
  }
});

labTest('a failing liveness probe restarts the container; readiness takes it out and back', async (t) => {
  await create(t, 'probed', {
    command: ['sh', '-c', 'touch /ready /live; trap "exit 0" TERM; while :; do sleep 0.1; done'],
    readinessProbe: { exec: { command: ['test', '-e', '/ready'] }, periodSeconds: 1 },
    livenessProbe: { exec: { command: ['test', '-e', '/live'] }, periodSeconds: 1, failureThreshold: 2 },
  });
  await untilReady('probed');
  await node.kubectl(['exec', 'probed', '--', 'rm', '/ready']);
  await untilField('probed', '.status.conditions[?(@.type=="Ready")].reason', 'ContainersNotReady');
  await node.kubectl(['exec', 'probed', '--', 'touch', '/ready']);
  await untilReady('probed');
  t.is(await restarts('probed'), '0');
  await node.kubectl(['exec', 'probed', '--', 'rm', '/live']);
  await untilField('probed', '.status.containerStatuses[0].restartCount', '1');
  await untilReady('probed');
  t.regex(await eventsOf('probed'), /Killing: Container app failed liveness probe, will be restarted/);
});

labTest('deletion runs the hook, lets the container end, and leaves nothing behind', async (t) => {
  const hostPath = { name: 'host', hostPath: { path: '/var/tmp/hooks', type: 'DirectoryOrCreate' } };
  await create(
    t,
    'leaving',
    {
      command: ['sh', '-c', 'trap "echo term >> /host/order; exit 0" TERM; while :; do sleep 0.1; done'],
      lifecycle: {
        postStart: { exec: { command: ['sh', '-c', 'echo start >> /host/order'] } },
        preStop: { exec: { command: ['sh', '-c', 'echo stop >> /host/order'] } },
      },
      volumeMounts: [
        { name: 'host', mountPath: '/host' },
        { name: 'memory', mountPath: '/memory' },
        { name: 'host', mountPath: '/part', subPath: 'part' },
      ],
    },
    {
      terminationGracePeriodSeconds: 20,
      volumes: [hostPath, { name: 'memory', emptyDir: { medium: 'Memory' } }],
    },
  );
  await untilReady('leaving');
  const uid = await node.podField('leaving', '.metadata.uid');
  t.true((await node.server.exec(`grep -c ${uid} /proc/self/mountinfo`)).trim() >= '3');
  await node.kubectl(['delete', 'pod', 'leaving', '--wait=true']);
  t.is(await node.server.exec('cat /var/tmp/hooks/order'), 'start\nstop\nterm\n');
  t.true(
    (await node.server.exec('ls -d /var/tmp/hooks/part')).includes('part'),
    'the host’s own folder stays',
  );
  const left = await node.server.exec(
    `grep ${uid} /proc/self/mountinfo || true; ls -d /var/lib/kubelet/pods/${uid} /var/log/pods/*${uid}* 2>/dev/null || true;
     find /sys/fs/cgroup -type d -name '*${uid}*' || true; ctr -n k8s.io containers ls | grep ${uid} || true;
     find /var/log/containers -xtype l || true`,
  );
  t.is(left.trim(), '');
});

labTest('sidecars start before and end after the containers that they serve', async (t) => {
  const say = (who: string) => ({
    command: [
      'sh',
      '-c',
      `echo start ${who} >> /o/order; trap "echo end ${who} >> /o/order; exit 0" TERM; while :; do sleep 0.1; done`,
    ],
    volumeMounts: [{ name: 'o', mountPath: '/o' }],
  });
  await create(t, 'served', say('app'), {
    terminationGracePeriodSeconds: 10,
    initContainers: [
      {
        name: 'side',
        image: IMAGE,
        restartPolicy: 'Always',
        startupProbe: { exec: { command: ['test', '-e', '/o/order'] }, periodSeconds: 1 },
        ...say('side'),
      },
    ],
    volumes: [{ name: 'o', hostPath: { path: '/var/tmp/sidecar', type: 'DirectoryOrCreate' } }],
  });
  await untilReady('served');
  await node.kubectl(['delete', 'pod', 'served', '--wait=true']);
  t.is(await node.server.exec('cat /var/tmp/sidecar/order'), 'start side\nstart app\nend app\nend side\n');
});

labTest('security: user, groups, read-only root, capabilities, no new privileges, seccomp', async (t) => {
  await create(
    t,
    'secure',
    {
      command: sleeper,
      securityContext: {
        runAsUser: 1234,
        runAsGroup: 5678,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      },
    },
    {
      securityContext: {
        supplementalGroups: [777],
        sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '80' }],
      },
    },
  );
  await untilReady('secure');
  const shell = (script: string) => node.kubectl(['exec', 'secure', '--', 'sh', '-c', script]);
  t.regex(await shell('id'), /uid=1234 gid=5678 groups=777,5678|uid=1234 gid=5678 groups=5678,777/);
  t.regex(await shell('touch /x 2>&1 || true'), /Read-only file system/);
  const status = await shell('cat /proc/1/status');
  t.regex(status, /^CapBnd:\s+0000000000000000$/m);
  t.regex(status, /^NoNewPrivs:\s+1$/m);
  t.regex(status, /^Seccomp:\s+2$/m);
  t.is((await shell('cat /proc/sys/net/ipv4/ip_unprivileged_port_start')).trim(), '80');
  await create(t, 'rootless', { command: sleeper, securityContext: { runAsNonRoot: true } });
  await untilField(
    'rootless',
    '.status.containerStatuses[0].state.waiting.reason',
    'CreateContainerConfigError',
  );
});

labTest('kill -9 of the kubelet and of containerd restarts no container', async (t) => {
  const probe = { exec: { command: ['true'] }, periodSeconds: 1 };
  await create(t, 'steady', { command: sleeper, readinessProbe: probe, livenessProbe: probe });
  await untilReady('steady');
  const id = await containerId('steady');
  const transition = () =>
    node.podField('steady', '.status.conditions[?(@.type=="Ready")].lastTransitionTime');
  const before = await transition();
  const kill = async (unit: string) => {
    const pid = (await node.server.exec(`systemctl show -p MainPID --value ${unit}`)).trim();
    await node.server.exec(`kill -9 ${pid}`);
    await waitFor(`${unit} is back`, async () => {
      const now = (await node.server.exec(`systemctl show -p MainPID --value ${unit}`)).trim();
      return now !== pid && now !== '0';
    });
  };
  await kill('slipway-kubelet');
  await kill('containerd');
  await node.server.exec('systemctl restart containerd slipway-kubelet');
  // A pod that comes after shows that all of them work again.
  await create(t, 'after', { command: sleeper });
  await untilReady('after', 60_000);
  t.is(await containerId('steady'), id);
  t.is(await restarts('steady'), '0');
  t.is(await transition(), before, 'the pod was Ready all the time');
  t.is((await node.kubectl(['exec', 'steady', '--', 'echo', 'alive'])).trim(), 'alive');
});

labTest('a pod that was removed while the kubelet was down is ended when it is back', async (t) => {
  await create(t, 'orphan', { command: sleeper });
  await untilReady('orphan');
  const id = (await containerId('orphan')).replace('containerd://', '');
  await node.server.exec('systemctl stop slipway-kubelet');
  await node.kubectl(['delete', 'pod', 'orphan', '--force', '--grace-period=0']);
  t.regex(await node.server.exec('ctr -n k8s.io task ls'), new RegExp(id));
  await node.server.exec('systemctl start slipway-kubelet');
  await waitFor(
    'the container is gone',
    async () => !(await node.server.exec('ctr -n k8s.io containers ls')).includes(id),
  );
  t.pass();
});

labTest('a reboot brings the pods back in new sandboxes, counted as a restart', async (t) => {
  t.timeout(180_000);
  await create(
    t,
    'rebooted',
    { command: sleeper, volumeMounts: [{ name: 'd', mountPath: '/d' }] },
    {
      volumes: [{ name: 'd', emptyDir: {} }],
    },
  );
  await untilReady('rebooted');
  await node.kubectl(['exec', 'rebooted', '--', 'sh', '-c', 'echo kept > /d/x; sync']);
  const id = await containerId('rebooted');
  await node.server.powerCut();
  await node.server.boot();
  await node.server.waitForSsh();
  await node.waitForNode();
  await untilField('rebooted', '.status.containerStatuses[0].restartCount', '1', 60_000);
  await untilReady('rebooted', 60_000);
  t.not(await containerId('rebooted'), id);
  t.is((await node.kubectl(['exec', 'rebooted', '--', 'cat', '/d/x'])).trim(), 'kept');
  t.regex(await node.kubectl(['get', 'events', '-o=jsonpath={.items[*].reason}']), /Rebooted/);
});

labTest('a static pod runs from its manifest, has a mirror, and goes with its manifest', async (t) => {
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'static' },
    spec: { containers: [{ name: 'app', image: IMAGE, command: sleeper }], terminationGracePeriodSeconds: 1 },
  };
  await node.server.writeFile('/etc/kubernetes/manifests/static.json', JSON.stringify(manifest));
  await untilReady('static-n1');
  t.is(await node.podField('static-n1', '.metadata.ownerReferences[0].kind'), 'Node');
  t.is((await node.kubectl(['exec', 'static-n1', '--', 'echo', 'hi'])).trim(), 'hi');
  await node.kubectl(['delete', 'pod', 'static-n1', '--wait=false']);
  await waitFor(
    'the mirror comes back',
    async () => (await node.podField('static-n1', '.metadata.deletionTimestamp')) === '',
  );
  await node.server.exec('rm /etc/kubernetes/manifests/static.json');
  await waitFor('pod and mirror are gone', async () =>
    (await node.kubectl(['get', 'pods', '-o=name'])).includes('static') ? undefined : true,
  );
  t.pass();
});

labTest('the idle kubelet is small', async (t) => {
  const pid = (await node.server.exec('systemctl show -p MainPID --value slipway-kubelet')).trim();
  const rollup = await node.server.exec(`cat /proc/${pid}/smaps_rollup`);
  const pssMb = Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]) / 1024;
  t.log(`PSS ${pssMb.toFixed(0)} MB`);
  t.true(pssMb < 75, `${pssMb} MB`);
});
