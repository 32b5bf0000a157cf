/** The same for three control planes, whose members of etcd, cordons and drains are what a death could leave behind. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildRelease } from '../../scripts/build/release.ts';
import type { ClusterStatus } from '../../src/bootstrap/status/status.ts';
import { kubectlSkipReason } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { killAtSteps } from './kill-at-steps.ts';
import { labSkipReason } from './machine.ts';
import { leftovers } from './server-state.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
/** Tests of many minutes: `npm run test:all` runs them. */
const wanted = skip === undefined && Boolean(process.env['TEST_ALL']);
const longTest = wanted ? test.serial : test.serial.skip;

const CONTROL_PLANES: HaServer[] = ['cp1', 'cp2', 'cp3'].map((name) => ({
  name,
  roles: ['control-plane', 'worker'],
}));
const W1: HaServer = { name: 'w1', roles: ['worker'] };
const EVERYONE = [...CONTROL_PLANES, W1];
const PODS = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: kept }
spec:
  replicas: 4
  selector: { matchLabels: { app: kept } }
  template:
    metadata: { labels: { app: kept } }
    spec:
      containers: [{ name: main, image: slipway.local/pause:0.1.0, imagePullPolicy: Never }]
`;

let cluster: HaCluster;

test.before(async (t) => {
  if (!wanted) return;
  t.timeout(900_000);
  const names = EVERYONE.map(({ name }) => name);
  cluster = await HaCluster.prepare(`kill-ha-${process.pid}`, names);
});
test.after.always(async () => cluster?.lab.close());

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args, 600_000);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** One death in each step; afterwards the cluster is these servers, each with its member, nobody cordoned or locked out. */
async function killed(
  t: ExecutionContext,
  args: readonly string[],
  servers: readonly HaServer[],
): Promise<void> {
  t.timeout(3_600_000);
  const startedMs = performance.now();
  const deaths = await killAtSteps(cluster.lab, {
    ...cluster.killRun(args),
    moments: ['during', 'done'],
    alike: true,
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  t.log(`${args.join(' ')}: killed ${deaths.length} times, ${seconds} s`);
  for (const { moment, node, change } of deaths) t.log(`  ${moment} ${node || '-'} ${change.slice(0, 90)}`);
  t.true(deaths.length > 0);
  await asItShouldBe(t, servers);
}

async function asItShouldBe(t: ExecutionContext, servers: readonly HaServer[]): Promise<void> {
  const names = servers.map(({ name }) => name);
  const controlPlanes = servers
    .filter(({ roles }) => roles.includes('control-plane'))
    .map(({ name }) => name);
  const kubectl = await cluster.kubectl(...controlPlanes);
  await cluster.nodesReady(kubectl, names);
  t.is(
    await kubectl('get', 'nodes', '-o', 'jsonpath={.items[*].spec.unschedulable}'),
    '',
    'a node is cordoned',
  );
  t.notRegex(await kubectl('get', 'secrets', '-n', 'kube-system', '-o', 'name'), /bootstrap-token/);
  let last: ClusterStatus | undefined;
  // Members that were just restarted may lag for a moment.
  await waitFor('the status has no problem', async () => {
    const { stdout } = await cluster.slipway(['status', '--output', 'json']);
    last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as ClusterStatus;
    return last.problems.length === 0;
  }).catch(() => {});
  t.deepEqual(last?.problems, []);
  t.deepEqual(
    last?.store?.members.map(({ name, learner }) => `${name} ${learner}`).toSorted(),
    controlPlanes.length > 1 ? controlPlanes.map((name) => `${name} false`).toSorted() : [],
  );
  for (const server of cluster.lab.servers) t.deepEqual(await leftovers(server), [], server.name);
  for (const name of controlPlanes.length > 1 ? controlPlanes : []) {
    t.is(await cluster.server(name).exec('ls /var/lib/slipway/etcd'), 'data\n', `${name}: relied upon`);
  }
  t.deepEqual(
    (await readdir(cluster.state)).filter((name) => /\.new$|operator\.lock|renewal/.test(name)),
    [],
  );
  t.regex(await slipway('up'), /^no changes/m);
}

longTest('three control planes and a worker are made', async (t) => {
  await cluster.describe(EVERYONE);
  await killed(t, ['up'], EVERYONE);
  const kubectl = await cluster.kubectl('cp1', 'cp2', 'cp3');
  await kubectl.withInput(PODS, 'apply', '-f', '-');
});

longTest('a worker and the first control plane are removed, and come again', async (t) => {
  await killed(t, ['remove', 'w1'], CONTROL_PLANES);
  await killed(t, ['join', '--node', 'w1'], EVERYONE);
  await killed(
    t,
    ['remove', 'cp1'],
    EVERYONE.filter(({ name }) => name !== 'cp1'),
  );
  await killed(t, ['join', '--node', 'cp1'], EVERYONE);
});

longTest('a dead control plane is removed, does not come back, and comes again after a reset', async (t) => {
  const left = EVERYONE.filter(({ name }) => name !== 'cp3');
  await cluster.server('cp3').powerCut();
  await killAtSteps(cluster.lab, {
    ...cluster.killRun(['remove', 'cp3', '--dead', '--force']),
    moments: ['during', 'done'],
    alike: true,
  });
  await cluster.server('cp3').boot();
  await cluster.server('cp3').waitForSsh();
  const { code, stderr } = await cluster.slipway(['join', '--node', 'cp3']);
  t.is(code, 2);
  t.regex(stderr, /cp3 was removed from the cluster while it was away.*\[E_REMOVED_MEMBER\]/s);
  const kubectl = await cluster.kubectl('cp1', 'cp2');
  await cluster.nodesReady(
    kubectl,
    left.map(({ name }) => name),
  );
  await killAtSteps(cluster.lab, {
    ...cluster.killRun(['reset', '--node', 'cp3', '--yes']),
    moments: ['during', 'done'],
  });
  await killed(t, ['join', '--node', 'cp3'], EVERYONE);
});

longTest('certificates, the key of the store, authorities and the tokens’ key are renewed', async (t) => {
  await killed(t, ['certs', 'renew'], EVERYONE);
  await killed(t, ['rotate-store-key'], EVERYONE);
  await killed(t, ['certs', 'rotate-ca'], EVERYONE);
  await killed(t, ['certs', 'rotate-sa'], EVERYONE);
});

longTest('another release comes', async (t) => {
  const next = join(cluster.lab.directory, 'next');
  await buildRelease(next, '99.0.0');
  cluster.executable = join(next, 'slipway');
  await killed(t, ['upgrade'], EVERYONE);
});
