import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { GrpcRuntime } from '../../src/kubelet/cri/grpc-runtime.ts';
import { runtimeContract } from '../contract/cri-runtime.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { startKubeletNode, type KubeletNode } from './kubelet-node.ts';
import { labSkipReason } from './machine.ts';

const reason = labSkipReason();
const labTest = reason ? test.serial.skip : test.serial;
if (reason) test.serial.skip(`kubelet in the lab: ${reason}`, () => {});

const IMAGE = 'slipway.local/busybox:1';
let node: KubeletNode;

test.before(async (t) => {
  t.timeout(180_000);
  if (reason) return;
  node = await startKubeletNode(`kubelet-${process.pid}`);
  await node.waitForNode();
});

test.after.always(async () => {
  if (!reason) await node?.close();
});

interface PodOptions {
  spec?: Record<string, unknown>;
  container?: Record<string, unknown>;
  labels?: Record<string, string>;
}

const sleeper = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];

function podOf(name: string, command: string[], options: PodOptions = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: options.labels ?? { app: name } },
    spec: {
      nodeName: 'n1',
      terminationGracePeriodSeconds: 2,
      containers: [
        { name: 'app', image: IMAGE, imagePullPolicy: 'IfNotPresent', command, ...options.container },
      ],
      ...options.spec,
    },
  };
}

