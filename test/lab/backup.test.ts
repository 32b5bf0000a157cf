/** A cluster is backed up and restored on other servers, where it loses its quorum and gets it back. */
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { kubectlSkipReason, kubectlWith, type Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { run } from './command.ts';
import { HaCluster } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';
import { startRelay } from './relay.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;

const NEW = ['n1', 'n2', 'n3'];
let cluster: HaCluster;
let kubectl: Kubectl;
let token: string;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(600_000);
  cluster = await HaCluster.prepare(`backup-${process.pid}`, ['cp1', 'w1', ...NEW]);
  await writeFile(passphraseFile(), 'the passphrase of the backup\n', { mode: 0o600 });
  await cluster.describe([
    { name: 'cp1', roles: ['control-plane', 'worker'] },
    { name: 'w1', roles: ['worker'] },
  ]);
  await slipway('up', '--passphrase-file', passphraseFile());
  kubectl = await cluster.kubectl('cp1');
  await cluster.nodesReady(kubectl, ['cp1', 'w1']);
});
test.after.always(async () => cluster?.lab.close());

const passphraseFile = (): string => join(cluster.lab.directory, 'passphrase');
const backupPath = (): string => join(cluster.lab.directory, 'cluster.backup');
const restoredState = (): string => join(cluster.lab.directory, 'restored');

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** Runs a command until it begins a change, and kills it there, as a power cut would; in `npm run test:all` alone. */
async function killedAt(change: RegExp, ...args: string[]): Promise<void> {
  if (!process.env['TEST_ALL']) return;
  const child = await cluster.start([...args, '--output', 'json']);
  const closed = once(child, 'close');
  if (!child.stdout) throw new Error('no output');
  let killed = false;
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { type: string; change?: string; message?: string };
    if (event.type === 'failed') throw new Error(`${args.join(' ')}: ${event.message}`);
    if (event.type === 'change' && change.test(event.change ?? '')) killed = child.kill('SIGKILL');
  }
  await closed;
  if (!killed) throw new Error(`${args.join(' ')} ended without ${String(change)}`);
}

/** The restored cluster’s own kubeconfig, by the way of one of its API servers. */
async function restoredKubectl(name: string): Promise<Kubectl> {
  const targets = [{ host: cluster.server(name).address, port: 6443 }];
  const relay = await startRelay({ labId: cluster.lab.id, name: `restored-${name}`, targets });
  const text = await readFile(join(restoredState(), 'admin.kubeconfig'), 'utf8');
  const path = join(cluster.lab.directory, `restored-${name}.kubeconfig`);
  const local = text
    .replace(/server: .*/, `server: https://127.0.0.1:${relay.port}`)
    .replace(/ {4}extensions:\n.*\n.*\n/, '');
  await writeFile(path, local, { mode: 0o600 });
  return kubectlWith(path);
}

/** The same way with the token of before instead of the new certificate. */
async function withToken(): Promise<Kubectl> {
  const text = await readFile(join(cluster.lab.directory, 'restored-n1.kubeconfig'), 'utf8');
  const path = join(cluster.lab.directory, 'token.kubeconfig');
  await writeFile(
    path,
    text.replace(/ *client-certificate-data: .*\n/, '').replace(/client-key-data: .*/, `token: ${token}`),
  );
  return kubectlWith(path);
}

const deployment = (replicas: number): string =>
  JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'sleeper' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'sleeper' } },
      template: {
        metadata: { labels: { app: 'sleeper' } },
        spec: {
          containers: [{ name: 'c', image: 'slipway.local/pause:0.1.0', imagePullPolicy: 'Never' }],
        },
      },
    },
  });

const available = (on: Kubectl, replicas: number): Promise<unknown> =>
  waitFor(
    `${replicas} replicas are available`,
    async () => {
      const { status } = await on.json<{
        status: { availableReplicas?: number; observedGeneration?: number };
      }>('get', 'deployment', 'sleeper');
      return status.availableReplicas === replicas;
    },
    { timeoutMs: 90_000 },
  );

interface Item {
  kind: string;
  metadata: { name: string; namespace?: string; uid: string };
  data?: unknown;
}

/** What must be the same after a restore, by kind, place, identity and content. */
async function content(on: Kubectl): Promise<string[]> {
  const kinds =
    'configmaps,secrets,serviceaccounts,clusterroles,rolebindings,namespaces,services,deployments';
  const { items } = await on.json<{ items: Item[] }>('get', kinds, '-A');
  return items
    .map(({ kind, metadata, data }) =>
      JSON.stringify([kind, metadata.namespace, metadata.name, metadata.uid, data]),
    )
    .toSorted();
}

