/** A run that finds nothing to do writes nothing on five servers, and a sixth one joins without a byte changed on them. */
import test from 'ava';
import { kubectlSkipReason } from '../helpers/kubectl.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';
import type { LabServer } from './server.ts';
import { differences } from './up-command.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
/** Six servers and some minutes: `npm run test:all` runs it. */
const longTest = skip === undefined && process.env['TEST_ALL'] ? test.serial : test.serial.skip;

const FIVE: HaServer[] = [
  { name: 'cp1', roles: ['control-plane', 'worker'] },
  { name: 'cp2', roles: ['control-plane', 'worker'] },
  { name: 'cp3', roles: ['control-plane', 'worker'] },
  { name: 'w1', roles: ['worker'] },
  { name: 'w2', roles: ['worker'] },
];
const SIXTH: HaServer = { name: 'w3', roles: ['worker'] };

/** What a cluster that runs, and a login, write by themselves: stores, logs, containers, and the kernel's own views. */
const ALIVE = [
  '/proc',
  '/sys',
  '/dev',
  '/run',
  '/tmp',
  '/var/tmp',
  '/var/log',
  '/var/lib/systemd',
  '/var/lib/containerd',
  '/var/lib/kubelet/pods',
  '/var/lib/slipway/etcd',
];

/**
 * Every file, folder and link of a server with its inode, size and times: the time of its last change of any kind, which
 * nobody can set, among them. And every unit of ours with its process.
 */
async function everything(server: LabServer): Promise<string> {
  const prune = ALIVE.map((path) => `-path ${path}`).join(' -o ');
  return await server.exec(
    `find / \\( ${prune} \\) -prune -o -printf '%p %y %i %s %T@ %C@ %m %u:%g %l\\n' 2>/dev/null | sort
for unit in $(systemctl list-units --all --plain --no-legend 'slipway-*' containerd.service | awk '{print $1}'); do
  systemctl show "$unit" --property=Id,MainPID,NRestarts,ActiveEnterTimestampMonotonic,UnitFileState | paste -sd' '
done`,
    { timeoutMs: 120_000 },
  );
}

longTest(
  'five servers: a run without changes writes nothing, a sixth one joins and the others are as they were',
  async (t) => {
    t.timeout(1_200_000);
    const cluster = await HaCluster.prepare(
      `untouched-${process.pid}`,
      [...FIVE, SIXTH].map(({ name }) => name),
    );
    t.teardown(() => cluster.lab.close());
    const slipway = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await cluster.slipway(args, 600_000);
      if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
      return stdout;
    };
    const look = (): Promise<string[]> =>
      Promise.all(FIVE.map(({ name }) => everything(cluster.server(name))));
    const unchanged = async (before: readonly string[], what: string): Promise<void> => {
      for (const [index, after] of (await look()).entries()) {
        const name = FIVE[index]?.name ?? '';
        t.deepEqual(differences(before[index] ?? '', after), [], `${name}: ${what}`);
      }
    };
    await cluster.describe(FIVE);
    await slipway('up');
    const kubectl = await cluster.kubectl('cp1', 'cp2', 'cp3');
    await cluster.nodesReady(
      kubectl,
      FIVE.map(({ name }) => name),
    );
    // The first look leaves marks of its own: overlayfs notes in some folders that it has read them.
    await look();
    const before = await look();
    t.true(
      before.every((text) => text.includes('/etc/kubernetes/kubelet.conf') && text.split('\n').length > 5000),
    );
    const startedMs = performance.now();
    t.regex(await slipway('up'), /^no changes/m);
    t.log(`up without changes: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    await unchanged(before, 'a run without changes');
    await cluster.describe([...FIVE, SIXTH]);
    const joinedMs = performance.now();
    t.regex(await slipway('join'), /^w3 changed/m);
    t.log(`join of a sixth: ${((performance.now() - joinedMs) / 1000).toFixed(1)} s`);
    await cluster.nodesReady(
      kubectl,
      [...FIVE, SIXTH].map(({ name }) => name),
    );
    await unchanged(before, 'another one joined');
  },
);
