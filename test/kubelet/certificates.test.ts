import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { CERTIFICATESIGNINGREQUESTS } from '../../src/api/gen/resources.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { bootstrapCredentials, kubeconfigFrom } from '../../src/kubelet/certificates/bootstrap.ts';
import { CertificateManager } from '../../src/kubelet/certificates/certificate-manager.ts';
import {
  CertificateStore,
  type StoredCertificate,
} from '../../src/kubelet/certificates/certificate-store.ts';
import { createCertificateAuthority, issueCertificate, signCertificateRequest } from '../../src/pki/issue.ts';
import { renderKubeconfig } from '../../src/pki/kubeconfig.ts';
import { parseCertificate, parseCertificateRequest } from '../../src/pki/parse.ts';
import { createClock } from '../helpers/fake-clock.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitFor } from '../helpers/wait-for.ts';

const ca = createCertificateAuthority({ commonName: 'kubernetes', clock: systemClock });
const DAY_MS = 86_400_000;

/** Signs every request that is filed, as approver and signer would; `deny` refuses instead. */
function signer(clock = systemClock, deny = false): MemoryClient {
  const client = new MemoryClient(clock);
  client.onWrite = ({ verb, resource, body }) => {
    if (verb !== 'create' || resource !== 'certificatesigningrequests') return;
    const csr = body as { metadata: { name: string }; spec: { request: string; usages: string[] } };
    const requestPem = Buffer.from(csr.spec.request, 'base64').toString();
    const certificate = signCertificateRequest({
      ca,
      requestPem,
      usages: ['digital signature', csr.spec.usages.includes('server auth') ? 'server auth' : 'client auth'],
      validity: { durationMs: 10 * DAY_MS },
      clock,
    });
    const status = deny
      ? { conditions: [{ type: 'Denied', status: 'True', message: 'not you' }] }
      : { certificate: Buffer.from(certificate).toString('base64') };
    queueMicrotask(() => {
      void client.patch(
        CERTIFICATESIGNINGREQUESTS,
        { name: csr.metadata.name },
        { status },
        { type: 'merge', subresource: 'status' },
      );
    });
  };
  return client;
}

const bootstrapConfig = renderKubeconfig({
  clusterName: 'test',
  servers: ['https://10.0.0.1:6443', 'https://10.0.0.2:6443'],
  caPem: ca.certPem,
  user: 'bootstrap',
  credential: { token: 'abcdef.0123456789abcdef' },
});

test('with a token a certificate is asked for, and a kubeconfig is written that uses it', async (t) => {
  const folder = await temporaryDirectory(t);
  const client = signer();
  const store = new CertificateStore(join(folder, 'pki'), 'kubelet-client', systemClock);
  await writeFile(join(folder, 'bootstrap.conf'), bootstrapConfig);
  const options = {
    kubeconfigPath: join(folder, 'kubelet.conf'),
    bootstrapPath: join(folder, 'bootstrap.conf'),
    certDir: join(folder, 'pki'),
    nodeName: 'n1',
    store,
    connect: () => client,
    clock: systemClock,
    log: silentLogger,
  };
  await bootstrapCredentials(options, AbortSignal.timeout(20_000));
  const stored = await store.current();
  t.like(parseCertificate(stored?.certPem ?? '').subject, {
    commonName: 'system:node:n1',
    organizations: ['system:nodes'],
  });
  t.is((await stat(store.currentPath)).mode & 0o777, 0o600);
  t.true((await readFile(options.kubeconfigPath, 'utf8')).includes(store.currentPath));
  t.false((await readdir(join(folder, 'pki'))).includes('kubelet-client.key.tmp'));
  const filed = client.writes.length;
  await bootstrapCredentials(options, AbortSignal.timeout(20_000));
  t.is(client.writes.length, filed, 'a second start asks for nothing');
});

test('without a kubeconfig and without a token it ends with a code', async (t) => {
  const folder = await temporaryDirectory(t);
  const store = new CertificateStore(folder, 'kubelet-client', systemClock);
  const options = {
    kubeconfigPath: join(folder, 'kubelet.conf'),
    bootstrapPath: undefined,
    certDir: folder,
    nodeName: 'n1',
    store,
    connect: () => signer(),
    clock: systemClock,
    log: silentLogger,
  };
  await t.throwsAsync(bootstrapCredentials(options, AbortSignal.timeout(5_000)), {
    code: 'E_KUBELET_CREDENTIALS',
  });
});

test('the kubeconfig keeps every API server of the token’s', (t) => {
  const text = kubeconfigFrom(bootstrapConfig, '/pki/current.pem', 'x');
  const parsed = JSON.parse(text) as {
    clusters: Array<{ cluster: { server: string; extensions: object[] } }>;
    users: Array<{ user: object }>;
  };
  t.is(parsed.clusters[0]?.cluster.server, 'https://10.0.0.1:6443');
  t.true(JSON.stringify(parsed.clusters[0]?.cluster.extensions).includes('https://10.0.0.2:6443'));
  t.deepEqual(parsed.users[0]?.user, {
    'client-certificate': '/pki/current.pem',
    'client-key': '/pki/current.pem',
  });
});

