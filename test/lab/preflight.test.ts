/** Three bare servers that are measured, with faults between them, and left as they were. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildRelease } from '../../scripts/build/release.ts';
import { loadInventory } from '../../src/bootstrap/inventory/load.ts';
import type { Finding } from '../../src/bootstrap/preflight/finding.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { Lab } from './lab.ts';
import { labSkipReason } from './machine.ts';
import { OPS_PASSWORD, type LabServer } from './server.ts';
import {
  differences,
  serverEntries,
  slipwayCommand,
  startSlipway,
  systemInventory,
  writeInventory,
  type UpRun,
} from './up-command.ts';

const skip = labSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;

let lab: Lab;
let run: UpRun;
let pristine: Map<LabServer, string>;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(600_000);
  lab = await Lab.create({
    id: `pre-${process.pid}`,
    servers: [{ name: 'cp1' }, { name: 'cp2' }, { name: 'cp3' }],
  });
  await buildRelease(join(lab.directory, 'dist'));
  const servers = serverEntries(lab).map((entry) => ({ ...entry, roles: ['control-plane'] }));
  const inventory = await writeInventory(lab, 'cluster', { cluster: { name: 'pre' }, servers });
  run = { inventory, executable: join(lab.directory, 'dist/slipway'), timeoutMs: 120_000 };
  pristine = new Map();
  for (const server of lab.servers) pristine.set(server, await systemInventory(server));
});
test.after.always(async () => lab?.close());

interface Done {
  must: number;
  findings: Finding[];
}

const preflight = async (code = 0, t?: ExecutionContext): Promise<Done> => {
  const result = await slipwayCommand(lab, 'preflight', { ...run, flags: ['--output', 'json'] });
  t?.is(result.code, code, result.stdout + result.stderr);
  return JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as Done;
};

/** No process, mount or file of a measurement is on any server, and no file differs. */
const untouched = async (t: ExecutionContext): Promise<void> => {
  for (const [server, before] of pristine) {
    await waitFor(`nothing of the measurement is on ${server.name}`, async () => {
      const left = await server.exec(
        'ls -d /run/slipway-preflight-* 2>/dev/null; grep slipway-preflight /proc/mounts; pgrep -fa "[s]lipway probe"; true',
      );
      return left === '' ? true : undefined;
    });
    t.deepEqual(differences(before, await systemInventory(server)), [], server.name);
  }
};

const of = (findings: Finding[], check: string, node: string, peer?: string): Finding | undefined =>
  findings.find((each) => each.check === check && each.node === node && each.peer === peer);

labTest('good servers: every way and every disk is measured, and nothing is changed', async (t) => {
  const { must, findings } = await preflight(0, t);
  t.is(must, 0);
  for (const node of ['cp1', 'cp2', 'cp3']) {
    for (const peer of ['cp1', 'cp2', 'cp3'].filter((other) => other !== node)) {
      const way = of(findings, 'reach', node, peer);
      t.is(way?.severity, 'fine', `${node} → ${peer}`);
      t.regex(
        way?.message ?? '',
        /TCP 6443, 10250, 2379, 2380 open, round trip .* 200 of 200 packets, MTU 1500/,
      );
    }
    t.regex(
      of(findings, 'disk', node)?.message ?? '',
      /synchronous write to \/var\/lib takes .* \(\d+ writes\)/,
    );
  }
  await untouched(t);
});

