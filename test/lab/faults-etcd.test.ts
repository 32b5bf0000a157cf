/** Five control planes, and what goes wrong with their store; many minutes: `npm run test:all`. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { podsOf, readyPods } from '../e2e/workload.ts';
import { kubectlSkipReason, type Kubectl } from '../helpers/kubectl.ts';
import { busyboxImage } from '../helpers/oci-image.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { flipBit } from './faults.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';
import type { LabServer } from './server.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const longTest = skip === undefined && process.env['TEST_ALL'] ? test.serial : test.serial.skip;

const NAMES = ['cp1', 'cp2', 'cp3', 'cp4', 'cp5'];
const SERVERS: HaServer[] = NAMES.map((name) => ({ name, roles: ['control-plane', 'worker'] }));
const IMAGE = 'slipway.local/busybox:1';
const DATABASE = '/var/lib/slipway/etcd/data/member/snap/db';
let cluster: HaCluster;
let kubectl: Kubectl;

test.before(async (t) => {
  if (skip !== undefined || !process.env['TEST_ALL']) return;
  t.timeout(900_000);
  cluster = await HaCluster.prepare(`fetcd-${process.pid}`, NAMES);
  await cluster.describe(SERVERS);
  // A disk that can be filled without the others noticing; it is gone when that server is.
  await cluster.server('cp4').limitSpace('/var/lib/slipway/etcd', 400 * 1024);
});
test.after.always(async () => cluster?.lab.close());

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args, 600_000);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

const etcdIs = (server: LabServer, state: string): Promise<unknown> =>
  waitFor(
    `etcd on ${server.name} is ${state}`,
    async () => (await server.tryExec('systemctl is-active slipway-etcd')).stdout.trim() === state,
    { timeoutMs: 60_000, intervalMs: 50 },
  );

/** What a power cut in the middle of a write leaves of a database: its first pages are none. */
const tear = (server: LabServer): Promise<string> =>
  server.exec(
    `dd if=/dev/urandom of=${DATABASE} bs=4096 count=4 conv=notrunc 2>/dev/null; stat -c %s ${DATABASE}`,
  );

const writes = (name: string): Promise<unknown> =>
  waitFor('writes go on', async () => (await kubectl.try(['create', 'configmap', name])).code === 0, {
    timeoutMs: 60_000,
  });

/** Takes a member out whose data is damaged, and lets the server join again with none: it gets the others' data. */
async function resync(name: string): Promise<void> {
  await slipway('remove', name, '--keep-files', '--delete-emptydir-data');
  await slipway('join', '--node', name);
  await cluster.nodesReady(kubectl, NAMES);
}

