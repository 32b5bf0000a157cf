/** What goes wrong with a cluster that runs: disks fill, bits flip, clocks are off. */
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import type { ClusterStatus } from '../../src/bootstrap/status/status.ts';
import { clientManifest, podsOf, readyPods } from '../e2e/workload.ts';
import { kubectlSkipReason, type Kubectl } from '../helpers/kubectl.ts';
import { busyboxImage } from '../helpers/oci-image.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { flipBit } from './faults.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';
import { ShiftedClock, shiftedClockSkipReason } from './shifted-clock.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;

const SERVERS: HaServer[] = [
  { name: 'cp1', roles: ['control-plane', 'worker'] },
  { name: 'w1', roles: ['worker'] },
];
const NAMES = SERVERS.map(({ name }) => name);
const IMAGE = 'slipway.local/busybox:1';
let cluster: HaCluster;
let kubectl: Kubectl;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(600_000);
  cluster = await HaCluster.prepare(`faults-${process.pid}`, NAMES);
  await cluster.describe(SERVERS);
  const [cp1, w1] = [cluster.server('cp1'), cluster.server('w1')];
  // Disks of their own, small enough to be filled at once.
  await cp1.limitSpace('/var/lib/slipway', 160 * 1024);
  await cp1.limitSpace('/var/log', 32 * 1024);
  await cp1.exec('mkdir /var/log/journal && systemctl restart systemd-journald');
  await w1.limitSpace('/var/lib/containerd', 48 * 1024);
  await slipway('up');
  kubectl = await cluster.kubectl('cp1');
  await cluster.nodesReady(kubectl, NAMES);
  const image = await busyboxImage(IMAGE);
  for (const server of cluster.lab.servers)
    await server.exec('ctr -n k8s.io images import -', { input: image });
});
test.after.always(async () => cluster?.lab.close());

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

async function problems(): Promise<string[]> {
  const { stdout } = await cluster.slipway(['status', '--output', 'json']);
  return (JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as ClusterStatus).problems;
}

/** Main process and restarts of our units on a server. */
const processes = (name: string): Promise<string> =>
  cluster.server(name).exec('systemctl show -p Id,MainPID,NRestarts "slipway-*.service" containerd.service');

const fill = (name: string, folder: string): Promise<unknown> =>
  cluster.server(name).tryExec(`dd if=/dev/zero of=${folder}/ballast bs=64k 2>/dev/null; sync`);
const free = (name: string, folder: string): Promise<unknown> =>
  cluster.server(name).exec(`rm ${folder}/ballast`);

labTest(
  'the disk of the store fills: reads are served, writes fail and say why, and go on once there is space',
  async (t) => {
    await kubectl('create', 'configmap', 'kept', '--from-literal=a=b');
    const before = await processes('cp1');
    await fill('cp1', '/var/lib/slipway');
    const refused = await waitFor('a write is refused', async () => {
      const big = `--from-literal=a=${'x'.repeat(60_000)}`;
      const result = await kubectl.try(['create', 'configmap', `big-${Math.trunc(performance.now())}`, big]);
      return result.code === 0 ? undefined : result.stderr;
    });
    t.regex(refused, /no space/i);
    t.is(await kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}'), 'b');
    t.regex(await kubectl('get', 'pods,nodes', '-A'), /cp1/);
    t.true((await problems()).some((text) => /^cp1: \/var\/lib\/slipway is \d+ % full$/.test(text)));
    await free('cp1', '/var/lib/slipway');
    await waitFor(
      'writes go on',
      async () => (await kubectl.try(['create', 'configmap', 'after'])).code === 0,
    );
    await cluster.nodesReady(kubectl, NAMES);
    const [old, now] = [before, await processes('cp1')].map(
      (text) => /Id=slipway-apiserver.service\n[^]*?MainPID=\d+/.exec(text)?.[0] ?? text,
    );
    t.is(now, old, 'the API server was not restarted');
  },
);

labTest(
  'the disk of the logs fills: the API goes on, counts what audit lost, and writes again once there is space',
  async (t) => {
    const lost = async (): Promise<number> => {
      const metrics = await kubectl('get', '--raw', '/metrics');
      return Number(/^apiserver_audit_error_total\{[^}]*\} (\d+)/m.exec(metrics)?.[1] ?? 0);
    };
    const before = await lost();
    await fill('cp1', '/var/log');
    const counted = await waitFor('losses are counted', async () => {
      await kubectl(
        'create',
        'configmap',
        `unlogged-${Math.trunc(performance.now())}`,
        `--from-literal=a=${'x'.repeat(20_000)}`,
      );
      const now = await lost();
      return now > before ? now : undefined;
    });
    t.true(counted > before);
    await free('cp1', '/var/log');
    await kubectl('create', 'configmap', 'logged-again');
    await waitFor('it is in the log', async () => {
      const found = await cluster.server('cp1').tryExec('grep -c logged-again /var/log/slipway/audit.log');
      return found.code === 0;
    });
    const lines = (await cluster.server('cp1').exec('cat /var/log/slipway/audit.log')).trim().split('\n');
    t.notThrows(() => lines.forEach((line) => void JSON.parse(line)), 'no half line is left');
  },
);