labTest(
  'faults of servers and between them are found in one run, each with its place and remedy',
  async (t) => {
    const [cp1, cp2, cp3] = lab.servers as [LabServer, LabServer, LabServer];
    const id = (await cp1.exec('cat /etc/machine-id')).trim();
    const own = (await cp2.exec('cat /etc/machine-id')).trim();
    // A bridge filter in the fabric is the firewall between servers, and the bad cable.
    await lab.fabricExec(['nft', '-f', '-'], {
      input: `table bridge faults {
  chain way { type filter hook forward priority 0;
    iifname "${cp1.port}" oifname "${cp2.port}" tcp dport 2380 drop
    iifname "${cp3.port}" oifname "${cp1.port}" meta l4proto udp numgen random mod 100 < 10 drop
  }
}
`,
    });
    // A virtual cable lets four bytes more pass than it should, for the mark of a VLAN.
    await lab.fabricExec(['ip', 'link', 'set', cp3.port, 'mtu', '1400']);
    await cp2.exec(`echo ${id} >/run/id && mount --bind /run/id /etc/machine-id`);
    for (const server of [cp1, cp3])
      await server.exec('ip link add wan0 address 02:77:aa:00:00:01 type veth peer name wan1');
    await cp3.exec('mkdir -p /etc/rancher/k3s');
    try {
      const { findings } = await preflight(1, t);
      t.like(of(findings, 'reach', 'cp1', 'cp2'), {
        severity: 'must',
        message: 'TCP to port 2380 (etcd’s peers) gets no answer',
        remedy:
          'let cp1 (10.77.0.11) reach port 2380 of cp2: look at the firewalls of both, and between them',
      });
      t.is(of(findings, 'reach', 'cp2', 'cp1')?.severity, 'fine', 'the way back is open');
      t.regex(of(findings, 'loss', 'cp3', 'cp1')?.message ?? '', /^\d+\.\d % of packets are lost/);
      t.is(of(findings, 'loss', 'cp1', 'cp2'), undefined);
      for (const [from, to] of [
        ['cp1', 'cp3'],
        ['cp2', 'cp3'],
      ] as const) {
        t.regex(of(findings, 'path-mtu', from, to)?.message ?? '', /^packets of more than 140[0-4] bytes/);
      }
      t.is(of(findings, 'path-mtu', 'cp1', 'cp2'), undefined);
      t.regex(of(findings, 'machine-id', 'cp2')?.message ?? '', /same machine-id as cp1/);
      t.regex(of(findings, 'mac', 'cp3')?.message ?? '', /wan0 has the same MAC address as wan0 of cp1/);
      t.regex(of(findings, 'leftovers', 'cp3')?.message ?? '', /leftovers of k3s/);
      for (const { severity, remedy } of findings) t.is(remedy === undefined, severity === 'fine');
    } finally {
      await lab.fabricExec(['nft', 'delete', 'table', 'bridge', 'faults']);
      await lab.fabricExec(['ip', 'link', 'set', cp3.port, 'mtu', '1500']);
      await cp2.exec('umount /etc/machine-id && rm /run/id');
      for (const server of [cp1, cp3]) await server.exec('ip link del wan0');
      await cp3.exec('rmdir -p /etc/rancher/k3s 2>/dev/null; true');
      // What the test did to them by itself is no change of ours.
      for (const server of lab.servers) pristine.set(server, await systemInventory(server));
    }
    t.is((await cp2.exec('cat /etc/machine-id')).trim(), own);
  },
);

labTest('a server that does not answer is a finding, and the others are measured all the same', async (t) => {
  await lab.server('cp3').linkDown();
  try {
    const { findings } = await preflight(1, t);
    t.regex(of(findings, 'connect', 'cp3')?.message ?? '', /cp3 \(root@10\.77\.0\.13\)/);
    t.is(of(findings, 'reach', 'cp1', 'cp2')?.severity, 'fine');
  } finally {
    await lab.server('cp3').linkUp();
  }
});

labTest('killed in the middle it leaves nothing on any server', async (t) => {
  const child = await startSlipway(lab, 'preflight', { ...run, flags: ['--output', 'json'] });
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  const closed = once(child, 'close');
  const listens = waitFor(
    'the probe listens',
    async () => (await lab.server('cp2').tryExec('pgrep -f "[s]lipway probe listen"')).code === 0,
    { timeoutMs: 90_000 },
  );
  const first = await Promise.race([listens.then(() => 'listens'), closed.then(() => 'ended')]);
  t.is(first, 'listens', said);
  child.kill('SIGKILL');
  await closed;
  await untouched(t);
});

