/** One cluster of three servers through its first hours: made, made again, broken, and made good. */
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildRelease } from '../../scripts/build/release.ts';
import { PACKAGES } from '../../src/bootstrap/phases/packages.ts';
import { parseLedger } from '../../src/provision/ledger.ts';
import { kubectlSkipReason, kubectlWith, type Kubectl } from '../helpers/kubectl.ts';
import { busyboxImage } from '../helpers/oci-image.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { clientManifest, podsOf, readyPods, webManifest, type PodView } from '../e2e/workload.ts';
import { run, type CommandResult } from './command.ts';
import { Lab } from './lab.ts';
import { labSkipReason } from './machine.ts';
import { startRelay } from './relay.ts';
import { OPS_PASSWORD, ROOT_PASSWORD, type LabServer } from './server.ts';
import {
  differences,
  serverEntries,
  slipwayUp,
  startSlipwayUp,
  systemInventory,
  writeInventory,
  type UpRun,
} from './up-command.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;
const IMAGE = 'slipway.local/busybox:1';
/** What a server has in these folders, its units, users and packages: nothing that runs writes there by itself. */
const CONFIGURATION = ['/etc', '/usr', '/opt', '/root', '/home'];

let lab: Lab;
let upRun: UpRun;
let kubectl: Kubectl;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(900_000);
  lab = await Lab.create({
    id: `up-${process.pid}`,
    servers: [{ name: 'cp1' }, { name: 'w1' }, { name: 'w2' }],
  });
  await buildRelease(join(lab.directory, 'dist'));
  const executable = join(lab.directory, 'dist/slipway');
  const bundle = join(lab.directory, 'packages.tar');
  await run(executable, ['bundle', '--output', bundle], { timeoutMs: 300_000 });
  // Three ways in: root by key, a user with a key and a password for sudo, root by password through the first one.
  const [cp1, w1, w2] = serverEntries(lab);
  const key = lab.sshKeyPath;
  const servers = [
    { ...cp1, ssh: { key } },
    {
      ...w1,
      ssh: { user: 'ops', key, sudoPasswordFrom: 'env:SUDO_PASSWORD' },
      labels: { 'example.org/disk': 'ssd' },
    },
    { ...w2, ssh: { passwordFrom: 'file:w2-password', bastion: { address: cp1?.address, key } } },
  ];
  await writeFile(join(lab.directory, 'w2-password'), `${ROOT_PASSWORD}\n`);
  const inventory = await writeInventory(lab, 'cluster', {
    cluster: { name: 'up' },
    packages: { bundle: 'packages.tar' },
    servers,
  });
  upRun = { inventory, executable, key: false, env: { SUDO_PASSWORD: OPS_PASSWORD }, timeoutMs: 300_000 };
});
test.after.always(async () => lab?.close());

const state = (): string => join(lab.directory, 'home/.local/state/slipway/up');

/** A kubeconfig that leads from this machine's loopback to the first server. */
async function connect(): Promise<void> {
  const { address } = lab.server('cp1');
  const relay = await startRelay({ labId: lab.id, name: 'api', targets: [{ host: address, port: 6443 }] });
  const text = await readFile(join(state(), 'admin.kubeconfig'), 'utf8');
  const path = join(lab.directory, 'kubeconfig');
  await writeFile(path, text.replace(`https://${address}:6443`, `https://127.0.0.1:${relay.port}`), {
    mode: 0o600,
  });
  kubectl = kubectlWith(path);
}

const succeeded = (t: ExecutionContext, result: CommandResult): void => {
  t.is(result.code, 0, result.stdout + result.stderr);
};
const noChanges = (t: ExecutionContext, result: CommandResult): void => {
  succeeded(t, result);
  t.regex(result.stdout, /^no changes, in [\d.]+ s$/m);
};
const nodesReady = async (): Promise<void> => {
  await waitFor(
    'three nodes are Ready',
    async () => {
      const words = await kubectl('get', 'nodes', '--no-headers');
      return (
        words
          .trim()
          .split('\n')
          .filter((line) => / Ready /.test(line)).length === 3
      );
    },
    { timeoutMs: 120_000 },
  );
};

labTest(
  'an upload that breaks off fails with the server and the remedy, and goes on where it stopped',
  async (t) => {
    const child = await startSlipwayUp(lab, upRun);
    let text = '';
    let cut = false;
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (!cut && text.includes('w1: executable: 25%')) {
        cut = true;
        void lab.server('w1').killSsh();
      }
    });
    let errors = '';
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
    const [code] = (await once(child, 'close')) as [number];
    t.true(cut, text + errors);
    t.is(code, 1, text + errors);
    t.regex(errors, /step "Install the executable" failed: .*w1 .* was lost/s);
    t.regex(errors, /\[E_SSH_LOST\]/);
    t.regex(errors, /hint: check the server and the network, then run the same command again/);
    const left = await lab.server('w1').exec('find /opt/slipway -type f -printf "%f\\n"');
    t.notRegex(left, /^slipway$/m, 'nothing partial stands at the target');
  },
);

