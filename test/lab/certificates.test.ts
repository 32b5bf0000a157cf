/** A cluster's certificates: shown, renewed, and renewed when every one of them has expired. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import type { FoundCertificate } from '../../src/bootstrap/certificates/look.ts';
import { StateDirectory } from '../../src/bootstrap/state-directory.ts';
import { clusterPki } from '../../src/pki/cluster-pki.ts';
import { DAY_MS, issueCertificate } from '../../src/pki/issue.ts';
import { kubectlSkipReason, type Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { HaCluster } from './ha-cluster.ts';
import { labSkipReason } from './machine.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;

const NAMES = ['cp1', 'w1'];
let cluster: HaCluster;
let kubectl: Kubectl;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(600_000);
  cluster = await HaCluster.prepare(`certs-${process.pid}`, NAMES);
  await cluster.describe([
    { name: 'cp1', roles: ['control-plane', 'worker'] },
    { name: 'w1', roles: ['worker'] },
  ]);
  await slipway('up');
  kubectl = await cluster.kubectl('cp1');
  await cluster.nodesReady(kubectl, NAMES);
});
test.after.always(async () => cluster?.lab.close());

async function slipway(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.slipway(args);
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

type Listed = FoundCertificate & { daysLeft: number };

async function list(): Promise<{ code: number; certificates: Listed[] }> {
  const { code, stdout } = await cluster.slipway(['certs list', '--output', 'json']);
  const last = stdout.trim().split('\n').at(-1) ?? '';
  return { code, ...(JSON.parse(last) as { certificates: Listed[] }) };
}

const at = (certificates: readonly Listed[], server: string | undefined, where: string): Listed | undefined =>
  certificates.find((each) => each.server === server && each.where.startsWith(where));

labTest('the list has what lies on the servers and what their ports show', async (t) => {
  const { code, certificates } = await list();
  t.is(code, 0);
  const state = at(certificates, undefined, 'nodes/cp1/apiserver.crt');
  t.truthy(state);
  for (const where of ['/etc/kubernetes/pki/apiserver.crt', 'port 6443'])
    t.is(at(certificates, 'cp1', where)?.serialNumber, state?.serialNumber, where);
  for (const name of NAMES) {
    t.is(
      at(certificates, name, 'port 10250')?.serialNumber,
      at(certificates, name, '/var/lib/kubelet/pki/kubelet-server-current.pem')?.serialNumber,
    );
    t.is(
      at(certificates, name, '/var/lib/kubelet/pki/kubelet-client-current.pem')?.commonName,
      `system:node:${name}`,
    );
    t.is(at(certificates, name, '/etc/kubernetes/proxy.conf')?.commonName, 'system:kube-proxy');
  }
});

labTest(
  'after a renewal the ports show the new certificates, and the authorities are the old ones',
  async (t) => {
    const before = (await list()).certificates;
    t.regex(await slipway('certs renew', '--dry-run'), /^\d+ changes would be made/m);
    t.is(
      at((await list()).certificates, 'cp1', 'port 6443')?.serialNumber,
      at(before, 'cp1', 'port 6443')?.serialNumber,
    );
    await slipway('certs renew');
    const { code, certificates: after } = await list();
    t.is(code, 0);
    for (const [server, where] of [
      ['cp1', 'port 6443'],
      ['cp1', '/etc/kubernetes/scheduler.conf'],
      ['w1', '/etc/kubernetes/proxy.conf'],
    ] as const) {
      t.not(at(after, server, where)?.serialNumber, at(before, server, where)?.serialNumber, where);
    }
    t.is(at(after, undefined, 'pki/ca.crt')?.serialNumber, at(before, undefined, 'pki/ca.crt')?.serialNumber);
    t.is(
      at(after, 'cp1', 'port 6443')?.serialNumber,
      at(after, undefined, 'nodes/cp1/apiserver.crt')?.serialNumber,
    );
    await cluster.nodesReady(await cluster.kubectl('cp1'), NAMES);
    t.regex(await slipway('up'), /^no changes/m);
  },
);

/** A clock of four hundred days ago. */
const LONG_AGO: Clock = new Proxy(systemClock, {
  get: (target, name) =>
    name === 'now' ? () => target.now() - 400 * DAY_MS : (Reflect.get(target, name) as unknown),
});