/** Runs `slipway init` on a terminal and gives each answer when its question stands there. */
async function onTerminal(
  flags: string[],
  answers: Array<[question: string, answer: string]>,
): Promise<string> {
  const command = [run.executable ?? '', 'init', ...flags].join(' ');
  const child = lab.fabricSpawn(
    ['script', '--quiet', '--flush', '--return', '--command', command, '/dev/null'],
    {
      cwd: lab.directory,
      env: {
        PATH: process.env['PATH'],
        HOME: join(lab.directory, 'wizard-home'),
        TERM: 'xterm',
        COLUMNS: '200',
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  let text = '';
  let from = 0;
  const left = [...answers];
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    const [next] = left;
    const at = next === undefined ? -1 : text.indexOf(next[0], from);
    if (next === undefined || at < 0) return;
    left.shift();
    from = text.length;
    child.stdin?.write(`${next[1]}\r`);
  });
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0 || left.length > 0) throw new Error(`code ${code}, unanswered ${left.length}: ${text}`);
  return text;
}

labTest(
  'init on a terminal: asks for the host key, offers what it finds, writes what up can use',
  async (t) => {
    const text = await onTerminal(
      ['--file', 'wizard.yaml', '--ssh-key', lab.sshKeyPath],
      [
        ['Name of the cluster', 'wizard'],
        ['First server', 'root@10.77.0.11'],
        ['shows the host key', 'y'],
        ['Name of the server', ''],
        ['Server 2', 'ops@10.77.0.12'],
        ['shows the host key', 'y'],
        ['Password for sudo', OPS_PASSWORD],
        ['Name of the server', 'worker1'],
        ['Server 3', ''],
        ['How many of them', ''],
        ['Do control planes run pods', 'y'],
        ['Range of pod', ''],
        ['Range of Service', ''],
        ['Further names', ''],
      ],
    );
    t.regex(text, /found: Debian GNU\/Linux 12/);
    t.regex(text, /slipway up --inventory wizard\.yaml/);
    t.false(text.includes(OPS_PASSWORD), 'the password is not shown');
    const path = join(lab.directory, 'wizard.yaml');
    const inventory = await loadInventory(path);
    t.deepEqual(
      inventory.servers.map(({ name, address, roles }) => [name, address, roles.join()]),
      [
        ['cp1', '10.77.0.11', 'control-plane,worker'],
        ['worker1', '10.77.0.12', 'worker'],
      ],
    );
    t.is(inventory.servers[1]?.ssh?.sudoPasswordFrom, 'env:SLIPWAY_SUDO_PASSWORD');
    t.false((await readFile(path, 'utf8')).includes(OPS_PASSWORD), 'no secret is in the inventory');
    t.regex(await readFile(path, 'utf8'), /# Debian GNU\/Linux 12.*MiB/);
    const state = join(lab.directory, 'wizard-home/.local/state/slipway/wizard/known_hosts');
    t.is((await readFile(state, 'utf8')).trim().split('\n').length, 2, '`up` need not ask again');
  },
);

labTest('init --yes does the same without a terminal, and refuses what it cannot reach', async (t) => {
  const init = (...flags: string[]) =>
    lab.fabricTryExec(
      [run.executable ?? '', 'init', '--yes', '--known-hosts', lab.knownHostsPath, ...flags],
      {
        env: { PATH: process.env['PATH'], HOME: join(lab.directory, 'wizard-home') },
      },
    );
  const file = join(lab.directory, 'yes.yaml');
  const key = ['--ssh-key', lab.sshKeyPath, '--file', file];
  const servers = ['11', '12', '13'].flatMap((last) => ['--server', `root@10.77.0.${last}`]);
  const result = await init('--name', 'yes', ...servers, ...key);
  t.is(result.code, 0, result.stdout + result.stderr);
  const inventory = await loadInventory(file);
  t.deepEqual(
    inventory.servers.map(({ name, roles }) => [name, roles.includes('control-plane')]),
    [
      ['cp1', true],
      ['cp2', true],
      ['cp3', true],
    ],
  );
  const again = await init('--name', 'yes', ...servers, ...key);
  t.is(again.code, 2);
  t.regex(again.stderr, /is there already[^]*--force/);
  const dead = await init('--name', 'yes', '--server', 'root@10.77.0.11:2222', ...key, '--force');
  t.is(dead.code, 2);
  t.regex(dead.stderr, /10\.77\.0\.11:2222.*nothing listens[^]*\[E_SSH_UNREACHABLE\]/);
  t.is((await loadInventory(file)).servers.length, 3, 'the file is as it was');
});
