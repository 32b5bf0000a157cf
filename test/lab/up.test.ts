/** One cluster of three servers through its first hours: made, made again, broken, and made good. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { PACKAGES } from '../../src/bootstrap/phases/packages.ts';
import { parseLedger } from '../../src/provision/ledger.ts';
import { clientManifest, podsOf, readyPods, webManifest, type PodView } from '../e2e/workload.ts';
import { kubectlSkipReason } from '../helpers/kubectl.ts';
import { busyboxImage } from '../helpers/oci-image.ts';
import { waitFor } from '../helpers/wait-for.ts';
import type { CommandResult } from './command.ts';
import { InstalledCluster } from './installed-cluster.ts';
import { labSkipReason } from './machine.ts';
import { OPS_PASSWORD, ROOT_PASSWORD } from './server.ts';
import { differences, slipwayCommand, slipwayUp, systemInventory } from './up-command.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;
const IMAGE = 'slipway.local/busybox:1';
/** What a server has in these folders, its units, users and packages: nothing that runs writes there by itself. */
const CONFIGURATION = ['/etc', '/usr', '/opt', '/root', '/home'];

let cluster: InstalledCluster;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(900_000);
  cluster = await InstalledCluster.prepare(`up-${process.pid}`);
});
test.after.always(async () => cluster?.lab.close());

const up = async (): Promise<CommandResult> => await slipwayUp(cluster.lab, cluster.upRun);

labTest('one command brings three servers, reached in three ways, to Ready', async (t) => {
  const result = await up();
  t.is(result.code, 0, result.stdout + result.stderr);
  t.notRegex(
    result.stdout + result.stderr,
    new RegExp(`${OPS_PASSWORD}|${ROOT_PASSWORD}|PRIVATE KEY`),
    'a secret was printed',
  );
  await cluster.connect();
  await cluster.nodesReady();
  const labels = await cluster.kubectl('get', 'nodes', '-L', 'example.org/disk', '--no-headers');
  t.regex(labels, /^cp1 .*control-plane/m);
  t.regex(labels, /^w1 .* ssd$/m);
});