longTest(
  'the power goes while etcd writes its first page: the next run begins that member anew',
  async (t) => {
    t.timeout(600_000);
    const cp1 = cluster.server('cp1');
    const child = await cluster.start(['up', '--output', 'json']);
    const ended = once(child, 'close');
    let cut: Promise<void> | undefined;
    if (!child.stdout) throw new Error('no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { type, change = '' } = JSON.parse(line) as { type: string; change?: string };
      if (type !== 'change' || !change.startsWith('bootstrap etcd')) return;
      cut = (async () => {
        await waitFor(
          'the database is there',
          async () => (await cp1.tryExec(`test -s ${DATABASE}`)).code === 0,
          { intervalMs: 5 },
        );
        child.kill('SIGKILL');
        await tear(cp1);
        await cp1.powerCut();
      })();
    });
    await ended;
    t.truthy(cut, 'etcd was begun');
    await cut;
    await cp1.boot();
    await cp1.waitForSsh();
    t.is((await cp1.tryExec('test -e /var/lib/slipway/etcd/initial.env')).code, 0, 'it has never served');
    const startedMs = performance.now();
    await slipway('up');
    t.log(`five control planes: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    kubectl = await cluster.kubectl(...NAMES);
    await cluster.nodesReady(kubectl, NAMES);
    t.regex(await slipway('up'), /^no changes/m);
  },
);

longTest(
  'a member that has served and whose database is torn is not wiped by up; it gets the others’ data by leaving and joining',
  async (t) => {
    t.timeout(600_000);
    const cp3 = cluster.server('cp3');
    await cp3.exec('systemctl stop slipway-etcd');
    const bytes = await tear(cp3);
    const refused = await cluster.slipway(['up'], 300_000);
    t.is(refused.code, 1, refused.stdout + refused.stderr);
    t.regex(
      refused.stderr,
      /cp3: etcd does not serve.*slipway remove cp3 --keep-files.*\[E_NOT_READY\]|cp3: etcd does not serve.*\[E_NOT_READY\].*slipway remove cp3 --keep-files/s,
    );
    t.is(await cp3.exec(`stat -c %s ${DATABASE}`), bytes, 'nothing was thrown away');
    await writes('beside-a-torn-member');
    await resync('cp3');
    t.regex(await slipway('up'), /^no changes/m);
  },
);

longTest(
  'a flipped bit in a member’s database is found by comparing members, which is replaced from the others',
  async (t) => {
    t.timeout(600_000);
    const cp2 = cluster.server('cp2');
    await kubectl('create', 'configmap', 'needle', '--from-literal=a=this-needle-is-looked-for');
    await waitFor(
      'it is in the file',
      async () => (await cp2.tryExec(`grep -c this-needle-is-looked-for ${DATABASE}`)).code === 0,
    );
    await cp2.exec('systemctl stop slipway-etcd');
    await flipBit(cp2, DATABASE, 'this-needle-is-looked-for');
    await cp2.exec('systemctl start slipway-etcd || true');
    await waitFor(
      'status says which member differs',
      async () => {
        const { stdout } = await cluster.slipway(['status']);
        return /^! etcd on cp2 says: its data differs from that of the others at revision \d+: "slipway remove cp2/m.test(
          stdout,
        );
      },
      { timeoutMs: 120_000, intervalMs: 2000 },
    );
    await writes('beside-a-damaged-member');
    await resync('cp2');
    t.is((await cp2.tryExec(`grep -c phis-needle ${DATABASE}`)).code, 1);
    t.is((await cp2.tryExec(`grep -c this-needle-is-looked-for ${DATABASE}`)).code, 0);
    t.notRegex((await cluster.slipway(['status'])).stdout, /differs/);
  },
);

longTest('the disk of one member fills: the others go on, and it returns once there is space', async (t) => {
  t.timeout(300_000);
  const cp4 = cluster.server('cp4');
  t.teardown(() => void cp4.tryExec('rm -f /var/lib/slipway/etcd/ballast'));
  await cp4.tryExec('dd if=/dev/zero of=/var/lib/slipway/etcd/ballast bs=64k 2>/dev/null');
  for (let i = 0; i < 40; i += 1) {
    await kubectl('create', 'configmap', `big-${i}`, `--from-literal=a=${'x'.repeat(100_000)}`);
  }
  const status = await cluster.slipway(['status']);
  t.regex(status.stdout, /^! cp4: \/var\/lib\/slipway\S* is \d+ % full/m);
  await writes('beside-a-full-disk');
  await cp4.exec('rm /var/lib/slipway/etcd/ballast');
  await etcdIs(cp4, 'active');
  await waitFor(
    'the member has caught up',
    async () => {
      const { stdout } = await cluster.slipway(['status']);
      return !/etcd on cp4|cp4: slipway-etcd/.test(stdout);
    },
    { timeoutMs: 120_000 },
  );
});

const STATEFUL = `
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: one }
spec:
  serviceName: one
  replicas: 3
  podManagementPolicy: Parallel
  selector: { matchLabels: { app: one } }
  template:
    metadata: { labels: { app: one } }
    spec:
      terminationGracePeriodSeconds: 1
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - { labelSelector: { matchLabels: { app: one } }, topologyKey: kubernetes.io/hostname }
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - { weight: 100, preference: { matchExpressions: [{ key: kubernetes.io/hostname, operator: In, values: [cp3, cp4, cp5] }] } }
      tolerations:
        - { key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 1 }
        - { key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 1 }
      containers:
        - { name: main, image: '${IMAGE}', imagePullPolicy: Never, command: [sh, -c, 'trap "exit 0" TERM; while true; do sleep 1; done'] }
`;

/** On how many servers a container of this pod runs. */
async function runningOn(pod: string): Promise<string[]> {
  const found: string[] = [];
  for (const server of cluster.lab.servers) {
    const script = `ctr -n k8s.io containers ls -q 'labels."io.kubernetes.pod.name"==${pod},labels."io.kubernetes.container.name"==main' | while read id; do ctr -n k8s.io tasks ls </dev/null | grep "^$id .*RUNNING"; done`;
    if ((await server.tryExec(script)).stdout.trim() !== '') found.push(server.name);
  }
  return found;
}

longTest(
  'a node is cut off: its pod of a StatefulSet runs once, there, and elsewhere only after it has ended',
  async (t) => {
    t.timeout(600_000);
    const image = await busyboxImage(IMAGE);
    for (const server of cluster.lab.servers)
      await server.exec('ctr -n k8s.io images import -', { input: image });
    await kubectl.withInput(STATEFUL, 'apply', '-f', '-');
    const pods = await readyPods(kubectl, 'app=one', 3);
    const there = pods.find(({ spec }) => spec.nodeName === 'cp5');
    if (there === undefined) throw new Error('none is on cp5');
    const { name, uid } = there.metadata;
    const cp5 = cluster.server('cp5');
    await cp5.linkDown();
    kubectl = await cluster.kubectl('cp2', 'cp3', 'cp4', 'cp1');
    const doomed = await waitFor(
      'the pod is told to go',
      async () => {
        const pod = (await podsOf(kubectl, 'app=one')).find(({ metadata }) => metadata.name === name);
        return pod?.metadata.deletionTimestamp ? pod : undefined;
      },
      { timeoutMs: 180_000, intervalMs: 1000 },
    );
    t.is(doomed.metadata.uid, uid);
    t.is(
      (
        await cp5.tryExec(
          'journalctl -u slipway-controller-manager --since -30s --no-pager | grep "became leader"',
        )
      ).stdout,
      '',
    );
    for (let look = 0; look < 5; look += 1) {
      t.deepEqual(await runningOn(name), ['cp5']);
      const now = (await podsOf(kubectl, 'app=one')).filter(({ metadata }) => metadata.name === name);
      t.deepEqual(
        now.map(({ metadata }) => metadata.uid),
        [uid],
      );
    }
    await cp5.linkUp();
    await waitFor(
      'another takes its place',
      async () => {
        t.true((await runningOn(name)).length <= 1, 'never two at once');
        const pod = (await podsOf(kubectl, 'app=one')).find(({ metadata }) => metadata.name === name);
        return pod !== undefined && pod.metadata.uid !== uid;
      },
      { timeoutMs: 120_000 },
    );
    await readyPods(kubectl, 'app=one', 3);
    kubectl = await cluster.kubectl(...NAMES);
    await cluster.nodesReady(kubectl, NAMES);
  },
);

longTest(
  'three of five are lost: nothing is written, the newest of the survivors becomes the beginning of a new etcd',
  async (t) => {
    t.timeout(900_000);
    const refused = await cluster.slipway(['recover-quorum']);
    t.is(refused.code, 2, refused.stdout + refused.stderr);
    t.regex(refused.stderr, /\[E_QUORUM\]/);
    const cp3 = cluster.server('cp3');
    const before = (
      await kubectl.json<{ metadata: { resourceVersion: string } }>('get', 'configmap', 'needle')
    ).metadata;
    await cp3.linkDown();
    kubectl = await cluster.kubectl('cp2', 'cp1', 'cp4', 'cp5');
    // What cp3 does not know, and cp2 does.
    await writes('seen-by-cp2');
    for (let i = 0; i < 10; i += 1) await writes(`late-${i}`);
    const lost = ['cp1', 'cp4', 'cp5'].map((name) => cluster.server(name));
    await Promise.all(lost.map((server) => server.powerCut()));
    await cp3.linkUp();
    kubectl = await cluster.kubectl('cp2', 'cp3');
    const nobody = await kubectl.try(['create', 'configmap', 'nobody', '--request-timeout=10s']);
    t.not(nobody.code, 0, nobody.stdout);
    const startedMs = performance.now();
    await slipway('recover-quorum');
    t.log(`the quorum is back after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    await writes('after');
    const names = await kubectl('get', 'configmaps', '-o', 'name');
    for (const name of ['seen-by-cp2', 'late-9', 'needle']) t.true(names.includes(`configmap/${name}`), name);
    t.notRegex(names, /nobody/);
    const after = (await kubectl.json<{ metadata: { resourceVersion: string } }>('get', 'configmap', 'after'))
      .metadata;
    t.true(
      Number(after.resourceVersion) > Number(before.resourceVersion) + 1e9,
      'no client sees time go back',
    );
    for (const name of ['cp2', 'cp3']) {
      const ready = async () =>
        (await cluster.server(name).tryExec('systemctl is-active slipway-etcd slipway-apiserver')).code === 0;
      await waitFor(`${name} serves`, ready, { timeoutMs: 60_000 });
    }
  },
);

