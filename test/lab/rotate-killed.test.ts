/** kill -9 of the installer in every step of a rotation: the next run goes on, and nothing of it is left in the end. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { kubectlSkipReason } from '../helpers/kubectl.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { killAtSteps, type Moment } from './kill-at-steps.ts';
import { labSkipReason } from './machine.ts';
import { installedState, leftovers } from './server-state.ts';
import { differences } from './up-command.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
/** Some hundred runs: `npm run test:all` has them. */
const longTest = skip === undefined && process.env['TEST_ALL'] ? test.serial : test.serial.skip;
const SERVERS: HaServer[] = [
  { name: 'cp1', roles: ['control-plane', 'worker'] },
  { name: 'w1', roles: ['worker'] },
];
const NAMES = SERVERS.map(({ name }) => name);
const MOMENTS: Moment[] = ['begun', 'done'];

let cluster: HaCluster;

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

const states = async (): Promise<string> =>
  (
    await Promise.all(
      NAMES.map(async (name) =>
        (await installedState(cluster.server(name)))
          .split('\n')
          .map((line) => `${name} ${line}`)
          .join('\n'),
      ),
    )
  ).join('\n');

const stateFiles = async (): Promise<string[]> =>
  (await readdir(join(cluster.state, 'pki'), { recursive: true })).toSorted();

/** Dies once in each step; gives the phases in which it did. */
async function killed(t: ExecutionContext, ...args: string[]): Promise<string[]> {
  t.timeout(3_600_000);
  const before = await states();
  const deaths = await killAtSteps(cluster.lab, {
    ...cluster.killRun(args),
    moments: MOMENTS,
    alike: true,
  });
  t.log(`${args.join(' ')}: killed ${deaths.length} times`);
  for (const server of cluster.lab.servers) t.deepEqual(await leftovers(server), [], server.name);
  t.deepEqual(differences(before, await states()), [], 'the servers are as before, but for keys and hashes');
  await cluster.nodesReady(await cluster.kubectl('cp1'), NAMES);
  t.regex(await slipway('up'), /^no changes/m);
  return [...new Set(deaths.map(({ phase }) => phase))];
}

test.before(async (t) => {
  if (skip !== undefined || !process.env['TEST_ALL']) return;
  t.timeout(900_000);
  cluster = await HaCluster.prepare(`rotkill-${process.pid}`, NAMES);
  await cluster.describe(SERVERS);
  await slipway('up');
  await cluster.nodesReady(await cluster.kubectl('cp1'), NAMES);
});
test.after.always(async () => cluster?.lab.close());

longTest('rotate-ca: killed in every step of every stage, the authorities are replaced', async (t) => {
  const root = (): Promise<string> => readFile(join(cluster.state, 'pki/ca.crt'), 'utf8');
  const [before, files] = [await root(), await stateFiles()];
  const phases = await killed(t, 'certs', 'rotate-ca');
  for (const stage of ['trust', 'issue', 'drop'])
    for (const phase of ['stage', 'apiserver', 'controller-manager', 'kubelet-trust', 'kubelet', 'dns'])
      t.true(phases.includes(`${stage}-${phase}`), `${stage}-${phase}`);
  t.not(await root(), before);
  t.deepEqual(await stateFiles(), files, 'nothing is left of it in the state directory');
});

longTest('rotate-sa: killed in every step of both runs, one key is left', async (t) => {
  const key = (): Promise<string> => readFile(join(cluster.state, 'pki/sa.pub'), 'utf8');
  const [before, files] = [await key(), await stateFiles()];
  t.true((await killed(t, 'certs', 'rotate-sa')).includes('sign-pod-tokens'));
  t.is(await key(), before, 'the old one still counts');
  await killed(t, 'certs', 'rotate-sa', '--drop-old', '--now');
  t.not(await key(), before);
  t.deepEqual(await stateFiles(), files, 'nothing is left of it in the state directory');
});
