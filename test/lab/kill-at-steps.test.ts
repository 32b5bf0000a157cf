/** kill -9 of the installer in every step that it has: the next run goes on, and ends where an undisturbed one ends. */
import { readdir } from 'node:fs/promises';
import { once } from 'node:events';
import { hostname } from 'node:os';
import test, { type ExecutionContext } from 'ava';
import { readJournal, type JournalStep } from '../../src/bootstrap/journal.ts';
import { StateDirectory } from '../../src/bootstrap/state-directory.ts';
import { parseLedger } from '../../src/provision/ledger.ts';
import { INVENTORY_FUNCTION, inventoryDifferences } from '../../src/provision/server-inventory.ts';
import { kubectlSkipReason, type Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { killAtSteps, type Moment } from './kill-at-steps.ts';
import { labSkipReason } from './machine.ts';
import type { LabServer } from './server.ts';
import { everything, installedState, leftovers } from './server-state.ts';
import { differences } from './up-command.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;
/** Tests of many minutes: `npm run test:all` runs them. */
const longTest = skip === undefined && process.env['TEST_ALL'] ? test.serial : test.serial.skip;
/** With TEST_ALL a run dies three times in each step, and in each step that issues a certificate. */
const all = Boolean(process.env['TEST_ALL']);
const MOMENTS: Moment[] = all ? ['begun', 'during', 'done'] : ['done'];
const CP1: HaServer = { name: 'cp1', roles: ['control-plane', 'worker'] };
const W1: HaServer = { name: 'w1', roles: ['worker'] };

let cluster: HaCluster;
let kubectl: Kubectl;
/** Before the first command. */
const bare = new Map<string, string>();
/** After commands that nobody killed. */
const undisturbed = new Map<string, string>();

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(900_000);
  cluster = await HaCluster.prepare(`kill-${process.pid}`, ['cp1', 'w1']);
  for (const { name } of [CP1, W1]) bare.set(name, await everything(cluster.server(name)));
});
test.after.always(async () => cluster?.lab.close());