labTest(
  'the disk of a node’s containers fills: its pods go on, new ones say why they wait, and run once there is space',
  async (t) => {
    await kubectl.withInput(clientManifest(IMAGE, 'w1'), 'apply', '-f', '-');
    const [old] = await readyPods(kubectl, 'app=client', 1);
    await fill('w1', '/var/lib/containerd');
    const late = clientManifest(IMAGE, 'w1')
      .replace('name: client-w1', 'name: late')
      .replace('app: client', 'app: late');
    await kubectl.withInput(late, 'apply', '-f', '-');
    await waitFor(
      'the pod says why it waits',
      async () => {
        const told = await kubectl('describe', 'pod', 'late');
        return /no space left on device/.test(told);
      },
      { timeoutMs: 60_000 },
    );
    const [same] = await podsOf(kubectl, 'app=client');
    t.deepEqual(same?.status.containerStatuses, old?.status.containerStatuses);
    await free('w1', '/var/lib/containerd');
    await readyPods(kubectl, 'app=late', 1);
    t.deepEqual(
      (await podsOf(kubectl, 'app=client'))[0]?.status.containerStatuses,
      old?.status.containerStatuses,
    );
    await kubectl('delete', 'pod', 'late');
  },
);

labTest(
  'flipped bits in a certificate, a unit and the executable are named by status and plan, and repaired by up',
  async (t) => {
    const w1 = cluster.server('w1');
    const files = ['/etc/kubernetes/pki/ca.crt', '/etc/systemd/system/slipway-proxy.service'];
    for (const file of files) await flipBit(w1, file);
    const executable = (await w1.exec('readlink -f /opt/slipway/current/slipway')).trim();
    await w1.exec(`cp -p ${executable} ${executable}.flipped`);
    await flipBit(w1, `${executable}.flipped`);
    await w1.exec(`mv ${executable}.flipped ${executable}`);
    const found = (await problems()).join('\n');
    for (const file of files) {
      t.true(found.includes(`"slipway up" would write ${file} (${file} was changed on the server`), found);
    }
    t.regex(found, /w1: the executable of \S+ is damaged/);
    const planned = await cluster.slipway(['plan']);
    t.is(planned.code, 3, planned.stdout + planned.stderr);
    for (const file of files)
      t.true(planned.stdout.includes(`${file} was changed on the server`), planned.stdout);
    t.true(planned.stdout.includes(`install ${executable}`), planned.stdout);
    await slipway('up');
    const [sha256 = ''] = (await w1.exec(`sha256sum ${executable}`)).split(' ');
    t.true(executable.includes(`-${sha256.slice(0, 12)}/`), `${executable} is ${sha256}`);
    await cluster.nodesReady(kubectl, NAMES);
    t.deepEqual(await problems(), []);
    t.regex((await cluster.slipway(['up'])).stdout, /^no changes/m);
  },
);

labTest('a flipped bit in the store is not served: the API server refuses, and says which key', async (t) => {
  const cp1 = cluster.server('cp1');
  const file = '/var/lib/slipway/store/store.db';
  await kubectl('create', 'configmap', 'needle', '--from-literal=a=this-needle-is-looked-for');
  await cp1.exec('systemctl stop slipway-apiserver');
  await cp1.exec(`cp -p ${file} ${file}.whole`);
  await flipBit(cp1, file, 'this-needle-is-looked-for');
  await cp1.exec('systemctl start slipway-apiserver');
  await waitFor('the damage is in the journal', async () => {
    const { stdout } = await cp1.tryExec(
      'journalctl -u slipway-apiserver -n 200 --no-pager | grep -i checksum',
    );
    return /needle/.test(stdout);
  });
  const answer = await kubectl.try(['get', 'configmap', 'needle', '-o', 'json']);
  t.not(answer.code, 0, answer.stdout);
  t.notRegex(answer.stdout, /looked-for/);
  await cp1.exec(
    `systemctl stop slipway-apiserver; mv ${file}.whole ${file}; systemctl start slipway-apiserver`,
  );
  await waitFor(
    'it is served again',
    async () => (await kubectl.try(['get', 'configmap', 'needle'])).code === 0,
  );
  await cluster.nodesReady(kubectl, NAMES);
});

