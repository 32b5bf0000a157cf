/** kill -9 of the installer in the middle of its work, again and again: the next run goes on. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'ava';
import { kubectlSkipReason } from '../helpers/kubectl.ts';
import { InstalledCluster } from './installed-cluster.ts';
import { labSkipReason } from './machine.ts';
import { slipwayUp, startSlipwayUp } from './up-command.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;

let cluster: InstalledCluster;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(900_000);
  cluster = await InstalledCluster.prepare(`killed-${process.pid}`);
});
test.after.always(async () => cluster?.lab.close());

/** Runs `up` and kills it as soon as it has said that it begins `phase`, or its `nth` change there. */
async function killedIn(phase: string, nth: number): Promise<boolean> {
  const child = await startSlipwayUp(cluster.lab, { ...cluster.upRun, flags: ['--output', 'json'] });
  const closed = once(child, 'close');
  let changes = 0;
  let killed = false;
  if (!child.stdout) throw new Error('no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { type: string; phase?: string };
    if (event.phase !== phase || killed) continue;
    if (event.type === 'change') changes += 1;
    if (changes === nth && (event.type === 'change' || event.type === 'phase-started')) {
      killed = child.kill('SIGKILL');
    }
  }
  await closed;
  return killed;
}

/** Where the run dies: in the order of the phases, so that each run comes further than the last. */
const MOMENTS: Array<[phase: string, change: number]> = [
  ['pki', 7],
  ['prepare-server', 3],
  ['packages', 2],
  ['executable', 2],
  ['containerd', 2],
  ['sandbox-image', 1],
  ['apiserver', 1],
  ['apiserver', 1],
  ['bootstrap-objects', 9],
  ['controller-manager', 2],
  ['bootstrap-tokens', 2],
  ['network', 4],
  ['kubelet', 3],
  ['dns', 2],
  ['wait-nodes', 0],
  ['revoke-tokens', 1],
];

labTest(
  'killed at sixteen moments, the installer still ends with the cluster that it was asked for',
  async (t) => {
    for (const [phase, change] of MOMENTS) t.true(await killedIn(phase, change), `killed in ${phase}`);
    const result = await slipwayUp(cluster.lab, cluster.upRun);
    t.is(result.code, 0, result.stdout + result.stderr);
    await cluster.connect();
    await cluster.nodesReady();
    t.notRegex(await cluster.kubectl('get', 'secrets', '-n', 'kube-system', '-o', 'name'), /bootstrap-token/);
    t.regex(await cluster.kubectl('get', 'nodes', '-L', 'example.org/disk', '--no-headers'), /^w1 .* ssd$/m);
    for (const server of cluster.lab.servers) {
      const left =
        'find /etc /opt /usr/local/bin /var/lib/slipway -name "*.slipway-new" -o -name "*.part" -o -name bundle.tar -o -name bootstrap-kubelet.conf';
      t.is(await server.exec(left), '', `${server.name} has leftovers`);
    }
    await cluster.upChangesNothing(t);
  },
);