longTest(
  'a lost member that is switched on again does no harm; removed and reset, it joins like a new one',
  async (t) => {
    t.timeout(900_000);
    const members = async (): Promise<string[]> => {
      const { stdout } = await cluster.slipway(['status', '--output', 'json']);
      const { store } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as {
        store?: { members: Array<{ name: string }> };
      };
      return (store?.members ?? []).map(({ name }) => name).toSorted();
    };
    t.deepEqual(await members(), ['cp2', 'cp3']);
    const cp1 = cluster.server('cp1');
    await cp1.boot();
    await cp1.waitForSsh();
    await etcdIs(cp1, 'active').catch(() => undefined);
    await writes('beside-a-zombie');
    t.deepEqual(await members(), ['cp2', 'cp3'], 'it is no member');
    t.true((await kubectl('get', 'configmaps', '-o', 'name')).includes('configmap/beside-a-zombie'));
    const conf = join(cluster.lab.directory, 'lost-controller-manager.conf');
    await writeFile(conf, await cp1.exec('cat /etc/kubernetes/controller-manager.conf'), { mode: 0o600 });
    const asController = async (): Promise<string> => {
      const server = `--server=https://${cluster.server('cp2').address}:6443`;
      const command = ['kubectl', `--kubeconfig=${conf}`, server, '--request-timeout=5s', 'get', 'nodes'];
      const { stdout, stderr } = await cluster.lab.fabricTryExec(command);
      return stdout + stderr;
    };
    t.regex(await asController(), /cp2/, 'it was believed until now');
    for (const name of ['cp4', 'cp5']) await slipway('remove', name, '--dead', '--force');
    await slipway('remove', 'cp1', '--dead', '--force');
    // Its components are switched on and hold what they were given; nobody believes that any more, nor is it asked.
    t.regex(await asController(), /Unauthorized|must be logged in/);
    await waitFor(
      'its own API server serves nothing',
      async () => {
        const flags = [`--kubeconfig=${join(cluster.state, 'admin.kubeconfig')}`, '--request-timeout=3s'];
        const server = `--server=https://${cp1.address}:6443`;
        return (await cluster.lab.fabricTryExec(['kubectl', ...flags, server, 'get', 'nodes'])).code !== 0;
      },
      { timeoutMs: 60_000 },
    );
    t.notRegex(await kubectl('get', 'nodes', '-o', 'name'), /cp1/);
    await cluster.describe(SERVERS.filter(({ name }) => ['cp1', 'cp2', 'cp3'].includes(name)));
    const refused = await cluster.slipway(['join', '--node', 'cp1']);
    t.is(refused.code, 2, refused.stdout + refused.stderr);
    t.regex(refused.stderr, /\[E_REMOVED_MEMBER\]/);
    await slipway('reset', '--node', 'cp1', '--yes');
    await slipway('join', '--node', 'cp1');
    kubectl = await cluster.kubectl('cp1', 'cp2', 'cp3');
    await cluster.nodesReady(kubectl, ['cp1', 'cp2', 'cp3']);
    t.deepEqual(await members(), ['cp1', 'cp2', 'cp3']);
  },
);