/** One death in each step of the command; says where, and that nobody else's lock was left. */
async function killed(
  t: ExecutionContext,
  args: readonly string[],
  afterDeath?: () => Promise<void>,
): Promise<string[]> {
  t.timeout(all ? 3_600_000 : 600_000);
  const startedMs = performance.now();
  const deaths = await killAtSteps(cluster.lab, {
    ...cluster.killRun(args),
    moments: MOMENTS,
    alike: !all,
    afterDeath: async () => {
      dead.add(runOf((await lastStep()).id));
      await afterDeath?.();
    },
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  t.log(`${args.join(' ')}: killed ${deaths.length} times, ${seconds} s`);
  for (const { moment, node, change } of deaths) t.log(`  ${moment} ${node || '-'} ${change.slice(0, 90)}`);
  for (const server of cluster.lab.servers)
    t.deepEqual(await leftovers(server), [], `${server.name} has leftovers`);
  // The last run may have found nothing to do.
  const steps = (await readJournal(new StateDirectory(cluster.state))).filter(
    ({ id }) => !dead.has(runOf(id)),
  );
  t.deepEqual(
    steps.filter(({ state }) => state !== 'done'),
    [],
    'runs that were not killed ended each step',
  );
  return deaths.map(({ phase }) => phase);
}

/** Runs of the journal that were killed. */
const dead = new Set<string | undefined>();
const runOf = (stepId: string): string | undefined => stepId.split('.')[0];

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** Names of the objects that commands make; those that controllers and kubelets make are left out. */
async function objects(): Promise<string> {
  const kinds =
    'clusterroles,clusterrolebindings,roles,rolebindings,priorityclasses,namespaces,services,configmaps,serviceaccounts';
  const text = await kubectl(
    'get',
    kinds,
    '-A',
    '-o',
    'jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{"\\n"}{end}',
  );
  const nodes = await kubectl(
    'get',
    'nodes',
    '-o',
    'jsonpath={range .items[*]}{.metadata.name} {.spec} {.metadata.labels}{"\\n"}{end}',
  );
  // A removal is remembered, and a node that comes again gets the next range of pods.
  const remembered = 'ConfigMap kube-system/slipway-removed-nodes\n';
  const ranges = nodes.replaceAll(/10\.244\.\d+\.0/g, '10.244.N.0');
  return `${text.replace(remembered, '')}${ranges}${await kubectl('get', 'secrets', '-A', '-o', 'name')}`;
}

/** The cluster and its servers are as an undisturbed run leaves them; the first time this is remembered. */
async function asUndisturbed(t: ExecutionContext, what: string, names: readonly string[]): Promise<void> {
  kubectl = await cluster.kubectl('cp1');
  await cluster.nodesReady(kubectl, names);
  t.is(
    await kubectl('get', 'nodes', '-o', 'jsonpath={.items[*].spec.unschedulable}'),
    '',
    'a node is cordoned',
  );
  const states = new Map([['objects', await objects()]]);
  // The node's range of pods stands in it; that it is there is compared.
  const range = /^(content \/etc\/cni\/net\.d\/10-slipway\.conflist) \S+/m;
  for (const name of names)
    states.set(name, (await installedState(cluster.server(name))).replace(range, '$1'));
  for (const [name, state] of states) {
    const key = `${what} ${name}`;
    const expected = undisturbed.get(key);
    if (expected === undefined) undisturbed.set(key, state);
    else t.deepEqual(differences(expected, state), [], key);
  }
}

async function isBare(t: ExecutionContext, name: string): Promise<void> {
  t.deepEqual(
    differences(bare.get(name) ?? '', await everything(cluster.server(name))),
    [],
    `${name} is bare`,
  );
}

/** The server's inventory after each step that a run of `up` died in, in the order of the steps. */
const afterStep: Array<{ id: string; change: string; inventory: string }> = [];

/** The step in which the last run died, from its journal: begun, and not done. */
async function lastStep(): Promise<JournalStep> {
  const steps = await readJournal(new StateDirectory(cluster.state));
  return steps.findLast(({ state }) => state === 'begun')!;
}

const inventoryOf = (name: string): Promise<string> =>
  cluster.server(name).exec(`${INVENTORY_FUNCTION}\ninventory`);

labTest('up: killed at every step, it ends with the cluster of an undisturbed run', async (t) => {
  await cluster.describe([CP1]);
  afterStep.push({ id: '', change: 'nothing yet', inventory: await inventoryOf('cp1') });
  const phases = await killed(t, ['up'], async () => {
    const { id, node, change } = await lastStep();
    if (node !== null) afterStep.push({ id, change, inventory: await inventoryOf('cp1') });
  });
  for (const phase of [
    'pki',
    'prepare-server',
    'packages',
    'executable',
    'apiserver',
    'kubelet',
    'kubeconfig',
  ]) {
    t.true(phases.includes(phase), `killed in ${phase}`);
  }
  await asUndisturbed(t, 'one', ['cp1']);
  t.regex(await slipway('up'), /^no changes/m);
});

/** What units that were started by then come to do later: the inventory after their step may not have it yet. */
const LATER: Record<string, RegExp> = {
  'slipway-kubelet':
    /^\S+\t(\/var\/(lib\/(kubelet|cni)|log\/(pods|containers))|\/etc\/kubernetes\/kubelet\.conf)/,
  'slipway-network': /^(nft\tip6? (slipway-network|nat|filter|mangle)|\S+\t\/etc\/cni|route\t)/,
  'slipway-proxy': /^nft\tip6? slipway-proxy/,
  'slipway-dns': /^address\tlo/,
};

/** The token's file, which is removed when its node has joined; the ledger's own folder; where servers are measured. */
const NOT_OF_STEPS =
  /(\/bootstrap-kubelet\.conf|path\t\/var\/lib\/slipway|\/run\/slipway-preflight-\w+)(\t|$)/;

/** Objects are not a step's to destroy: the folder stays with what is in it. */
const STORE = /^make \/var\/lib\/slipway\/store$/;

labTest('every step of up is undone alone, and twice, and leaves what stood there before it', async (t) => {
  t.timeout(600_000);
  const inLedger = await cluster.server('cp1').exec('cat /var/lib/slipway/ledger/ledger.jsonl');
  const kinds = new Set(parseLedger(inLedger).flatMap((entry) => Object.keys(entry)));
  for (const kind of ['path', 'unit', 'user', 'sysctl', 'packages', 'image']) t.true(kinds.has(kind), kind);
  // A step that nobody wrote into the ledger is no change of the server: that of its node object, by the API.
  const steps = afterStep.filter(({ id }) => id !== '' && inLedger.includes(`"step":"${id}"`));
  t.deepEqual(
    afterStep
      .filter((step) => step.id !== '' && !steps.includes(step))
      .map(({ change }) => change.replace(/ cp1.*/, '')),
    ['label node'],
  );
  for (const { id, change } of steps.toReversed()) {
    if (change.startsWith('remove ')) {
      const refused = await cluster.slipway(['undo', id]);
      t.is(refused.code, 2, refused.stdout + refused.stderr);
      t.regex(refused.stderr, /bootstrap-kubelet.conf was replaced or removed, and is not kept \[E_UNDO\]/);
      continue;
    }
    const told = await slipway('undo', id);
    t.true(
      told.includes(`${id} (${change}) is undone${STORE.test(change) ? ' as far as it can be now' : ''}\n`),
      told,
    );
    const { inventory } = afterStep[afterStep.findIndex((each) => each.id === id) - 1]!;
    const units = (
      await cluster.server('cp1').exec('systemctl list-units --plain --no-legend --state=active')
    ).split('\n');
    const later = Object.entries(LATER).filter(([unit]) =>
      units.some((line) => line.startsWith(`${unit}.service`)),
    );
    const { gone, added } = inventoryDifferences(inventory, await inventoryOf('cp1'));
    const differ = [...gone.map((line) => `- ${line}`), ...added.map((line) => `+ ${line}`)];
    t.deepEqual(
      differ.filter(
        (line) => !NOT_OF_STEPS.test(line) && !later.some(([, pattern]) => pattern.test(line.slice(2))),
      ),
      [],
      `undo ${change}`,
    );
    t.deepEqual(await leftovers(cluster.server('cp1')), [], change);
  }
  const last = await inventoryOf('cp1');
  const undone = steps.filter(({ change }) => !change.startsWith('remove ')).toReversed();
  const again = await slipway('undo', ...undone.map(({ id }) => id));
  t.is(again.match(/ was undone before$/gm)?.length, undone.length - 1);
  t.regex(again, /^ {2}! \/var\/lib\/slipway\/store is not empty/m);
  t.is(await inventoryOf('cp1'), last);
});

labTest('reset: killed at every step, the server is as it was before the installation', async (t) => {
  await slipway('up');
  await asUndisturbed(t, 'one', ['cp1']);
  await killed(t, ['reset', '--yes']);
  await isBare(t, 'cp1');
});

labTest(
  'remove and join: killed at every step, the server goes and comes as it would undisturbed',
  async (t) => {
    await cluster.describe([CP1]);
    await slipway('up');
    await asUndisturbed(t, 'one', ['cp1']);
    await cluster.describe([CP1, W1]);
    await slipway('join');
    await asUndisturbed(t, 'two', ['cp1', 'w1']);
    await killed(t, ['remove', 'w1']);
    await isBare(t, 'w1');
    await killed(t, ['join']);
    await asUndisturbed(t, 'two', ['cp1', 'w1']);
    t.regex(await slipway('up'), /^no changes/m);
  },
);

longTest('certs renew: killed at every step, each certificate is renewed and served', async (t) => {
  const serials = async (): Promise<string> =>
    cluster
      .server('cp1')
      .exec('cat /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/proxy.conf | sha256sum');
  const before = await serials();
  await killed(t, ['certs', 'renew']);
  t.not(await serials(), before);
  await asUndisturbed(t, 'two', ['cp1', 'w1']);
  t.regex(await slipway('up'), /^no changes/m);
  t.deepEqual(
    (await readdir(cluster.state)).filter((name) => /renewal|\.new$/.test(name)),
    [],
  );
});

longTest(
  'rotate-store-key: killed at every step, one new key is left and every Secret can be read',
  async (t) => {
    await kubectl('create', 'secret', 'generic', 'kept', '--from-literal=a=b');
    await killed(t, ['rotate-store-key']);
    await kubectl('delete', 'secret', 'kept');
    await asUndisturbed(t, 'two', ['cp1', 'w1']);
    t.regex(await slipway('up'), /^no changes/m);
  },
);

labTest('a script that a dead run began has ended before the next run changes its server', async (t) => {
  const w1 = cluster.server('w1');
  const operator = {
    user: 'root',
    host: hostname(),
    pid: 0x7ffffff0,
    command: 'up',
    since: '2026-01-01T00:00:00Z',
  };
  const lock = `dead\n${Buffer.from(JSON.stringify(operator)).toString('base64')}\n`;
  await w1.exec(`
mkdir -m 700 /run/slipway-operator
printf '%s' '${lock}' >/run/slipway-operator/lock
setsid sh -c 'flock -s 8; touch /run/begun; while [ ! -e /run/end ]; do sleep 0.05; done; touch /run/ended' \
  8>>/run/slipway-operator/busy </dev/null >/dev/null 2>&1 &
while [ ! -e /run/begun ]; do sleep 0.05; done
`);
  const child = await cluster.start(['reset', '--node', 'w1', '--yes', '--output', 'json']);
  const closed = once(child, 'close');
  let told = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (told += text));
  await waitFor(
    'the lock is taken over',
    async () => !/^dead$/m.test(await w1.exec('cat /run/slipway-operator/lock')),
  );
  await waitFor('the run waits', () => isWaiting(w1));
  t.notRegex(told, /"type":"change"/);
  await w1.exec('touch /run/end');
  await closed;
  t.is(child.exitCode, 0, told);
  await w1.exec('test -e /run/ended && rm /run/begun /run/end /run/ended');
  await isBare(t, 'w1');
});

/** Whether a script of ours waits for others' scripts. */
const isWaiting = async (server: LabServer): Promise<boolean> =>
  (await server.tryExec('pgrep -f "^flock -x -w"')).code === 0;