test('a store keeps the newest three and a link to the last', async (t) => {
  const folder = await temporaryDirectory(t);
  const clock = createClock(systemClock.now());
  const store = new CertificateStore(folder, 'kubelet-server', clock);
  t.is(await store.current(), undefined);
  for (let round = 0; round < 5; round += 1) {
    const { certPem, keyPem } = issueCertificate({
      ca,
      commonName: `n${round}`,
      organizations: [],
      usages: ['server auth'],
      clock: systemClock,
    });
    await store.save(certPem, keyPem);
    await clock.advance(1_000);
  }
  t.is((await readdir(folder)).length, 4);
  t.is(parseCertificate((await store.current())?.certPem ?? '').subject.commonName, 'n4');
  await writeFile(store.currentPath, 'garbage');
  t.is(await store.current(), undefined, 'a broken file is no certificate');
});

function managerOf(
  folder: string,
  clock = createClock(systemClock.now()),
  client = signer(),
  random = () => 0.5,
  isOutdated: () => boolean = () => false,
) {
  const seen: StoredCertificate[] = [];
  const names = { dnsNames: ['n1'], ipAddresses: ['10.0.0.1'] };
  const manager = new CertificateManager({
    store: new CertificateStore(folder, 'kubelet-server', clock),
    client,
    clock,
    log: silentLogger,
    nodeName: 'n1',
    kind: 'serving',
    names: () => names,
    isOutdated,
    onCertificate: (certificate) => seen.push(certificate),
    random,
  });
  return { manager, seen, names, clock, client };
}

test('a serving certificate carries the node’s names, and is renewed at 80% of its life', async (t) => {
  const { manager, seen, clock } = managerOf(await temporaryDirectory(t));
  const stop = new AbortController();
  const done = manager.run(stop.signal);
  const tick = async (ms: number) => {
    await clock.advance(ms);
    return seen.length;
  };
  await waitFor('the first', async () => (await tick(200)) === 1);
  t.deepEqual([seen[0]?.dnsNames, seen[0]?.ipAddresses], [['n1'], ['10.0.0.1']]);
  await clock.advance(7.9 * DAY_MS);
  t.is(seen.length, 1);
  await waitFor('the second', async () => (await tick(60_000)) === 2, { intervalMs: 1 });
  t.true(clock.now() - systemClock.now() < 8.6 * DAY_MS);
  stop.abort();
  await done;
});

test('another address of the node asks for another certificate', async (t) => {
  const { manager, names } = managerOf(await temporaryDirectory(t));
  const certificate: StoredCertificate = {
    certPem: '',
    keyPem: '',
    notBeforeMs: systemClock.now(),
    notAfterMs: systemClock.now() + DAY_MS,
    dnsNames: ['n1'],
    ipAddresses: ['10.0.0.1'],
  };
  t.false(manager.isDue(certificate));
  names.ipAddresses.push('10.0.0.2');
  t.true(manager.isDue(certificate));
  t.true(manager.isDue(undefined));
});

test('what an outdated authority issued is replaced at once, and while the signer has no other once a minute', async (t) => {
  const always = (): boolean => true;
  const parts = [undefined, undefined, undefined, always] as const;
  const { manager, seen, clock } = managerOf(await temporaryDirectory(t), ...parts);
  const stop = new AbortController();
  const done = manager.run(stop.signal);
  const begunMs = clock.now();
  const tick = async (ms: number) => {
    await clock.advance(ms);
    return seen.length;
  };
  await waitFor('the first', async () => (await tick(200)) === 1);
  await waitFor('the second', async () => (await tick(1_000)) === 2, { intervalMs: 1 });
  t.true(clock.now() - begunMs >= 60_000, 'a signer that is a stage behind is not asked in a loop');
  stop.abort();
  await done;
});

test('a denied request is asked again with a new key', async (t) => {
  const client = signer(systemClock, true);
  const { manager, clock } = managerOf(await temporaryDirectory(t), undefined, client);
  const stop = new AbortController();
  const done = manager.run(stop.signal);
  const requests = () =>
    client.writes
      .filter(({ verb }) => verb === 'create')
      .map(({ body }) => (body as { spec: { request: string } }).spec.request);
  await waitFor('two requests', async () => {
    await clock.advance(1_000);
    return requests().length >= 2;
  });
  const keys = requests().map(
    (request) => parseCertificateRequest(Buffer.from(request, 'base64').toString()).publicKeyPem,
  );
  t.not(keys[0], keys[1]);
  stop.abort();
  await done;
});
