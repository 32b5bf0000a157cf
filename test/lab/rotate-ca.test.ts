/** Certificates renewed, authorities and the tokens' key replaced, while three control planes are asked every 100 ms. */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { FoundCertificate } from '../../src/bootstrap/certificates/look.ts';
import { decryptKey, isEncryptedKey } from '../../src/pki/keys.ts';
import { isIssuedBy } from '../../src/pki/parse.ts';
import type { Rotation } from '../../src/pki/rotation.ts';
import { kubectlSkipReason, kubectlWith, type Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { podsOf } from '../e2e/workload.ts';
import { HaCluster, type HaServer } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';
import { describeFailures, startSteadyLoad, type SteadyLoad } from './steady-load.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;

const CONTROL_PLANES = ['cp1', 'cp2', 'cp3'];
const SERVERS: HaServer[] = [
  ...CONTROL_PLANES.map((name): HaServer => ({ name, roles: ['control-plane', 'worker'] })),
  { name: 'w1', roles: ['worker'] },
];
const ALL = SERVERS.map(({ name }) => name);
const PASSPHRASE = 'a passphrase of the operator';
/** Where the installer is killed: in the middle of each stage, at what others rely on. */
const KILLED_IN = ['trust-apiserver', 'issue-etcd', 'issue-kubelet', 'drop-controller-manager'];

let cluster: HaCluster;
let kubectl: Kubectl;
let load: SteadyLoad;
let passphrase: string[];

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(900_000);
  cluster = await HaCluster.prepare(`rotate-${process.pid}`, ALL);
  const file = join(cluster.lab.directory, 'passphrase');
  await writeFile(file, `${PASSPHRASE}\n`, { mode: 0o600 });
  passphrase = ['--passphrase-file', file];
  await cluster.describe(SERVERS);
  await slipway('up', ...passphrase);
  kubectl = await cluster.kubectl(...CONTROL_PLANES);
  await cluster.nodesReady(kubectl, ALL);
  load = await startSteadyLoad({ cluster, kubectl, from: 'w1' });
});
test.after.always(async () => {
  await load?.stop();
  await cluster?.lab.close();
});

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args, 600_000);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

interface Listed {
  certificates: FoundCertificate[];
  rotation?: Rotation;
}

async function list(): Promise<Listed> {
  const { stdout } = await cluster.slipway(['certs list', '--output', 'json']);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Listed;
}

const stateFile = (path: string): Promise<string> => readFile(join(cluster.state, path), 'utf8');

/** Starts a command and kills it when it has begun a change in this phase. */
async function killIn(phase: string, ...args: string[]): Promise<void> {
  const child = await cluster.start([...args, '--output', 'json']);
  const closed = once(child, 'close');
  let told = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (told += text));
  const begun = (): boolean => told.includes(`"type":"change","phase":"${phase}"`);
  try {
    const over = (): boolean => begun() || child.exitCode !== null;
    await waitFor(`a change in ${phase}`, over, { timeoutMs: 300_000, intervalMs: 10 });
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
  if (!begun()) throw new Error(`it has come to no change in ${phase}:\n${told}`);
}

async function noFailure(t: {
  deepEqual: (a: unknown, b: unknown, message?: string) => boolean;
}): Promise<void> {
  await load.goesOn();
  const { api, service } = load.counts();
  t.deepEqual(api.failed, [], describeFailures(api));
  t.deepEqual(service.failed, [], describeFailures(service));
}

labTest('a renewal restarts members of etcd in turn, and no request fails', async (t) => {
  t.timeout(600_000);
  const before = (await list()).certificates;
  await slipway('certs renew', ...passphrase);
  const after = (await list()).certificates;
  for (const name of CONTROL_PLANES)
    for (const port of ['port 2379', 'port 2380', 'port 6443']) {
      const serial = (all: readonly FoundCertificate[]): string | undefined =>
        all.find(({ server, where }) => server === name && where.startsWith(port))?.serialNumber;
      t.truthy(serial(after), `${name} ${port}`);
      t.not(serial(after), serial(before), `${name} ${port}`);
    }
  await noFailure(t);
});

