/**
 * A cluster on other versions of etcd than the distribution's: SLIPWAY_TEST_ETCDS names them, the oldest first, separated by
 * ':' (development: built from etcd's own module, never part of a release). Without it nothing is tested here.
 */
import { execFileSync } from 'node:child_process';
import test from 'ava';
import { kubectlSkipReason, type Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';

const paths = (process.env['SLIPWAY_TEST_ETCDS'] ?? '').split(':').filter((path) => path !== '');
const skip =
  labSkipReason() ?? kubectlSkipReason() ?? (paths.length === 0 ? 'SLIPWAY_TEST_ETCDS is empty' : undefined);
const labTest = skip === undefined ? test.serial : test.serial.skip;

const NAMES = ['cp1', 'cp2', 'cp3'];
const SERVERS: HaServer[] = NAMES.map((name) => ({ name, roles: ['control-plane', 'worker'] }));
let cluster: HaCluster;
let kubectl: Kubectl;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(900_000);
  cluster = await HaCluster.prepare(`etcdv-${process.pid}`, NAMES);
});
test.after.always(async () => cluster?.lab.close());

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args, 600_000);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

const versionOf = (path: string): string =>
  /etcd Version: (\S+)/.exec(execFileSync(path, ['--version'], { encoding: 'utf8' }))?.[1] ?? '';

/** What each member says that it is. */
const running = (): Promise<string[]> =>
  Promise.all(
    cluster.lab.servers.map(async (server) => {
      const pid = (await server.exec('systemctl show -p MainPID --value slipway-etcd')).trim();
      return /etcd Version: (\S+)/.exec(await server.exec(`/proc/${pid}/exe --version`))?.[1] ?? '';
    }),
  );

const writes = (name: string): Promise<unknown> =>
  waitFor('writes go on', async () => (await kubectl.try(['create', 'configmap', name])).code === 0, {
    timeoutMs: 60_000,
  });

const caughtUp = (): Promise<unknown> =>
  waitFor(
    'every member is well',
    async () => !/^! .*etcd/m.test((await cluster.slipway(['status'])).stdout),
    {
      timeoutMs: 120_000,
      intervalMs: 1000,
    },
  );

/** A member is killed, and one is lost for a while: nothing that was acknowledged is. */
async function survives(title: string): Promise<void> {
  for (const [index, server] of cluster.lab.servers.entries()) {
    await server.exec('systemctl kill -s KILL slipway-etcd');
    await writes(`${title}-killed-${index}`);
  }
  await caughtUp();
  await cluster.server('cp3').powerCut();
  await writes(`${title}-without`);
  await cluster.server('cp3').boot();
  await cluster.server('cp3').waitForSsh();
  await caughtUp();
  await cluster.nodesReady(kubectl, NAMES);
}

labTest(
  'from the distribution’s etcd to each newer one, member by member, with every object kept',
  async (t) => {
    t.timeout(1_200_000);
    await cluster.describe(SERVERS);
    await slipway('up');
    kubectl = await cluster.kubectl(...NAMES);
    await cluster.nodesReady(kubectl, NAMES);
    for (let i = 0; i < 10; i += 1) await writes(`kept-${i}`);
    const kept = async (): Promise<string> =>
      await kubectl(
        'get',
        'configmaps,clusterroles,serviceaccounts',
        '-A',
        '-o',
        'jsonpath={.items[*].metadata.uid}',
      );
    t.log(`the distribution’s: ${(await running()).join(', ')}`);
    for (const path of paths) {
      const version = versionOf(path);
      const before = (await kept()).split(' ');
      await cluster.describe(SERVERS, { etcd: { binary: path } });
      const startedMs = performance.now();
      await slipway('up');
      t.log(`to ${version}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
      t.deepEqual(
        await running(),
        NAMES.map(() => version),
      );
      const after = new Set((await kept()).split(' '));
      t.deepEqual(
        before.filter((uid) => !after.has(uid)),
        [],
      );
      t.regex(await slipway('up'), /^no changes/m);
      await survives(`v${version}`);
    }
  },
);

labTest('a cluster begins with the newest, loses a control plane for good, and takes another', async (t) => {
  t.timeout(900_000);
  const path = paths.at(-1) ?? '';
  await slipway('reset', '--yes');
  await cluster.describe(SERVERS, { etcd: { binary: path } });
  await slipway('up');
  kubectl = await cluster.kubectl(...NAMES);
  await cluster.nodesReady(kubectl, NAMES);
  t.deepEqual(
    await running(),
    NAMES.map(() => versionOf(path)),
  );
  await writes('before');
  await slipway('remove', 'cp1');
  await slipway('join', '--node', 'cp1');
  await cluster.nodesReady(kubectl, NAMES);
  await survives('new');
  for (const name of ['cp1', 'cp2'])
    await cluster.server(name).exec('systemctl stop slipway-etcd; rm -rf /var/lib/slipway/etcd');
  for (const name of ['cp1', 'cp2']) await cluster.server(name).powerCut();
  await slipway('recover-quorum');
  kubectl = await cluster.kubectl('cp3');
  await writes('recovered');
  t.regex(await kubectl('get', 'configmaps', '-o', 'name'), /^configmap\/before$/m);
});