labTest('a backup is one private file, and its rehearsal says what is in it', async (t) => {
  await kubectl('create', 'secret', 'generic', 'hidden', '--from-literal=a=very-secret-value');
  await kubectl('create', 'configmap', 'shown', '--from-literal=a=b');
  const path = join(cluster.lab.directory, 'deployment.json');
  await writeFile(path, deployment(2));
  await kubectl('apply', '-f', path);
  await available(kubectl, 2);
  const request = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} });
  const url = '/api/v1/namespaces/default/serviceaccounts/default/token';
  const issued = await kubectl.withInput(request, 'create', '--raw', url, '-f', '-');
  token = (JSON.parse(issued) as { status: { token: string } }).status.token;
  const refused = await cluster.slipway(['backup', '-o', backupPath()]);
  t.is(refused.code, 2, refused.stdout + refused.stderr);
  t.regex(refused.stderr, /E_PASSPHRASE/);
  const made = await slipway('backup', '-o', backupPath(), '--passphrase-file', passphraseFile());
  t.regex(made, /\d+ objects at revision \d+ of the embedded store of cp1/);
  t.is((await stat(backupPath())).mode & 0o777, 0o600);
  const rehearsal = ['backup', 'verify', backupPath(), '--passphrase-file', passphraseFile(), '--json'];
  const verified = await run(cluster.executable, rehearsal);
  const { problems, kinds, encrypted, seconds } = JSON.parse(verified) as {
    problems: string[];
    kinds: Record<string, number>;
    encrypted: number;
    seconds: number;
  };
  t.deepEqual(problems, []);
  t.like(kinds, { nodes: 2, 'deployments.apps': 1 });
  t.true(encrypted >= 1);
  t.log(`verified in ${seconds} s`);
});

labTest(
  'restored on other servers, it has every object, runs its workloads, and believes old tokens',
  async (t) => {
    t.timeout(400_000);
    const before = await content(kubectl);
    await cluster.describe(NEW.map((name) => ({ name, roles: ['control-plane', 'worker'] })));
    const startedMs = performance.now();
    const flags = [backupPath(), '--state-dir', restoredState(), '--passphrase-file', passphraseFile()];
    for (const change of [/^put the backup into the store/, /^bootstrap etcd/, /^move the embedded store/]) {
      await killedAt(change, 'restore', ...flags);
    }
    await slipway('restore', ...flags);
    t.log(`restored on three control planes in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    const restored = await restoredKubectl('n1');
    await cluster.nodesReady(restored, NEW);
    const after = await content(restored);
    t.deepEqual(
      before.filter((line) => !after.includes(line) && !line.includes('"kube-root-ca.crt"')),
      [],
    );
    await available(restored, 2);
    const { items } = await restored.json<{ items: Array<{ spec: { nodeName: string } }> }>(
      'get',
      'pods',
      '-l',
      'app=sleeper',
    );
    t.true(items.every(({ spec }) => NEW.includes(spec.nodeName)));
    const review = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
    const url = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const who = await (await withToken()).withInput(review, 'create', '--raw', url, '-f', '-');
    t.regex(who, /"username":"system:serviceaccount:default:default"/);
    const again = await slipway('restore', ...flags);
    t.regex(again, /^no changes|^0 changes/m);
  },
);

labTest('after two of three members are lost, one command brings the store back', async (t) => {
  t.timeout(300_000);
  const flags = ['--state-dir', restoredState(), '--passphrase-file', passphraseFile()];
  const refused = await cluster.slipway(['recover-quorum', ...flags]);
  t.is(refused.code, 2, refused.stdout + refused.stderr);
  t.regex(refused.stderr, /E_QUORUM/);
  const before = await restoredKubectl('n1');
  await before('create', 'configmap', 'last-words', '--from-literal=a=b');
  for (const name of ['n2', 'n3'])
    await cluster.server(name).exec('systemctl stop slipway-etcd; rm -rf /var/lib/slipway/etcd');
  for (const name of ['n2', 'n3']) await cluster.server(name).powerCut();
  const startedMs = performance.now();
  for (const change of [/^make the data of this member/, /^put the old data/, /^move the embedded store/]) {
    await killedAt(change, 'recover-quorum', ...flags);
  }
  await slipway('recover-quorum', ...flags);
  t.log(`the quorum is back after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  t.is(await before('get', 'configmap', 'last-words', '-o', 'jsonpath={.data.a}'), 'b');
  await before('create', 'configmap', 'goes-on', '--from-literal=a=b');
});
