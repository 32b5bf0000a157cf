/** Three control planes and two workers from nothing; then each of them is lost in turn, and some for good. */
import type { ChildProcess } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { podsOf, readyPods } from '../e2e/workload.ts';
import { kubectlSkipReason, type Kubectl } from '../helpers/kubectl.ts';
import { busyboxImage } from '../helpers/oci-image.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { tryRun } from './command.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';
import { serverNetns } from './state.ts';
import { differences, systemInventory } from './up-command.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;
const IMAGE = 'slipway.local/busybox:1';
const CONTROL_PLANES = ['cp1', 'cp2', 'cp3'];
const SERVERS: HaServer[] = [
  ...CONTROL_PLANES.map((name): HaServer => ({ name, roles: ['control-plane', 'worker'] })),
  { name: 'w1', roles: ['worker'] },
  { name: 'w2', roles: ['worker'] },
];
const VIRTUAL = '10.77.0.100';
const API = { api: { virtualAddress: VIRTUAL } };
const ALL = SERVERS.map(({ name }) => name);

let cluster: HaCluster;
let kubectl: Kubectl;
let writer: Writer;

/** Acknowledged writes of a client that has every API server in its list. */
class Writer {
  readonly #child: ChildProcess;
  readonly acknowledged: Array<{ atMs: number; count: number; revision: number }> = [];

  constructor(child: ChildProcess) {
    this.#child = child;
    if (!child.stdout) throw new Error('no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [atMs = 0, count = 0, revision = 0] = line.split(' ').map(Number);
      this.acknowledged.push({ atMs, count, revision });
    });
  }

  /** Resolves when five more writes were acknowledged; gives the longest time between two since `sinceMs`. */
  async goesOn(): Promise<number> {
    const start = Math.max(0, this.acknowledged.length - 1);
    await waitFor('writes go on', () => this.acknowledged.length > start + 6, { timeoutMs: 60_000 });
    const times = this.acknowledged.slice(start).map(({ atMs }) => atMs);
    return Math.max(...times.slice(1).map((atMs, i) => atMs - (times[i] ?? atMs)));
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(900_000);
  cluster = await HaCluster.prepare(`ha-${process.pid}`, ALL);
});
test.after.always(async () => {
  writer?.stop();
  await cluster?.lab.close();
});

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** kubectl on a server itself, whatever its way to the others is. */
async function kubectlOn(
  name: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const flags = [
    `--kubeconfig=${join(cluster.state, 'admin.kubeconfig')}`,
    '--server=https://127.0.0.1:6443',
  ];
  const namespace = `--net=/run/netns/${serverNetns(cluster.lab.id, name)}`;
  return await tryRun('nsenter', [namespace, '--', 'kubectl', ...flags, '--request-timeout=8s', ...args]);
}

/** Whoever holds the virtual address answers there. */
async function virtualAddressAnswers(): Promise<void> {
  const flags = [
    `--kubeconfig=${join(cluster.state, 'admin.kubeconfig')}`,
    `--server=https://${VIRTUAL}:6443`,
  ];
  await waitFor(
    'the virtual address answers',
    async () => {
      const { code } = await cluster.lab.fabricTryExec([
        'kubectl',
        ...flags,
        '--request-timeout=2s',
        'get',
        'nodes',
      ]);
      return code === 0;
    },
    { timeoutMs: 60_000 },
  );
}

/** Every control plane's own API server is ready, and every node too. */
async function healed(names: readonly string[] = ALL): Promise<void> {
  for (const name of CONTROL_PLANES.filter((each) => names.includes(each))) {
    const ready = async () => (await kubectlOn(name, 'get', '--raw', '/readyz')).code === 0;
    await waitFor(`the API server of ${name} is ready`, ready, { timeoutMs: 120_000 });
  }
  await cluster.nodesReady(kubectl, names);
}