labTest('one command brings three servers, reached in three ways, to Ready', async (t) => {
  const result = await slipwayUp(lab, upRun);
  succeeded(t, result);
  t.notRegex(
    result.stdout + result.stderr,
    new RegExp(`${OPS_PASSWORD}|${ROOT_PASSWORD}|PRIVATE KEY`),
    'a secret was printed',
  );
  await connect();
  await nodesReady();
  const labels = await kubectl('get', 'nodes', '-L', 'example.org/disk', '--no-headers');
  t.regex(labels, /^cp1 .*control-plane/m);
  t.regex(labels, /^w1 .* ssd$/m);
});

labTest('a second run changes nothing, says so, and is quick', async (t) => {
  const before = await Promise.all(lab.servers.map((server) => systemInventory(server, CONFIGURATION)));
  const startedMs = performance.now();
  noChanges(t, await slipwayUp(lab, upRun));
  const seconds = (performance.now() - startedMs) / 1000;
  t.log(`no-op run: ${seconds.toFixed(1)} s`);
  t.true(seconds < 10, `a no-op run took ${seconds} s`);
  for (const [index, server] of lab.servers.entries()) {
    t.deepEqual(
      differences(before[index] ?? '', await systemInventory(server, CONFIGURATION)),
      [],
      server.name,
    );
  }
});

labTest(
  'servers hold no root key, private keys are for their owner, tokens are gone, the ledger tells all',
  async (t) => {
    const rootKey = await readFile(join(state(), 'pki/ca.key'), 'utf8');
    t.is((await stat(join(state(), 'pki/ca.key'))).mode & 0o777, 0o600);
    t.is((await stat(state())).mode & 0o777, 0o700);
    const secret = rootKey.split('\n')[1] ?? '';
    for (const server of lab.servers) {
      const found = await server.exec(
        `grep -rlF '${secret}' /etc /var/lib/slipway /opt/slipway 2>/dev/null || true`,
      );
      t.is(found, '', `${server.name} has the root key`);
      const loose = await server.exec(
        `grep -rlE 'PRIVATE KEY|client-key-data' /etc/kubernetes /var/lib/kubelet/pki | xargs stat -c '%a %n' | grep -v '^600 ' || true`,
      );
      t.is(loose, '', `${server.name} has keys that others may read`);
      t.is(await server.exec('ls /etc/kubernetes | grep bootstrap || true'), '');
      const ledger = parseLedger(await server.exec('cat /var/lib/slipway/ledger/ledger.jsonl'));
      t.true(
        ledger.some(
          (entry) => 'packages' in entry && PACKAGES.every((name) => entry.packages.includes(name)),
        ),
      );
      const unit = ledger.find(
        (entry) => 'path' in entry && entry.path === '/etc/systemd/system/slipway-kubelet.service',
      );
      t.like(unit, { before: { kind: 'absent' }, after: { kind: 'file', mode: '644' } });
      const stranger = ledger.find(
        (entry) => 'path' in entry && entry.path === '/etc/containerd/config.toml',
      );
      t.true(
        stranger !== undefined && 'path' in stranger && stranger.before.kind === 'file',
        'Debian’s file stood there',
      );
      if (stranger && 'path' in stranger && stranger.before.kind === 'file') {
        const kept = await server.exec(
          `sha256sum < /var/lib/slipway/ledger/before/${stranger.before.sha256}`,
        );
        t.true(kept.startsWith(stranger.before.sha256), 'and is kept');
      }
    }
    const secrets = await kubectl('get', 'secrets', '-n', 'kube-system', '-o', 'name');
    t.notRegex(secrets, /bootstrap-token/);
  },
);

labTest('what somebody changed on a server is put right, there alone', async (t) => {
  const w1 = lab.server('w1');
  await w1.exec(
    'chmod 644 /etc/kubernetes/proxy.conf; echo "# mine" >> /etc/containerd/config.toml; systemctl stop slipway-dns; systemctl disable slipway-dns',
  );
  const result = await slipwayUp(lab, upRun);
  succeeded(t, result);
  const changes = result.stdout.split('\n').filter((line) => /^ {2}(cp1|w1|w2): /.test(line));
  t.deepEqual(changes, [
    '  w1: write /etc/containerd/config.toml',
    '  w1: write /etc/kubernetes/proxy.conf',
    '  w1: start slipway-dns.service',
  ]);
  noChanges(t, await slipwayUp(lab, upRun));
});

