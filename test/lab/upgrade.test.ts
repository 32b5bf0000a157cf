/** A cluster of three control planes is brought to another release and back, while it is used. */
import { once } from 'node:events';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildRelease } from '../../scripts/build/release.ts';
import { releaseInfo } from '../../src/base/version.ts';
import { kubectlSkipReason, type Kubectl } from '../helpers/kubectl.ts';
import { HaCluster } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';
import { describeFailures, startSteadyLoad, type SteadyLoad } from './steady-load.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;

const CONTROL_PLANES = ['cp1', 'cp2', 'cp3'];
const ALL = [...CONTROL_PLANES, 'w1'];
const OLD = releaseInfo().version;
const NEXT = '99.0.0';

let cluster: HaCluster;
let kubectl: Kubectl;
let next: string;
let load: SteadyLoad | undefined;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(900_000);
  cluster = await HaCluster.prepare(`upgrade-${process.pid}`, ALL);
  await buildRelease(join(cluster.lab.directory, 'next'), NEXT);
  next = join(cluster.lab.directory, 'next/slipway');
  await cluster.describe(
    [
      ...CONTROL_PLANES.map((name) => ({ name, roles: ['control-plane', 'worker'] as const })),
      { name: 'w1', roles: ['worker'] as const },
    ].map(({ name, roles }) => ({ name, roles: [...roles] })),
    { api: { virtualAddress: '10.77.0.100' } },
  );
  await succeeds(cluster.executable, 'up');
  kubectl = await cluster.kubectl(...CONTROL_PLANES);
  await cluster.nodesReady(kubectl, ALL);
});
test.after.always(async () => {
  await load?.stop();
  await cluster?.lab.close();
});

async function succeeds(executable: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args, 400_000, executable);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** Every server's kubelet and API server say that they are of this version of slipway, and no node is cordoned. */
async function everywhere(t: ExecutionContext, version: string): Promise<void> {
  const path =
    'jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.spec.unschedulable}{"\\n"}{end}';
  const lines = (await kubectl('get', 'nodes', '-o', path)).trim().split('\n');
  t.deepEqual(
    lines.map((line) => line.trim()),
    ALL.map((name) => `${name} v1.36.0+slipway.${version}`),
  );
  for (const name of CONTROL_PLANES) {
    const answer = await cluster
      .server(name)
      .exec(
        'readlink /opt/slipway/current; curl -ks https://127.0.0.1:6443/version --cert /etc/kubernetes/pki/apiserver-kubelet-client.crt --key /etc/kubernetes/pki/apiserver-kubelet-client.key || true',
      );
    t.regex(answer, new RegExp(`^releases/${version.replaceAll('.', '\\.')}-`), name);
  }
}

const containers = async (): Promise<string> =>
  await kubectl(
    'get',
    'pods',
    '-A',
    '-o',
    'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount}{"\\n"}{end}',
  );

labTest(
  'a run with the executable of another release is refused, and an upgrade to an older one',
  async (t) => {
    t.timeout(300_000);
    const { code, stderr } = await cluster.slipway(['up'], 300_000, next);
    t.is(code, 2, stderr);
    t.regex(stderr, /the executable is release 99\.0\.0-[0-9a-f]{12}, and cp1 runs .*\[E_RELEASE\]/);
    t.regex(stderr, /slipway upgrade/);
    const other = await cluster.slipway(['upgrade', '--to', '7.7.7'], 300_000, next);
    t.is(other.code, 2);
    t.regex(other.stderr, /the executable is slipway 99\.0\.0, and not 7\.7\.7/);
    const none = await cluster.slipway(['rollback'], 300_000, next);
    t.is(none.code, 2);
    t.regex(none.stderr, /there is no upgrade to take back/);
  },
);

labTest('a dry run plays the upgrade through and changes nothing', async (t) => {
  t.timeout(300_000);
  const { code, stdout, stderr } = await cluster.slipway(['upgrade', '--dry-run'], 300_000, next);
  t.is(code, 0, stderr);
  t.regex(stdout, /fine: cp2: while its member of etcd restarts, 2 of 3 are left, and 2 are needed/);
  t.regex(stdout, /fine: cp1: while its API server restarts, cp2 and cp3 serve/);
  t.regex(stdout, /changes would be made, from /);
  await everywhere(t, OLD);
});

