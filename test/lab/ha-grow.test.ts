/** A cluster of one control plane grows: a worker joins, then two control planes, to which the store moves. */
import { once } from 'node:events';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { kubectlSkipReason, type Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';
import { differences, systemInventory } from './up-command.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;

const FIRST: HaServer = { name: 'cp1', roles: ['control-plane', 'worker'] };
const WORKERS: HaServer[] = [
  { name: 'w1', roles: ['worker'] },
  { name: 'w2', roles: ['worker'] },
];
const MORE: HaServer[] = [
  { name: 'cp2', roles: ['control-plane', 'worker'] },
  { name: 'cp3', roles: ['control-plane'] },
];

let cluster: HaCluster;
let kubectl: Kubectl;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(900_000);
  const names = [FIRST, ...WORKERS, ...MORE].map(({ name }) => name);
  cluster = await HaCluster.prepare(`grow-${process.pid}`, names);
});
test.after.always(async () => cluster?.lab.close());

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** What an operator's command could have changed on a server, its ledger included. */
const look = (name: string): Promise<string> =>
  systemInventory(cluster.server(name), ['/etc', '/opt', '/usr', '/var/lib/slipway/ledger']);

/** Every object that only its writers change, by kind, name, version and content. */
async function objects(): Promise<unknown> {
  const kinds =
    'configmaps,secrets,serviceaccounts,clusterroles,clusterrolebindings,roles,rolebindings,services,namespaces,priorityclasses';
  const { items } = await kubectl.json<{ items: unknown[] }>('get', kinds, '-A');
  return items;
}

labTest(
  'two operators, each with files of his own, join two servers: the second one is told who is at work',
  async (t) => {
    await cluster.describe([FIRST]);
    await slipway('up');
    kubectl = await cluster.kubectl('cp1');
    await cluster.describe([FIRST, ...WORKERS]);
    const theirs = join(cluster.lab.directory, 'their-state');
    await cp(cluster.state, theirs, { recursive: true });
    const first = await cluster.start(['join', '--node', 'w1', '--output', 'json']);
    const closed = once(first, 'close') as Promise<[number | null]>;
    let told = '';
    first.stdout?.setEncoding('utf8').on('data', (text: string) => (told += text));
    await waitFor('the first one changes its server', () => /"type":"change".*"node":"w1"/.test(told), {
      timeoutMs: 60_000,
    });
    first.kill('SIGSTOP');
    const second = await cluster.slipway(['join', '--node', 'w2', '--state-dir', theirs]);
    first.kill('SIGCONT');
    t.is(second.code, 2, second.stdout + second.stderr);
    t.regex(
      second.stderr,
      new RegExp(
        `cp1: root@\\S+ \\(slipway join, process ${first.pid}, since \\S+\\) is at work there \\[E_LOCKED\\]`,
      ),
    );
    t.is(await cluster.server('w2').exec('ls -d /etc/slipway /opt/slipway 2>/dev/null || true'), '');
    t.deepEqual(await closed, [0, null], told);
    for (const name of ['cp1', 'w1']) await cluster.server(name).exec('[ ! -e /run/slipway-operator ]');
    t.deepEqual(
      (await readdir(cluster.state)).filter((name) => name.includes('lock')),
      [],
    );
    await cluster.nodesReady(kubectl, ['cp1', 'w1']);
  },
);

labTest('a worker joins, and nobody else is touched', async (t) => {
  const before = await Promise.all(['cp1', 'w1'].map(look));
  t.regex(await slipway('join', '--dry-run'), /^w2 would be changed/m);
  const startedMs = performance.now();
  t.regex(await slipway('join', '--node', 'w2'), /^w2 changed \(\d+ changes\)/m);
  t.log(`a worker joins: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  await cluster.nodesReady(kubectl, ['cp1', 'w1', 'w2']);
  for (const [index, name] of ['cp1', 'w1'].entries()) {
    t.deepEqual(differences(before[index] ?? '', await look(name)), [], name);
  }
  t.regex(await slipway('join'), /^no changes: every server that was asked for is in the cluster$/m);
  t.regex(await slipway('up'), /^no changes/m);
});

labTest('a control plane that would make two is refused with the reason', async (t) => {
  await cluster.describe([FIRST, ...WORKERS, ...MORE]);
  const { code, stderr } = await cluster.slipway(['join', '--node', 'cp2']);
  t.is(code, 2);
  t.regex(
    stderr,
    /the cluster would have 2 control planes, which is no safer than one less: cp3 would still be missing/,
  );
  t.regex(stderr, /--node cp2 --node cp3/);
});

labTest('two control planes join: the store moves to etcd with every object and version', async (t) => {
  for (let i = 0; i < 20; i += 1) await kubectl('create', 'configmap', `kept-${i}`, `--from-literal=i=${i}`);
  await kubectl('delete', 'configmap', 'kept-3');
  const before = await objects();
  const worker = await look('w1');
  const watch = kubectl.spawn('get', 'configmaps', '--watch', '-o', 'name');
  let seen = '';
  watch.stdout?.setEncoding('utf8').on('data', (text: string) => (seen += text));
  await waitFor('the watch has begun', () => seen.includes('kept-19'));
  t.regex(await slipway('join', '--role', 'control-plane'), /^cp1, cp2, cp3 changed/m);
  watch.kill();
  kubectl = await cluster.kubectl('cp2', 'cp3', 'cp1');
  await cluster.nodesReady(kubectl, ['cp1', 'cp2', 'cp3', 'w1', 'w2']);
  t.deepEqual(await objects(), before);
  t.deepEqual(differences(worker, await look('w1')), [], 'w1 is not touched');
  const created = await kubectl.json<{ metadata: { resourceVersion: string } }>(
    'create',
    'configmap',
    'after',
  );
  const versions = (before as Array<{ metadata: { resourceVersion: string } }>).map(({ metadata }) =>
    Number(metadata.resourceVersion),
  );
  t.true(Number(created.metadata.resourceVersion) > Math.max(...versions));
  const taints = await kubectl('get', 'node', 'cp3', '-o', 'jsonpath={.spec.taints[*].key}');
  t.regex(taints, /node-role\.kubernetes\.io\/control-plane/);
  t.is(await cluster.server('cp1').exec('ls /var/lib/slipway/store-before-etcd/store.db | wc -l'), '1\n');
  // The others learn of the new API servers now.
  await slipway('up');
  t.regex(await slipway('up'), /^no changes/m);
});