labTest('a Deployment answers by its service name from every server', async (t) => {
  const image = await busyboxImage(IMAGE);
  for (const server of lab.servers) await server.exec('ctr -n k8s.io images import -', { input: image });
  await kubectl.withInput(
    [webManifest(IMAGE), ...lab.servers.map(({ name }) => clientManifest(IMAGE, name))].join('\n---\n'),
    'apply',
    '-f',
    '-',
  );
  const pods = await readyPods(kubectl, 'app=web', 3);
  t.true(new Set(pods.map(({ spec }) => spec.nodeName)).size >= 2, 'the replicas are spread');
  await readyPods(kubectl, 'app=client', 3);
  await everyClientIsAnswered(t);
});

async function everyClientIsAnswered(t: ExecutionContext): Promise<void> {
  for (const { name } of lab.servers) {
    const answer = await waitFor(
      `the web service answers on ${name}`,
      async () => {
        const { code, stdout } = await kubectl.try([
          'exec',
          `client-${name}`,
          '--',
          'timeout',
          '5',
          'wget',
          '-qO-',
          'http://web',
        ]);
        return code === 0 ? stdout.trim() : undefined;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
    t.regex(answer, /^web-/, name);
  }
}

const COMPONENTS: Array<[server: string, unit: string]> = [
  ['cp1', 'slipway-apiserver'],
  ['cp1', 'slipway-controller-manager'],
  ['cp1', 'slipway-scheduler'],
  ['w1', 'slipway-kubelet'],
  ['w1', 'slipway-proxy'],
  ['w1', 'slipway-dns'],
  ['w1', 'slipway-network'],
  ['w1', 'containerd'],
];

labTest('kill -9 of each component: it comes back, and no container is restarted', async (t) => {
  const identity = (pods: PodView[]) =>
    pods
      .map(
        ({ metadata, status }) =>
          `${metadata.uid} ${status.containerStatuses?.[0]?.containerID} ${status.containerStatuses?.[0]?.restartCount}`,
      )
      .sort();
  const before = identity([...(await podsOf(kubectl, 'app=web')), ...(await podsOf(kubectl, 'app=client'))]);
  await kubectl('create', 'configmap', 'kept', '--from-literal=a=b');
  for (const [name, unit] of COMPONENTS) await killAndWait(lab.server(name), unit);
  await nodesReady();
  t.is(await kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}'), 'b');
  await everyClientIsAnswered(t);
  t.deepEqual(
    identity([...(await podsOf(kubectl, 'app=web')), ...(await podsOf(kubectl, 'app=client'))]),
    before,
  );
  noChanges(t, await slipwayUp(lab, upRun));
});

async function killAndWait(server: LabServer, unit: string): Promise<void> {
  const pid = async (): Promise<number> =>
    Number(await server.exec(`systemctl show -p MainPID --value ${unit}`));
  const old = await pid();
  await server.exec(`kill -9 ${old}`);
  await waitFor(`${unit} on ${server.name} runs again`, async () => {
    const now = await pid();
    return now > 0 && now !== old && (await server.tryExec(`systemctl is-active ${unit}`)).code === 0;
  });
}

/** The node tells of the server's present boot, and is Ready: not what it said before the cut. */
async function readyInThisBoot(server: LabServer): Promise<void> {
  const bootId = await server.bootId();
  await waitFor(
    `${server.name} is Ready in its new boot`,
    async () => {
      const node = await kubectl.json<{
        status: { nodeInfo: { bootID: string }; conditions: Array<{ type: string; status: string }> };
      }>('get', 'node', server.name);
      const ready = node.status.conditions.find(({ type }) => type === 'Ready')?.status;
      return node.status.nodeInfo.bootID === bootId && ready === 'True';
    },
    { timeoutMs: 120_000 },
  );
}

labTest('a power cut: the node is Ready again, and its pods run', async (t) => {
  const w2 = lab.server('w2');
  await w2.powerCut();
  await w2.boot();
  await w2.waitForSsh();
  await readyInThisBoot(w2);
  await nodesReady();
  const runs = await w2.exec(
    'systemctl is-active containerd slipway-kubelet slipway-proxy slipway-dns slipway-network',
  );
  t.is(runs.trim().replaceAll('\n', ' '), 'active active active active active');
  await readyPods(kubectl, 'app=web', 3);
  await readyPods(kubectl, 'app=client', 3);
  await everyClientIsAnswered(t);
  noChanges(t, await slipwayUp(lab, upRun));
});

labTest('a power cut of the control plane loses nothing that was acknowledged', async (t) => {
  const cp1 = lab.server('cp1');
  await kubectl('create', 'configmap', 'last-words', '--from-literal=a=b');
  await cp1.powerCut();
  await cp1.boot();
  await cp1.waitForSsh();
  await waitFor('the API answers', async () => (await kubectl.try(['get', '--raw', '/readyz'])).code === 0, {
    timeoutMs: 120_000,
  });
  t.is(await kubectl('get', 'configmap', 'last-words', '-o', 'jsonpath={.data.a}'), 'b');
  await readyInThisBoot(cp1);
  await nodesReady();
  await readyPods(kubectl, 'app=client', 3);
  await everyClientIsAnswered(t);
});