/** Puts certificates that have expired onto the servers and into the state directory, and restarts everything. */
async function expireAll(): Promise<void> {
  const state = new StateDirectory(cluster.state);
  const existing = await state.readPki();
  const addresses = (name: string): string[] => [cluster.server(name).address];
  const { files } = clusterPki(
    {
      clock: LONG_AGO,
      nodes: NAMES.map((name) => ({ name, addresses: addresses(name), controlPlane: name === 'cp1' })),
      serviceAddress: '10.96.0.1',
      clusterDomain: 'cluster.local',
      extraNames: [],
      renewIssuedBeforeMs: Infinity,
    },
    existing,
  );
  for (const [path, content] of Object.entries(files)) await state.write(path, content);
  const signer = { certPem: files['pki/signer.crt'] ?? '', keyPem: files['pki/signer.key'] ?? '' };
  for (const name of NAMES) {
    const server = cluster.server(name);
    const units = ['kubelet', 'proxy', 'network', 'dns'];
    if (name === 'cp1') units.unshift('apiserver', 'controller-manager', 'scheduler');
    for (const [path, content] of Object.entries(files)) {
      const [, own] = new RegExp(`^nodes/${name}/(.*)$`).exec(path) ?? [];
      if (own === undefined) continue;
      const target = `/etc/kubernetes/pki/${own}`;
      if ((await server.tryExec(`test -f ${target}`)).code === 0) {
        await server.exec(`cat >${target} <<'END'\n${content}END`);
      }
    }
    for (const conf of ['controller-manager', 'scheduler', 'proxy', 'dns', 'network']) {
      const text = (await server.tryExec(`cat /etc/kubernetes/${conf}.conf`)).stdout;
      if (text === '') continue;
      const data = (end: string): string =>
        Buffer.from(files[`nodes/${name}/${conf}.${end}`] ?? '').toString('base64');
      const expired = text
        .replace(/client-certificate-data: .*/, `client-certificate-data: ${data('crt')}`)
        .replace(/client-key-data: .*/, `client-key-data: ${data('key')}`);
      await server.exec(`cat >/etc/kubernetes/${conf}.conf <<'END'\n${expired}END`);
    }
    const kubelet = issueCertificate({
      ca: signer,
      clock: LONG_AGO,
      commonName: `system:node:${name}`,
      organizations: ['system:nodes'],
      usages: ['digital signature', 'client auth'],
    });
    const pem = kubelet.certPem + kubelet.keyPem;
    await server.exec(`cat >/var/lib/kubelet/pki/kubelet-client-current.pem <<'END'\n${pem}END`);
    await server.exec(`systemctl restart ${units.map((unit) => `slipway-${unit}`).join(' ')}`);
  }
}

labTest('when every certificate has expired, one command over SSH brings the cluster back', async (t) => {
  t.timeout(300_000);
  await expireAll();
  await waitFor('kubectl gets nowhere', async () => (await kubectl.try(['get', 'nodes'])).code !== 0);
  const expired = await list();
  t.is(expired.code, 1);
  for (const [server, where] of [
    ['cp1', 'port 6443'],
    ['cp1', '/etc/kubernetes/scheduler.conf'],
    ['w1', '/var/lib/kubelet/pki/kubelet-client-current.pem'],
  ] as const) {
    t.true((at(expired.certificates, server, where)?.daysLeft ?? 0) < 0, where);
  }
  const startedMs = performance.now();
  await slipway('certs renew');
  t.log(`back after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  const renewed = await list();
  t.deepEqual(
    renewed.certificates.filter(
      ({ daysLeft, where }) => daysLeft < 30 && !/kubelet-(client|server)-\d/.test(where),
    ),
    [],
  );
  kubectl = await cluster.kubectl('cp1');
  await cluster.nodesReady(kubectl, NAMES);
  await kubectl('create', 'configmap', 'after', '--from-literal=a=b');
  t.is(
    (await readFile(join(cluster.state, 'admin.kubeconfig'), 'utf8')).includes('client-certificate-data'),
    true,
  );
});