labTest('a second run changes nothing, says so, and is quick', async (t) => {
  const before = await Promise.all(
    cluster.lab.servers.map((server) => systemInventory(server, CONFIGURATION)),
  );
  const startedMs = performance.now();
  await cluster.upChangesNothing(t);
  const seconds = (performance.now() - startedMs) / 1000;
  t.log(`no-op run: ${seconds.toFixed(1)} s`);
  t.true(seconds < 10, `a no-op run took ${seconds} s`);
  for (const [index, server] of cluster.lab.servers.entries()) {
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
    const rootKey = await readFile(join(cluster.state, 'pki/ca.key'), 'utf8');
    t.is((await stat(join(cluster.state, 'pki/ca.key'))).mode & 0o777, 0o600);
    t.is((await stat(cluster.state)).mode & 0o777, 0o700);
    const secret = rootKey.split('\n')[1] ?? '';
    for (const server of cluster.lab.servers) {
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
    const audit = '/var/log/slipway/audit.log';
    t.is((await cluster.server('cp1').exec(`stat -c '%a %U' ${audit}`)).trim(), '600 slipway');
    const admin = await cluster
      .server('cp1')
      .exec(`grep -c '"username":"kubernetes-admin"' ${audit} || true`);
    t.true(Number(admin) > 0, 'what the administrator did is recorded');
    const secrets = await cluster.kubectl('get', 'secrets', '-n', 'kube-system', '-o', 'name');
    t.notRegex(secrets, /bootstrap-token/);
  },
);

labTest('what somebody changed on a server is put right, there alone', async (t) => {
  const w1 = cluster.server('w1');
  await w1.exec(
    'chmod 644 /etc/kubernetes/proxy.conf; echo "# mine" >> /etc/containerd/config.toml; systemctl stop slipway-dns; systemctl disable slipway-dns',
  );
  const result = await up();
  t.is(result.code, 0, result.stdout + result.stderr);
  const changes = result.stdout.split('\n').filter((line) => /^ {2}(cp1|w1|w2): /.test(line));
  t.deepEqual(changes, [
    '  w1: write /etc/containerd/config.toml',
    '  w1: write /etc/kubernetes/proxy.conf',
    '  w1: start slipway-dns.service',
  ]);
  await cluster.upChangesNothing(t);
});

labTest('Secrets are unreadable on the disk, and still there when their key is replaced', async (t) => {
  const cp1 = cluster.server('cp1');
  const value = 'nobody-reads-this-on-a-disk';
  const encoded = Buffer.from(value).toString('base64');
  const onDisk = async (text: string): Promise<number> =>
    Number((await cp1.exec(`cat /var/lib/slipway/store/* | grep -aco '${text}' || true`)).trim());
  await cluster.kubectl('create', 'secret', 'generic', 'hidden', `--from-literal=a=${value}`);
  await cluster.kubectl('create', 'configmap', 'shown', '--from-literal=a=everybody-reads-this');
  t.true((await onDisk('everybody-reads-this')) > 0);
  t.is(await onDisk(value), 0);
  t.is(await onDisk(encoded), 0);
  t.true((await onDisk('k8s:enc:secretbox:v1:key1:')) > 0);
  const rotate = () => slipwayCommand(cluster.lab, 'rotate-store-key', cluster.upRun);
  const rotated = await rotate();
  t.is(rotated.code, 0, rotated.stdout + rotated.stderr);
  t.is(await cluster.kubectl('get', 'secret', 'hidden', '-o', 'jsonpath={.data.a}'), encoded);
  t.true((await onDisk('k8s:enc:secretbox:v1:key2:')) > 0);
  const configuration = await cp1.exec('cat /etc/kubernetes/encryption.yaml');
  t.regex(configuration, /name: key2,/);
  t.notRegex(configuration, /name: key1,/);
  t.is((await cp1.exec('stat -c "%a %U" /etc/kubernetes/encryption.yaml')).trim(), '600 slipway');
  await cluster.upChangesNothing(t);
});

labTest('a Deployment answers by its service name from every server', async (t) => {
  const image = await busyboxImage(IMAGE);
  for (const server of cluster.lab.servers)
    await server.exec('ctr -n k8s.io images import -', { input: image });
  await cluster.kubectl.withInput(
    [webManifest(IMAGE), ...cluster.lab.servers.map(({ name }) => clientManifest(IMAGE, name))].join(
      '\n---\n',
    ),
    'apply',
    '-f',
    '-',
  );
  const pods = await readyPods(cluster.kubectl, 'app=web', 3);
  t.true(new Set(pods.map(({ spec }) => spec.nodeName)).size >= 2, 'the replicas are spread');
  await readyPods(cluster.kubectl, 'app=client', 3);
  await cluster.everyClientIsAnswered(t);
});

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
  const before = identity([
    ...(await podsOf(cluster.kubectl, 'app=web')),
    ...(await podsOf(cluster.kubectl, 'app=client')),
  ]);
  await cluster.kubectl('create', 'configmap', 'kept', '--from-literal=a=b');
  for (const [name, unit] of COMPONENTS) await cluster.killAndWait(cluster.server(name), unit);
  await cluster.nodesReady();
  t.is(await cluster.kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}'), 'b');
  await cluster.everyClientIsAnswered(t);
  t.deepEqual(
    identity([
      ...(await podsOf(cluster.kubectl, 'app=web')),
      ...(await podsOf(cluster.kubectl, 'app=client')),
    ]),
    before,
  );
  await cluster.upChangesNothing(t);
});

labTest('a power cut: the node is Ready again, and its pods run', async (t) => {
  const w2 = cluster.server('w2');
  await w2.powerCut();
  await w2.boot();
  await w2.waitForSsh();
  await cluster.readyInThisBoot(w2);
  await cluster.nodesReady();
  const runs = await w2.exec(
    'systemctl is-active containerd slipway-kubelet slipway-proxy slipway-dns slipway-network',
  );
  t.is(runs.trim().replaceAll('\n', ' '), 'active active active active active');
  await readyPods(cluster.kubectl, 'app=web', 3);
  await readyPods(cluster.kubectl, 'app=client', 3);
  await cluster.everyClientIsAnswered(t);
  await cluster.upChangesNothing(t);
});

labTest('a power cut of the control plane loses nothing that was acknowledged', async (t) => {
  const cp1 = cluster.server('cp1');
  await cluster.kubectl('create', 'configmap', 'last-words', '--from-literal=a=b');
  await cp1.powerCut();
  await cp1.boot();
  await cp1.waitForSsh();
  await waitFor(
    'the API answers',
    async () => (await cluster.kubectl.try(['get', '--raw', '/readyz'])).code === 0,
    {
      timeoutMs: 120_000,
    },
  );
  t.is(await cluster.kubectl('get', 'configmap', 'last-words', '-o', 'jsonpath={.data.a}'), 'b');
  await cluster.readyInThisBoot(cp1);
  await cluster.nodesReady();
  await readyPods(cluster.kubectl, 'app=client', 3);
  await cluster.everyClientIsAnswered(t);
});