labTest('under load every server gets the release, no request fails, and containers run on', async (t) => {
  t.timeout(600_000);
  load = await startSteadyLoad({ cluster, kubectl, from: 'w1' });
  const before = await containers();
  const stdout = await succeeds(next, 'upgrade', '--to', NEXT);
  t.regex(stdout, /every server runs release 99\.0\.0-/);
  await load.goesOn();
  await everywhere(t, NEXT);
  t.is(await containers(), before);
  t.is(describeFailures(load.counts().api), 'no failure');
  t.is(describeFailures(load.counts().service), 'no failure');
  const again = await succeeds(next, 'upgrade');
  t.regex(again, /every server runs release 99\.0\.0-\S+ already/);
  const older = await cluster.slipway(['upgrade']);
  t.is(older.code, 2, older.stdout);
  t.regex(older.stderr, /which is newer than/);
  t.regex(older.stderr, /slipway rollback/);
});

labTest('the way back is gone by the release that it leads to, under the same load', async (t) => {
  t.timeout(600_000);
  const before = await containers();
  const stdout = await succeeds(next, 'rollback');
  t.regex(stdout, new RegExp(`every server runs release ${OLD.replaceAll('.', '\\.')}-`));
  await load?.goesOn();
  await everywhere(t, OLD);
  t.is(await containers(), before);
  const counts = await load?.stop();
  t.is(counts && describeFailures(counts.api), 'no failure');
  t.is(counts && describeFailures(counts.service), 'no failure');
  load = undefined;
});

labTest('a budget that lets no pod go is found before the first cordon', async (t) => {
  t.timeout(300_000);
  await kubectl('patch', 'pdb', 'steady-load', '--type=merge', '-p', '{"spec":{"maxUnavailable":0}}');
  const { code, stderr } = await cluster.slipway(['upgrade', '--drain'], 300_000, next);
  t.is(code, 2, stderr);
  t.regex(stderr, /default\/steady-load-\S+ may not be evicted: /);
  t.regex(stderr, /nothing was changed on any server/);
  await everywhere(t, OLD);
  await kubectl('patch', 'pdb', 'steady-load', '--type=merge', '-p', '{"spec":{"maxUnavailable":1}}');
});

labTest('an upgrade that is killed while a node is drained is gone on with by the next one', async (t) => {
  t.timeout(600_000);
  const child = await cluster.start(['upgrade', '--drain', '--output', 'json'], next);
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (/"change":"(evict|restart slipway-network)/.test(text)) child.kill('SIGKILL');
  });
  await once(child, 'exit');
  t.is(child.signalCode, 'SIGKILL', text);
  const versions = await Promise.all(
    ALL.map((name) => cluster.server(name).exec('readlink /opt/slipway/current')),
  );
  t.true(new Set(versions).size > 1, 'it was killed half-way');
  const refused = await cluster.slipway(['up'], 300_000, next);
  t.is(refused.code, 2, 'mixed releases are brought on by upgrade alone');
  await succeeds(next, 'upgrade', '--drain');
  await everywhere(t, NEXT);
});

labTest('a server whose component does not start stops the way back, and takes pods again', async (t) => {
  t.timeout(600_000);
  const folder = '/etc/systemd/system/slipway-dns.service.d';
  await cluster
    .server('cp2')
    .exec(`mkdir ${folder}; printf '[Service]\\nExecStartPre=/bin/false\\n' >${folder}/broken.conf`);
  const { code, stderr } = await cluster.slipway(['rollback'], 400_000, next);
  t.is(code, 1, stderr);
  t.regex(stderr, /cp2: restart slipway-dns\.service failed/);
  t.regex(stderr, /go on with the same command when the cause is gone/);
  t.is(await kubectl('get', 'node', 'cp2', '-o', 'jsonpath={.spec.unschedulable}'), '');
  await cluster.server('cp2').exec(`rm -r ${folder}`);
  await succeeds(next, 'rollback');
  await everywhere(t, OLD);
});