labTest(
  'all authorities are replaced by RSA ones, by an installer that is killed in each stage, and no request fails',
  async (t) => {
    t.timeout(900_000);
    const [oldRoot, oldKubeconfig] = [await stateFile('pki/ca.crt'), await stateFile('admin.kubeconfig')];
    const member = 'nodes/cp1/etcd/healthcheck-client';
    const oldMember = (await stateFile(`${member}.crt`)) + (await stateFile(`${member}.key`));
    await cluster.describe(SERVERS, { cluster: { name: 'ha', keys: 'RSA-2048' } });
    for (const phase of KILLED_IN) {
      await killIn(phase, 'certs rotate-ca', ...passphrase);
      if (phase !== 'issue-kubelet') continue;
      const { certificates, rotation } = await list();
      t.is(rotation?.stage, 'issue');
      const generations = certificates.flatMap(({ generation, server }) =>
        server === undefined || generation === undefined ? [] : [generation],
      );
      t.true(generations.includes('old') && generations.includes('new'), 'the mixture is shown');
    }
    const startedMs = performance.now();
    await slipway('certs rotate-ca', ...passphrase);
    t.log(`the last run took ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    await noFailure(t);

    const root = await stateFile('pki/ca.crt');
    t.not(root, oldRoot);
    t.true(isEncryptedKey(await stateFile('pki/ca.key')));
    await t.throwsAsync(stateFile('pki/rotation.json'));
    const { certificates, rotation } = await list();
    t.is(rotation, undefined);
    t.deepEqual(
      certificates.filter(({ server, where }) => server === undefined && /-new|-old/.test(where)),
      [],
      'nothing is left of the rotation',
    );
    const signer = await stateFile('pki/signer.crt');
    t.true(isIssuedBy(signer, root));
    for (const { name } of cluster.lab.servers) {
      const server = cluster.server(name);
      t.is(await server.exec('cat /etc/kubernetes/pki/ca.crt'), root, name);
      for (const end of ['client', 'server']) {
        const pem = await server.exec(`cat /var/lib/kubelet/pki/kubelet-${end}-current.pem`);
        t.true(isIssuedBy(pem, signer), `${name}: the kubelet’s ${end} certificate`);
      }
      const key = decryptKey(await stateFile('pki/ca.key'), PASSPHRASE).split('\n')[1] ?? '';
      const found = await server.tryExec(`grep -rlF '${key}' /etc /opt /root /tmp /var/lib/slipway`);
      t.is(found.stdout, '', `${name}: the root key is not there`);
    }
    await oldLeafIsRefused(t, oldKubeconfig);
    t.regex(
      await etcdSays(oldMember),
      /alert (bad certificate|unknown ca)/i,
      'etcd does not know it any more',
    );
    const now = (await stateFile(`${member}.crt`)) + (await stateFile(`${member}.key`));
    t.notRegex(await etcdSays(now), /alert/i);
    kubectl = await cluster.kubectl(...CONTROL_PLANES);
    await cluster.nodesReady(kubectl, ALL);
    const extension = 'configmap/extension-apiserver-authentication';
    const told = await kubectl.json<{ data: Record<string, string> }>('-n', 'kube-system', 'get', extension);
    t.is(told.data['requestheader-client-ca-file'], await stateFile('pki/front-proxy-ca.crt'));
    t.is(told.data['client-ca-file'], root + signer, 'other API servers are told the new ones alone');
    for (const { metadata } of await podsOf(kubectl, 'app=steady-load')) {
      const inPod = 'cat /var/run/secrets/kubernetes.io/serviceaccount/ca.crt';
      const current = async () =>
        (await kubectl.try(['exec', metadata.name, '--', 'sh', '-c', inPod])).stdout === root;
      await waitFor(`${metadata.name} has the new authority alone`, current, { timeoutMs: 120_000 });
    }
    t.regex(await slipway('up', ...passphrase), /^no changes/m);
  },
);

/** The kubeconfig of before: its authority proves no server, and its certificate names nobody. */
async function oldLeafIsRefused(
  t: { regex: (text: string, pattern: RegExp, message?: string) => boolean },
  oldKubeconfig: string,
): Promise<void> {
  const path = join(cluster.lab.directory, 'old.kubeconfig');
  await writeFile(path, oldKubeconfig, { mode: 0o600 });
  const ask = async (...flags: string[]): Promise<string> =>
    (
      await cluster.lab.fabricTryExec([
        'kubectl',
        `--kubeconfig=${path}`,
        '--request-timeout=10s',
        ...flags,
        'get',
        'nodes',
      ])
    ).stderr;
  t.regex(await ask(), /certificate signed by unknown authority/);
  t.regex(
    await ask('--insecure-skip-tls-verify'),
    /Unauthorized|must be logged in|certificate required|unknown/i,
  );
}

/** How a member of etcd answers to whoever shows this certificate. */
async function etcdSays(identity: string): Promise<string> {
  const path = join(cluster.lab.directory, 'etcd-client.pem');
  await writeFile(path, identity, { mode: 0o600 });
  const connect = `openssl s_client -connect ${cluster.server('cp1').address}:2379 -tls1_2 -cert ${path} -key ${path}`;
  const { stdout } = await cluster.lab.fabricTryExec(['sh', '-c', `echo | ${connect} 2>&1; true`]);
  return stdout;
}

labTest('the key of tokens is replaced: old tokens hold until the old key is dropped', async (t) => {
  t.timeout(600_000);
  const token = (await kubectl('create', 'token', 'default')).trim();
  const works = async (): Promise<boolean> => {
    const args = ['get', '--raw', '/api', `--token=${token}`, '--user=nobody'];
    return (await kubectlWith(await withoutUser()).try(args)).code === 0;
  };
  t.true(await works());
  await slipway('certs rotate-sa', ...passphrase);
  t.true(await works(), 'the old key is still believed');
  for (const { metadata } of await podsOf(kubectl, 'app=steady-load')) {
    const inPod = 'cat /var/run/secrets/kubernetes.io/serviceaccount/token';
    const own = (await kubectl('exec', metadata.name, '--', 'sh', '-c', inPod)).trim();
    t.not(keyOf(own), keyOf(token), `${metadata.name} has a token of the new key`);
  }
  const early = await cluster.slipway(['certs rotate-sa', '--drop-old', ...passphrase]);
  t.regex(early.stderr, /may live until .*\[E_TOKENS_IN_USE\]/);
  t.true(await works());
  await slipway('certs rotate-sa', '--drop-old', '--now', ...passphrase);
  t.false(await works(), 'a token of the old key is refused');
  t.is((await stateFile('pki/sa.pub')).match(/BEGIN/g)?.length, 1);
  await noFailure(t);
  t.regex(await slipway('up', ...passphrase), /^no changes/m);
});

const keyOf = (token: string): unknown =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: unknown }).kid;

/** A kubeconfig without a credential: what a request is allowed is then up to its token. */
async function withoutUser(): Promise<string> {
  const text = await readFile(join(cluster.lab.directory, `kubeconfig-${CONTROL_PLANES.join('-')}`), 'utf8');
  const path = join(cluster.lab.directory, 'nobody.kubeconfig');
  const nobody = text.replace(/^users:[\s\S]*/m, 'users:\n- name: nobody\n  user: {}\n');
  await writeFile(path, nobody, { mode: 0o600 });
  return path;
}