async function create(t: ExecutionContext, object: object): Promise<void> {
  await node.kubectl(['create', '-f', '-'], JSON.stringify(object));
  const { name } = (object as { metadata: { name: string } }).metadata;
  const { kind } = object as { kind: string };
  t.teardown(async () => {
    await node.kubectl(['delete', kind, name, '--ignore-not-found', '--wait=true', '--grace-period=1']);
  });
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

const exec = (pod: string, ...command: string[]) => node.kubectl(['exec', pod, '--', ...command]);
const onNode = (command: string) => node.server.exec(command);
const containerId = (pod: string) => node.podField(pod, '.status.containerStatuses[0].containerID');
const uidOf = (pod: string) => node.podField(pod, '.metadata.uid');

/** kubectl with its streams, as in a terminal. */
async function stream(args: string[], input: string | Buffer, env: Record<string, string> = {}) {
  const child = node.lab.fabricSpawn(['kubectl', `--kubeconfig=${node.kubeconfigPath}`, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin?.end(input);
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() };
}

if (!reason) {
  runtimeContract(
    test.serial,
    'containerd',
    async () => {
      // The kubelet would end these pods: it does not know them.
      await onNode('systemctl stop slipway-kubelet');
      const socket = `${await node.server.rootPath()}/run/containerd/containerd.sock`;
      return { runtime: new GrpcRuntime(socket, systemClock), image: IMAGE, logDir: '/tmp/contract-logs' };
    },
    async ({ runtime }) => runtime.close(),
  );
}

labTest('the node joins with a token, registers, and keeps its certificates and lease', async (t) => {
  await onNode('systemctl start slipway-kubelet');
  await node.waitForNode();
  const conf = await onNode('cat /etc/kubernetes/kubelet.conf');
  t.regex(conf, /\/var\/lib\/kubelet\/pki\/kubelet-client-current\.pem/);
  const subject = await onNode(
    'openssl x509 -noout -subject -in /var/lib/kubelet/pki/kubelet-client-current.pem',
  );
  t.regex(subject, /O = system:nodes, CN = system:node:n1/);
  const found = JSON.parse(await node.kubectl(['get', 'node', 'n1', '-o=json'])) as {
    metadata: { labels: Record<string, string> };
    status: {
      addresses: object[];
      nodeInfo: Record<string, string>;
      capacity: Record<string, string>;
      conditions: Array<{ type: string; status: string }>;
    };
  };
  t.like(found.metadata.labels, { 'kubernetes.io/hostname': 'n1', 'kubernetes.io/os': 'linux' });
  t.deepEqual(found.status.addresses, [
    { type: 'InternalIP', address: node.server.address },
    { type: 'Hostname', address: 'n1' },
  ]);
  t.regex(found.status.nodeInfo.containerRuntimeVersion ?? '', /^containerd:\/\/1\./);
  t.regex(found.status.nodeInfo.osImage ?? '', /Debian/);
  t.is(found.status.nodeInfo.bootID, (await onNode('cat /proc/sys/kernel/random/boot_id')).trim());
  t.is(found.status.capacity.pods, '110');
  const renewed = () =>
    node.kubectl(['get', 'lease', 'n1', '-n', 'kube-node-lease', '-o=jsonpath={.spec.renewTime}']);
  const before = await renewed();
  await waitFor('the lease is renewed', async () => (await renewed()) !== before);
});

labTest('the server on 10250 asks who one is, and whether one may', async (t) => {
  const url = `https://${node.server.address}:10250/pods`;
  const code = (extra: string[]) =>
    node.lab.fabricExec(['curl', '-sk', '-o', '/dev/null', '-w', '%{http_code}', ...extra, url]);
  t.is(await code([]), '401');
  t.is(await code(['-H', 'Authorization: Bearer nonsense']), '401');
  const token = (await node.kubectl(['create', 'token', 'default'])).trim();
  t.is(await code(['-H', `Authorization: Bearer ${token}`]), '403');
  const root = await node.server.rootPath();
  const pki = `${root}/etc/kubernetes/pki/apiserver-kubelet-client`;
  t.is(await code(['--cert', `${pki}.crt`, '--key', `${pki}.key`]), '200');
});

labTest('statistics and metrics are read through the API server', async (t) => {
  await create(t, podOf('measured', sleeper));
  await untilReady('measured');
  const summary = JSON.parse(await node.kubectl(['get', '--raw=/api/v1/nodes/n1/proxy/stats/summary'])) as {
    node: { nodeName: string; memory: { workingSetBytes: number } };
    pods: Array<{ podRef: { name: string }; memory: { workingSetBytes: number } }>;
  };
  t.is(summary.node.nodeName, 'n1');
  t.true(summary.node.memory.workingSetBytes > 0);
  const pod = summary.pods.find(({ podRef }) => podRef.name === 'measured');
  t.true((pod?.memory.workingSetBytes ?? 0) > 0, JSON.stringify(summary.pods));
  await waitFor('the metrics count it', async () =>
    /^kubelet_running_pods [1-9]/m.test(await node.kubectl(['get', '--raw=/api/v1/nodes/n1/proxy/metrics'])),
  );
  const local = await onNode('busybox wget -qO- http://127.0.0.1:10248/healthz 2>/dev/null || true');
  t.true(local === 'ok' || local === '', local);
});

labTest('a pod runs with its init container, volumes, variables and probes, and shows it', async (t) => {
  await create(t, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings' },
    data: { one: '1', two: '2' },
  });
  await create(
    t,
    podOf('full', ['sh', '-c', 'echo started; httpd -f -p 80 -h /shared'], {
      spec: {
        securityContext: { fsGroup: 2000 },
        hostname: 'custom',
        hostAliases: [{ ip: '192.0.2.7', hostnames: ['elsewhere'] }],
        initContainers: [
          {
            name: 'init',
            image: IMAGE,
            command: ['sh', '-c', 'echo made > /shared/x'],
            volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
          },
        ],
        volumes: [
          { name: 'shared', emptyDir: {} },
          { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
          { name: 'settings', configMap: { name: 'settings', defaultMode: 256 } },
          {
            name: 'all',
            projected: {
              sources: [
                { serviceAccountToken: { path: 'token', audience: 'me' } },
                { configMap: { name: 'settings', items: [{ key: 'two', path: 'deep/zwei' }] } },
                { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
              ],
            },
          },
        ],
      },
      container: {
        env: [
          { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.memory' } } },
          { name: 'TWO', valueFrom: { configMapKeyRef: { name: 'settings', key: 'two' } } },
          { name: 'JOINED', value: '$(IP)-$(TWO)-$$(IP)' },
        ],
        resources: { limits: { memory: '64Mi', cpu: '500m' } },
        readinessProbe: { httpGet: { port: 80, path: '/x' }, periodSeconds: 1 },
        livenessProbe: { exec: { command: ['true'] }, periodSeconds: 1 },
        startupProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 },
        volumeMounts: [
          { name: 'shared', mountPath: '/shared' },
          { name: 'memory', mountPath: '/memory' },
          { name: 'settings', mountPath: '/settings' },
          { name: 'settings', mountPath: '/one', subPath: 'one' },
          { name: 'all', mountPath: '/all' },
        ],
      },
    }),
  );
  await untilReady('full');
  const ip = await node.podField('full', '.status.podIP');
  const variables = await exec('full', 'env');
  t.true(variables.includes(`JOINED=${ip}-2-$(IP)\n`), variables);
  t.true(variables.includes(`LIMIT=${64 * 1024 * 1024}\n`));
  t.regex(variables, /KUBERNETES_SERVICE_HOST=10\.96\.0\.1/);
  t.is(await exec('full', 'cat', '/one', '/all/deep/zwei', '/all/labels'), '12app="full"');
  t.is((await exec('full', 'hostname')).trim(), 'custom');
  const hosts = await exec('full', 'cat', '/etc/hosts');
  t.true(hosts.includes(`${ip}\tcustom\n`) && hosts.includes('192.0.2.7\telsewhere'));
  t.regex(await exec('full', 'cat', '/etc/resolv.conf'), /^search default\.svc\.cluster\.local svc/m);
  t.is((await exec('full', 'stat', '-c', '%g %a', '/shared')).trim(), '2000 2777');
  t.is((await exec('full', 'stat', '-Lc', '%g %a', '/settings/two')).trim(), '2000 440');
  t.regex(await exec('full', 'df', '/memory'), /tmpfs\s+1024/);
  const token = await exec('full', 'cat', '/all/token');
  t.like(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()), { aud: ['me'] });
  // The init container has no limits, and counts.
  t.is(await node.podField('full', '.status.qosClass'), 'Burstable');
  const id = (await containerId('full')).replace('containerd://', '');
  const cgroup = await onNode(
    `grep memory /proc/$(ctr -n k8s.io task ls | awk '$1=="${id}"{print $2}')/cgroup`,
  );
  t.true(cgroup.includes(`/kubepods/burstable/pod${await uidOf('full')}/`), cgroup);
  t.is(await node.podField('full', '.status.initContainerStatuses[0].state.terminated.reason'), 'Completed');
  const conditions = await node.podField('full', '.status.conditions[*].type');
  t.deepEqual(conditions.split(' ').sort(), [
    'ContainersReady',
    'Initialized',
    'PodReadyToStartContainers',
    'PodScheduled',
    'Ready',
  ]);
});

labTest('a changed config map appears in the volume, all of it at once', async (t) => {
  await create(t, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'live' }, data: { a: 'old' } });
  const volumes = [{ name: 'live', configMap: { name: 'live' } }];
  await create(
    t,
    podOf('live', sleeper, {
      spec: { volumes },
      container: { volumeMounts: [{ name: 'live', mountPath: '/live' }] },
    }),
  );
  await untilReady('live');
  t.is(await exec('live', 'cat', '/live/a'), 'old');
  await node.kubectl([
    'patch',
    'configmap',
    'live',
    '--type=json',
    '-p',
    '[{"op":"replace","path":"/data","value":{"b":"new"}}]',
  ]);
  // A touch of the pod asks the kubelet to look now, rather than within a minute and a half.
  await waitFor('the volume follows', async () => {
    await node.kubectl(['annotate', 'pod', 'live', `at=${systemClock.now()}`, '--overwrite']);
    return (await exec('live', 'ls', '/live')).trim() === 'b';
  });
  t.is(await exec('live', 'cat', '/live/b'), 'new');
});