labTest(
  'one command makes three control planes with etcd and two workers, and a second one changes nothing',
  async (t) => {
    await cluster.describe(SERVERS, API);
    const startedMs = performance.now();
    await slipway('up');
    t.log(`3 control planes and 2 workers: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    kubectl = await cluster.kubectl(...CONTROL_PLANES);
    await cluster.nodesReady(kubectl, ALL);
    t.regex(await slipway('up'), /^no changes, in [\d.]+ s$/m);
    const endpoints = async (): Promise<string> =>
      await kubectl('get', 'endpoints', 'kubernetes', '-o', 'jsonpath={.subsets[*].addresses[*].ip}');
    const addresses = CONTROL_PLANES.map((name) => cluster.server(name).address).join(' ');
    await waitFor('kubernetes.default leads to all three', async () => (await endpoints()) === addresses);
    for (const name of CONTROL_PLANES) {
      const server = cluster.server(name);
      const modes = await server.exec(
        `stat -c '%a %U %n' /var/lib/slipway/etcd/data /etc/kubernetes/pki/etcd/*.key; systemctl is-active etcd || true`,
      );
      t.regex(modes, /^700 etcd \/var\/lib\/slipway\/etcd\/data$/m);
      t.notRegex(modes, /^(?!600|700)\d+ /m, 'keys and data are for their owners alone');
      t.regex(modes, /^inactive$/m, 'Debian’s own etcd does not run');
      t.is(
        await server.exec('ls /etc/kubernetes/pki/etcd | grep ca.key || true'),
        '',
        'the root key is not there',
      );
    }
    const anonymous = await cluster.lab.fabricTryExec([
      'sh',
      '-c',
      `echo | openssl s_client -connect ${cluster.server('cp1').address}:2380 -tls1_2 2>&1; true`,
    ]);
    t.regex(anonymous.stdout, /certificate required|alert/i, 'peers must prove who they are');
  },
);

labTest('any server is cut off: writes go on, its pods run elsewhere, it returns and heals', async (t) => {
  const image = await busyboxImage(IMAGE);
  for (const server of cluster.lab.servers) {
    await server.exec('ctr -n k8s.io images import -', { input: image });
  }
  await kubectl.withInput(STAYS_UP, 'apply', '-f', '-');
  const before = await readyPods(kubectl, 'app=stays', 2);
  const child = fileURLToPath(new URL('writer-child.ts', import.meta.url));
  // It has the API servers alone: what is measured is how our client moves on, not the address.
  const kubeconfig = join(cluster.lab.directory, 'writer.kubeconfig');
  const people = await readFile(join(cluster.state, 'admin.kubeconfig'), 'utf8');
  const { address } = cluster.server('cp1');
  await writeFile(kubeconfig, people.replaceAll(`//${VIRTUAL}:`, `//${address}:`), { mode: 0o600 });
  writer = new Writer(
    cluster.lab.fabricSpawn([process.execPath, child, kubeconfig], { stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  await writer.goesOn();
  await cluster.server('w1').linkDown();
  for (const name of CONTROL_PLANES) {
    await cluster.server(name).linkDown();
    t.log(`${name} cut off: longest pause between writes ${await writer.goesOn()} ms`);
    await virtualAddressAnswers();
    await cluster.server(name).linkUp();
    const ready = async () => (await kubectlOn(name, 'get', '--raw', '/readyz')).code === 0;
    await waitFor(`the API server of ${name} is ready again`, ready, { timeoutMs: 60_000 });
  }
  const moved = await waitFor(
    'the pods of w1 run elsewhere',
    async () => {
      const pods = await podsOf(kubectl, 'app=stays');
      const alive = pods.filter(
        ({ metadata, status }) => !metadata.deletionTimestamp && status.phase === 'Running',
      );
      return alive.length === 2 && alive.every(({ spec }) => spec.nodeName !== 'w1') ? alive : undefined;
    },
    { timeoutMs: 180_000 },
  );
  t.true(before.some(({ spec }) => spec.nodeName === 'w1') && moved.length === 2);
  await cluster.server('w1').linkUp();
  await healed();
  const revisions = writer.acknowledged.map(({ revision }) => revision);
  t.deepEqual(
    revisions,
    revisions.toSorted((a, b) => a - b),
    'revisions only grow',
  );
});

labTest('a minority takes no writes; without a quorum nobody does; afterwards all is well', async (t) => {
  await cluster.server('cp3').linkDown();
  await writer.goesOn();
  const alone = await kubectlOn('cp3', 'create', 'configmap', 'minority');
  t.not(alone.code, 0, alone.stdout);
  await cluster.server('cp2').linkDown();
  await waitFor('no writes are acknowledged', async () => {
    const count = writer.acknowledged.length;
    return (
      (await kubectlOn('cp1', 'create', 'configmap', 'nobody')).code !== 0 &&
      writer.acknowledged.length === count
    );
  });
  await Promise.all(['cp2', 'cp3'].map((name) => cluster.server(name).linkUp()));
  await writer.goesOn();
  await healed();
  const names = await kubectl('get', 'configmaps', '-o', 'name');
  t.notRegex(names, /minority/, 'what was refused did not happen');
  const [last] = writer.acknowledged.slice(-1);
  const { data } = await kubectl.json<{ data: { count: string } }>('get', 'configmap', 'written');
  t.true(Number(data.count) >= (last?.count ?? 0), 'what was acknowledged is there');
});

labTest('a budget holds a removal back: it is named, and the node takes pods again', async (t) => {
  await kubectl.withInput(HELD, 'apply', '-f', '-');
  const [pod] = await readyPods(kubectl, 'app=held', 1);
  t.is(pod?.spec.nodeName, 'w2');
  // The numbers that a disruption controller writes.
  const status = {
    observedGeneration: 1,
    disruptionsAllowed: 0,
    currentHealthy: 1,
    desiredHealthy: 1,
    expectedPods: 1,
  };
  await kubectl(
    'patch',
    'pdb',
    'held',
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({ status }),
  );
  const result = await cluster.slipway(['remove', 'w2', '--drain-timeout', '2', '--delete-emptydir-data']);
  t.is(result.code, 1, result.stdout + result.stderr);
  t.regex(
    result.stderr,
    /default\/held-\S+: The disruption budget held needs 1 healthy pods and has 1 currently/,
  );
  t.regex(result.stderr, /\[E_DRAIN\]/);
  const spec = await kubectl('get', 'node', 'w2', '-o', 'jsonpath={.spec.unschedulable}');
  t.is(spec, '', 'it is not cordoned any more');
  const refused = await cluster.slipway(['remove', 'w2']);
  t.is(refused.code, 2, refused.stdout + refused.stderr);
  t.regex(refused.stderr, /these pods would lose the data of their emptyDir volumes: default\/held-/);
});

labTest('a worker is removed: its pods move, nobody else is touched', async (t) => {
  await kubectl('delete', 'pdb', 'held');
  const others = ALL.filter((name) => name !== 'w2');
  const before = await Promise.all(
    others.map((name) => systemInventory(cluster.server(name), ['/etc', '/opt', '/usr'])),
  );
  await slipway('remove', 'w2', '--delete-emptydir-data');
  await cluster.nodesReady(kubectl, others);
  for (const [index, name] of others.entries()) {
    const after = await systemInventory(cluster.server(name), ['/etc', '/opt', '/usr']);
    t.deepEqual(differences(before[index] ?? '', after), [], name);
  }
  const pods = await readyPods(kubectl, 'app=stays', 2);
  t.true(pods.every(({ spec }) => spec.nodeName !== 'w2'));
  t.regex(await slipway('remove', 'w2'), /^w2 was not in the cluster/m);
  t.is(
    await cluster.server('w2').exec('systemctl is-active slipway-kubelet 2>/dev/null || true'),
    'inactive\n',
  );
});

labTest(
  'the first control plane is removed like any other, and one of its name and address takes its place',
  async (t) => {
    await cluster.describe(
      SERVERS.filter(({ name }) => name !== 'w2'),
      API,
    );
    await slipway('remove', 'cp1', '--keep-files');
    await cluster.nodesReady(kubectl, ['cp2', 'cp3', 'w1']);
    await writer.goesOn();
    const { code, stderr } = await cluster.slipway(['remove', 'cp2', '--dead']);
    t.is(code, 2);
    t.regex(stderr, /cp2 is Ready: it does not look dead/);
    // As a power cut in the middle of a member's first write would leave it (etcd's issue 16596).
    await cluster.server('cp1').exec(`
      cd /var/lib/slipway && mkdir -p etcd/data/member/snap etcd/data/member/wal
      head -c 16384 /dev/urandom > etcd/data/member/snap/db
      echo ETCD_INITIAL_CLUSTER_STATE=existing > etcd/initial.env
      chown -R etcd:etcd etcd`);
    await slipway('join');
    await healed(['cp1', 'cp2', 'cp3', 'w1']);
    await writer.goesOn();
    t.regex(await slipway('up'), /^no changes, in [\d.]+ s$/m);
  },
);

/** Two pods that leave a lost server at once. */
const STAYS_UP = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: stays }
spec:
  replicas: 2
  selector: { matchLabels: { app: stays } }
  template:
    metadata: { labels: { app: stays } }
    spec:
      terminationGracePeriodSeconds: 1
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - { weight: 100, preference: { matchExpressions: [{ key: kubernetes.io/hostname, operator: In, values: [w1, w2] }] } }
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - { labelSelector: { matchLabels: { app: stays } }, topologyKey: kubernetes.io/hostname }
      tolerations:
        - { key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 1 }
        - { key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 1 }
      containers:
        - { name: main, image: '${IMAGE}', imagePullPolicy: Never, command: [sleep, '100000'] }
`;

/** A pod on w2 with local data, and a budget that never lets it go. */
const HELD = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: held }
spec:
  replicas: 1
  selector: { matchLabels: { app: held } }
  template:
    metadata: { labels: { app: held } }
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: { kubernetes.io/hostname: w2 }
      volumes: [{ name: scratch, emptyDir: {} }]
      containers:
        - name: main
          image: '${IMAGE}'
          imagePullPolicy: Never
          command: [sleep, '100000']
          volumeMounts: [{ name: scratch, mountPath: /scratch }]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: held }
spec:
  minAvailable: 1
  selector: { matchLabels: { app: held } }
`;
