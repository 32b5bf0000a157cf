/** What goes wrong while a cluster is made: a full disk, a network that vanishes, power that goes; run again, it gets there. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'ava';
import { kubectlSkipReason } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;

const SERVERS: HaServer[] = [
  { name: 'cp1', roles: ['control-plane', 'worker'] },
  { name: 'w1', roles: ['worker'] },
];
const NAMES = SERVERS.map(({ name }) => name);
let cluster: HaCluster;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(600_000);
  cluster = await HaCluster.prepare(`finst-${process.pid}`, NAMES);
  await cluster.describe(SERVERS);
  // A disk of its own for what is uploaded: room for the executable and what is unpacked of it, and not much more.
  await cluster.server('w1').limitSpace('/opt', 340 * 1024);
});
test.after.always(async () => cluster?.lab.close());

interface Event {
  type: string;
  phase?: string;
  node?: string;
  change?: string;
  message?: string;
  hint?: string;
  code?: string;
}

/** An `up` with its events, as far as they have come, and `ended`, which gives its exit code. */
class Run {
  readonly child: ChildProcess;
  readonly events: Event[] = [];
  readonly ended: Promise<number | null>;
  errors = '';

  constructor(child: ChildProcess, seen: (event: Event) => void = () => {}) {
    this.child = child;
    if (!child.stdout || !child.stderr) throw new Error('no output');
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = JSON.parse(line) as Event;
      this.events.push(event);
      seen(event);
    });
    this.ended = once(child, 'close').then(([code]) => code as number | null);
  }

  /** Percentages of uploads of the executable to a server that it told of. */
  uploaded(node: string): number[] {
    return this.events
      .filter(({ type, phase, node: of }) => type === 'progress' && phase === 'executable' && of === node)
      .map(({ message = '' }) => Number(/(\d+)%/.exec(message)?.[1]));
  }
}

/** Runs `up`, and does something as soon as three quarters of the executable have gone to w1. */
async function upWith(fault: () => Promise<unknown>): Promise<Run> {
  let done: Promise<unknown> | undefined;
  const run = new Run(
    await cluster.start(['up', '--output', 'json']),
    ({ type, phase, node, message = '' }) => {
      if (type === 'progress' && phase === 'executable' && node === 'w1' && / 75%/.test(message))
        done ??= fault();
    },
  );
  await run.ended;
  if (done === undefined) throw new Error(`the upload was not seen:\n${run.errors}`);
  await done;
  return run;
}

const nothingPartial = 'find /opt/slipway -name slipway -type f; find /opt/slipway -perm /111 -type f';

labTest('the power goes while packages are unpacked: the next run finishes them', async (t) => {
  const cp1 = cluster.server('cp1');
  await upCutAt('packages', 1, () =>
    waitFor(
      'packages are half there',
      async () => {
        const { stdout } = await cp1.tryExec('grep -c "half-\\|unpacked" /var/lib/dpkg/status');
        return Number(stdout) > 0;
      },
      { intervalMs: 20 },
    ),
  );
  const audit = await cp1.exec('dpkg --audit; ls /var/lib/dpkg/updates');
  t.not(audit, '', 'something was left half done');
});

labTest('a disk that fills while the executable arrives: the server and the remedy are named', async (t) => {
  const w1 = cluster.server('w1');
  const run = await upWith(() => w1.tryExec('dd if=/dev/zero of=/opt/ballast bs=1M 2>/dev/null; true'));
  t.is(await run.ended, 1, run.errors);
  t.regex(run.errors + JSON.stringify(run.events), /w1: .*No space left on device/);
  t.regex(
    run.errors + JSON.stringify(run.events),
    /free some space on the server, then run the same command again/,
  );
  t.is(await w1.exec(nothingPartial), '', 'nothing that could be run stands there');
  await w1.exec('rm /opt/ballast');
});

labTest(
  'the network vanishes in the middle of an upload: the run ends, and the next one goes on there',
  async (t) => {
    const w1 = cluster.server('w1');
    // What the full disk left is whole up to where it ends, and would be gone on with: this upload is to begin anew.
    await w1.exec('find /opt -name "*.part" -delete');
    const run = await upWith(() => w1.linkDown());
    t.is(await run.ended, 1, run.errors);
    t.regex(run.errors, /w1 .* was lost.*\[E_SSH_LOST\]/s);
    t.is(await w1.exec(nothingPartial), '', 'nothing that could be run stands there');
    const bytes = Number(await w1.exec('stat -c %s /opt/slipway/releases/*/slipway.*.part'));
    t.true(bytes > 2 ** 20, `${bytes} bytes had arrived`);
    await w1.linkUp();
    const again = await upCutAt('containerd', 2);
    t.log(`${bytes} bytes had arrived; the next run told of ${again.uploaded('w1').join(', ')} %`);
    t.true((again.uploaded('w1')[0] ?? 100) >= 50, 'it went on where it was');
  },
);

/** Where the power of cp1 and of the operator goes, each run coming further than the last. */
const MOMENTS: ReadonlyArray<[phase: string, change: number]> = process.env['TEST_ALL']
  ? [
      ['sandbox-image', 1],
      ['apiserver', 1],
      ['apiserver', 1],
      ['bootstrap-objects', 9],
      ['controller-manager', 2],
      ['bootstrap-tokens', 1],
      ['network', 1],
      ['kubelet', 1],
      ['kubelet', 2],
      ['dns', 1],
    ]
  : [['apiserver', 1]];

/**
 * Runs `up` until it begins its `nth` change of a phase, not counting those of w1. Then, as soon as it is `time`, the power
 * of cp1 goes and the operator's machine with it; cp1 is switched on again.
 */
async function upCutAt(phase: string, nth: number, time?: () => Promise<unknown>): Promise<Run> {
  const cp1 = cluster.server('cp1');
  let changes = 0;
  let done: Promise<void> | undefined;
  const cut = async (): Promise<void> => {
    await time?.();
    run.child.kill('SIGKILL');
    await cp1.powerCut();
  };
  const run: Run = new Run(await cluster.start(['up', '--output', 'json']), (event) => {
    if (event.type !== 'change' || event.phase !== phase || event.node === 'w1') return;
    changes += 1;
    if (changes === nth) done = cut();
  });
  const code = await run.ended;
  if (done === undefined) throw new Error(`"up" ended with ${code} before ${phase} ${nth}:\n${run.errors}`);
  await done;
  await cp1.boot();
  await cp1.waitForSsh();
  return run;
}

labTest(
  'the power goes in the middle, again and again: the last run makes the cluster that was asked for',
  async (t) => {
    t.timeout(400_000);
    for (const [phase, change] of MOMENTS) {
      await upCutAt(phase, change);
    }
    const { code, stdout, stderr } = await cluster.slipway(['up']);
    t.is(code, 0, stdout + stderr);
    const kubectl = await cluster.kubectl('cp1');
    await cluster.nodesReady(kubectl, NAMES);
    const again = await cluster.slipway(['up']);
    t.regex(again.stdout, /^no changes, in [\d.]+ s$/m, again.stdout + again.stderr);
    const left =
      'find /etc /opt /usr/local/bin /var/lib/slipway -name "*.slipway-new" -o -name "*.part" -o -name "*.resumed"';
    for (const server of cluster.lab.servers) t.is(await server.exec(left), '', server.name);
    t.regex(await cluster.server('cp1').exec('dpkg --audit; echo whole'), /^whole$/m);
  },
);