labTest('logs: both outputs, the last lines, times, a limit, following, and the run before', async (t) => {
  const script = 'trap "exit 3" TERM; for i in 1 2 3 4 5; do echo line $i; done; while :; do sleep 0.1; done';
  await create(t, podOf('talker', ['sh', '-c', script]));
  await untilReady('talker');
  const logs = (...flags: string[]) => node.kubectl(['logs', 'talker', ...flags]);
  await waitFor('the lines are written', async () => (await logs()).includes('line 5'));
  // The two outputs are two pipes: only what is written after the other was read has a certain place.
  await exec('talker', 'sh', '-c', 'echo trouble > /proc/1/fd/2');
  await waitFor('all is written', async () => (await logs()).includes('trouble'));
  t.is(await logs(), 'line 1\nline 2\nline 3\nline 4\nline 5\ntrouble\n');
  t.is(await logs('--tail=2'), 'line 5\ntrouble\n');
  t.is(await logs('--limit-bytes=9'), 'line 1\nli');
  t.regex(await logs('--timestamps', '--tail=1'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z trouble\n$/);
  t.is(await logs('--since=1h'), await logs());
  await t.throwsAsync(logs('--previous'), {
    message: /previous terminated container "app" in pod "talker" not found/,
  });
  const following = stream(['logs', 'talker', '-f'], '');
  await exec('talker', 'sh', '-c', 'echo more > /proc/1/fd/1; sleep 0.5; kill -TERM 1');
  const followed = await following;
  t.true(followed.stdout.toString().endsWith('trouble\nmore\n'), followed.stdout.toString());
  await untilField('talker', '.status.containerStatuses[0].restartCount', '1');
  await untilReady('talker');
  t.true((await logs('--previous')).endsWith('more\n'));
});

for (const [protocol, flag] of [
  ['WebSocket', 'true'],
  ['SPDY', 'false'],
] as const) {
  const env = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: flag, KUBECTL_PORT_FORWARD_WEBSOCKETS: flag };

  labTest(`exec over ${protocol}: input to its end, output, errors, exit code`, async (t) => {
    await create(t, podOf('shell', sleeper));
    await untilReady('shell');
    const big = Buffer.alloc(3_000_000, 'slipway ');
    const counted = await stream(['-v=4', 'exec', '-i', 'shell', '--', 'wc', '-c'], big, env);
    t.notRegex(counted.stderr, /fallback/i, 'the protocol is spoken itself');
    t.is(counted.stdout.toString().trim(), '3000000');
    const echoed = await stream(['exec', '-i', 'shell', '--', 'cat'], big, env);
    t.true(echoed.stdout.equals(big), `${echoed.stdout.length} bytes came back`);
    const failed = await stream(
      ['exec', 'shell', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'],
      '',
      env,
    );
    t.like(failed, { code: 7 });
    t.is(failed.stdout.toString(), 'out\n');
    t.regex(failed.stderr, /^err$/m);
    const missing = await stream(['exec', 'shell', '--', 'no-such-command'], '', env);
    t.not(missing.code, 0);
    t.regex(missing.stderr, /no-such-command/);
  });

  labTest(`port-forward over ${protocol} reaches a port of the pod`, async (t) => {
    const serve = 'mkdir /www; echo here > /www/x; httpd -f -p 8080 -h /www';
    await create(t, podOf('served', ['sh', '-c', serve]));
    await untilReady('served');
    const child = node.lab.fabricSpawn(
      ['kubectl', `--kubeconfig=${node.kubeconfigPath}`, '-v=7', 'port-forward', 'pod/served', '18080:8080'],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } },
    );
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    try {
      const body = await waitFor('the port answers', () =>
        node.lab.fabricExec(['curl', '-sf', '-m', '5', 'http://127.0.0.1:18080/x']),
      );
      t.is(body, 'here\n');
      const again = await node.lab.fabricExec(['curl', '-sf', '-m', '5', 'http://127.0.0.1:18080/x']);
      t.is(again, 'here\n');
      t.notRegex(said, /fallback/i, 'the protocol is spoken itself');
    } finally {
      child.kill('SIGTERM');
      await once(child, 'close');
    }
  });
}

labTest('exec with a terminal, and attach to a running container', async (t) => {
  await create(t, podOf('tty', ['sh', '-c', 'cat'], { container: { stdin: true, tty: true } }));
  await untilReady('tty');
  const kubectl = `kubectl --kubeconfig=${node.kubeconfigPath}`;
  const typed = await node.lab.fabricExec([
    'script',
    '-qc',
    `${kubectl} exec -it tty -- sh -c 'test -t 0 && echo terminal; stty size'`,
    '/dev/null',
  ]);
  t.regex(typed, /terminal/);
  const attached = node.lab.fabricSpawn(
    ['kubectl', `--kubeconfig=${node.kubeconfigPath}`, 'attach', '-i', 'tty'],
    { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env } },
  );
  let heard = '';
  attached.stdout?.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  attached.stdin?.write('spoken\n');
  await waitFor('the container answers', () => heard.includes('spoken'));
  attached.kill('SIGTERM');
  await once(attached, 'close');
});