/** What must not change while clocks do: processes, their restarts, since when nodes are Ready, how often leaders changed. */
async function calm(): Promise<string> {
  const { items: nodes } = await kubectl.json<{
    items: Array<{
      status: { conditions: Array<{ type: string; status: string; lastTransitionTime: string }> };
    }>;
  }>('get', 'nodes');
  const ready = nodes.map(({ status }) => status.conditions.find(({ type }) => type === 'Ready'));
  const since = ready.map((condition) => `${condition?.status} since ${condition?.lastTransitionTime}`);
  const leaders = await kubectl(
    'get',
    'leases',
    '-n',
    'kube-system',
    '-o',
    'jsonpath={range .items[*]}{.metadata.name} {.spec.leaseTransitions}{"\\n"}{end}',
  );
  return [...since, leaders, ...(await Promise.all(NAMES.map(processes)))].join('\n');
}

const renewTime = (node: string): Promise<string> =>
  kubectl('get', 'lease', '-n', 'kube-node-lease', node, '-o', 'jsonpath={.spec.renewTime}');

/** So many heartbeats of a node: with five of them the time after which a silent one is given up has passed. */
async function heartbeats(node: string, count: number): Promise<void> {
  for (let last = await renewTime(node), left = count; left > 0; left -= 1) {
    last = await waitFor(
      `${node} gives a sign of life`,
      async () => {
        const now = await renewTime(node);
        return now === last ? undefined : now;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
  }
}

const noLibrary = shiftedClockSkipReason() !== undefined;
const clockTest = noLibrary ? test.serial.skip : labTest;
const longClockTest = process.env['TEST_ALL'] ? clockTest : test.serial.skip;

const apiIsReady = (): Promise<unknown> =>
  waitFor('the API is ready', async () => (await kubectl.try(['get', '--raw', '/readyz'])).code === 0, {
    timeoutMs: 60_000,
  });

const aheadSeconds = async (node: string): Promise<number> =>
  (Date.parse(await renewTime(node)) - systemClock.now()) / 1000;

clockTest(
  'a clock falls back by an hour while everybody connects anew: certificates are believed, no node is taken for lost',
  async (t) => {
    t.timeout(300_000);
    const clock = await ShiftedClock.install(cluster.server('w1'));
    await cluster.nodesReady(kubectl, NAMES);
    await heartbeats('w1', 1);
    const before = await calm();
    await clock.set(-3600);
    await cluster.server('cp1').exec('systemctl kill -s KILL slipway-apiserver.service');
    await apiIsReady();
    await heartbeats('w1', 5);
    t.true(Math.abs((await aheadSeconds('w1')) + 3600) < 60);
    const own = (text: string): string[] =>
      text.split('\n').filter((line) => / since |^slipway-[a-z-]+ \d/.test(line));
    t.deepEqual(own(await calm()), own(before));
    const told = (await problems()).join('\n');
    t.regex(told, /^w1: its clock is -3\d{3}\.\d s off this machine's$/m);
    const preflight = await cluster.slipway(['preflight']);
    t.not(preflight.code, 0);
    t.regex(preflight.stdout, /its clock is 3\d{3} s behind this machine.s/);
    await clock.set(0);
  },
);

/** Seconds by which the clocks of w1 and cp1 are off, one after the other: they jump while everything runs. */
const OFFSETS: ReadonlyArray<[w1: number, cp1: number]> = [
  [10, 0],
  [-10, 0],
  [3600, -10],
  [-3600, 10],
  [0, 3600],
  [0, -3600],
];

longClockTest('clocks are off and jump: no node is taken for lost, nothing restarts, pods run', async (t) => {
  t.timeout(900_000);
  const w1 = await ShiftedClock.install(cluster.server('w1'));
  const cp1 = await ShiftedClock.install(cluster.server('cp1'));
  await apiIsReady();
  await cluster.nodesReady(kubectl, NAMES);
  await heartbeats('w1', 1);
  const before = await calm();
  for (const [onWorker, onControlPlane] of OFFSETS) {
    await w1.set(onWorker);
    await cp1.set(onControlPlane);
    await heartbeats('w1', 5);
    const seen = await aheadSeconds('w1');
    t.true(Math.abs(seen - onWorker) < 60, `w1 believes to be ${seen} s ahead`);
    t.is(await calm(), before, `w1 ${onWorker} s, cp1 ${onControlPlane} s`);
    const late = clientManifest(IMAGE, 'w1')
      .replace('client-w1', 'clocks')
      .replace('app: client', 'app: clocks');
    await kubectl.withInput(late, 'apply', '-f', '-');
    await readyPods(kubectl, 'app=clocks', 1);
    await kubectl('delete', 'pod', 'clocks');
  }
  await Promise.all([w1.set(0), cp1.set(0)]);
});
