import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import type { Logger } from '../../src/base/log.ts';
import { silentLogger } from '../../src/base/log.ts';
import { createCertificateAuthority, issueCertificate, type Identity } from '../../src/pki/issue.ts';
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts';
import { etcdBinary, startEtcd, type EtcdServer } from '../helpers/etcd.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { put, text } from '../contract/storage-kit.ts';

const run = etcdBinary() ? test : test.skip;

interface Setup {
  server: EtcdServer;
  dir: string;
  ca: Identity;
  client: (ca?: Identity) => Identity;
}

async function setUp(t: ExecutionContext, addresses = ['127.0.0.1']): Promise<Setup> {
  const dir = await temporaryDirectory(t);
  const ca = createCertificateAuthority({ commonName: 'etcd-ca', clock: systemClock });
  const serving = issueCertificate({
    ca,
    commonName: 'server-1',
    organizations: [],
    // etcd calls itself through its gateway and shows its serving certificate as a client.
    usages: ['digital signature', 'key encipherment', 'server auth', 'client auth'],
    ipAddresses: addresses,
    clock: systemClock,
  });
  const files = {
    certFile: join(dir, 'server.crt'),
    keyFile: join(dir, 'server.key'),
    clientCaFile: join(dir, 'ca.crt'),
  };
  await writeFile(files.certFile, serving.certPem);
  await writeFile(files.keyFile, serving.keyPem);
  await writeFile(files.clientCaFile, ca.certPem);
  const [server] = await startEtcd(1, { tls: files });
  t.teardown(() => server!.stop());
  const client = (authority = ca): Identity =>
    issueCertificate({
      ca: authority,
      commonName: 'kube-apiserver-etcd-client',
      organizations: [],
      usages: ['digital signature', 'client auth'],
      clock: systemClock,
    });
  return { server: server!, dir, ca, client };
}

const stranger = (): Identity => createCertificateAuthority({ commonName: 'stranger', clock: systemClock });

run('a client certificate of the right authority opens the store', async (t) => {
  const { server, ca, client } = await setUp(t);
  const { certPem, keyPem } = client();
  const tls = { ca: ca.certPem, cert: certPem, key: keyPem };
  const storage = await EtcdStorage.open({ endpoints: [server.url], tls, clock: systemClock });
  t.teardown(() => storage.close());
  await put(storage, '/a', '1');
  t.is(text((await storage.get('/a')).kv), '/a=1@2/2');
});

run('no certificate, one of another authority, and a server of another authority are refused', async (t) => {
  const { server, ca, client } = await setUp(t);
  const own = client();
  const foreign = client(stranger());
  for (const tls of [
    { ca: ca.certPem },
    { ca: ca.certPem, cert: foreign.certPem, key: foreign.keyPem },
    { ca: stranger().certPem, cert: own.certPem, key: own.keyPem },
  ]) {
    const options = { endpoints: [server.url], tls, clock: systemClock, requestMs: 800 };
    await t.throwsAsync(EtcdStorage.open(options), { code: 'E_STORAGE_UNAVAILABLE' });
  }
});

run('a certificate for another address is refused', async (t) => {
  const { server, ca, client } = await setUp(t, ['192.0.2.7']);
  const { certPem, keyPem } = client();
  const tls = { ca: ca.certPem, cert: certPem, key: keyPem };
  const options = { endpoints: [server.url], tls, clock: systemClock, requestMs: 800 };
  await t.throwsAsync(EtcdStorage.open(options), { code: 'E_STORAGE_UNAVAILABLE', message: /127\.0\.0\.1/ });
});

run('files that change are taken up by new connections; broken ones are not', async (t) => {
  const { server, dir, ca, client } = await setUp(t);
  const tls = {
    caFile: join(dir, 'ca.crt'),
    certFile: join(dir, 'client.crt'),
    keyFile: join(dir, 'client.key'),
  };
  const use = async (identity: Identity): Promise<void> => {
    await writeFile(tls.certFile, identity.certPem);
    await writeFile(tls.keyFile, identity.keyPem);
  };
  await use(client());
  const lines: string[] = [];
  const note = (_fields: object, message: string): void => void lines.push(message);
  const log: Logger = { ...silentLogger, info: note, warn: note };
  const options = { clock: systemClock, requestMs: 4000, reloadMs: 50 };
  const storage = await EtcdStorage.open({ endpoints: [server.url], tls, log, ...options });
  t.teardown(() => storage.close());
  await put(storage, '/a', '1');

  await writeFile(tls.keyFile, 'no key at all');
  await waitFor('the broken files to be noticed', () =>
    lines.some((line) => line.startsWith('kept the old')),
  );
  await put(storage, '/a', '2');

  // What etcd does not trust is really used, so the files were taken up; then good ones make it work again.
  await use(client(stranger()));
  await waitFor('the new files', () => lines.some((line) => line.startsWith('took up')));
  await t.throwsAsync(storage.get('/a'), { code: 'E_STORAGE_UNAVAILABLE' });
  await use(client(ca));
  await waitFor('the store to answer', async () => (await storage.get('/a')).kv);
  await put(storage, '/a', '3');
});

test('options that cannot work are refused at once, with a code', async (t) => {
  const open = (endpoint: string, tls?: { ca: string; cert?: string; key?: string }): Promise<EtcdStorage> =>
    EtcdStorage.open({ endpoints: [endpoint], clock: systemClock, ...(tls ? { tls } : {}) });
  for (const endpoint of ['127.0.0.1:2379', 'ftp://127.0.0.1', 'http://127.0.0.1:1/path', '']) {
    await t.throwsAsync(open(endpoint), { code: 'E_STORAGE_ENDPOINT' });
  }
  await t.throwsAsync(open('https://127.0.0.1:1'), { code: 'E_STORAGE_ENDPOINT', message: /cafile/ });
  await t.throwsAsync(open('https://127.0.0.1:1', { ca: 'no PEM' }), { code: 'E_STORAGE_TLS' });
  // As a file is while it is being written.
  const { certPem } = stranger();
  const halfWritten = { ca: certPem, cert: certPem, key: '' };
  await t.throwsAsync(open('https://127.0.0.1:1', halfWritten), { code: 'E_STORAGE_TLS' });
  await t.throwsAsync(EtcdStorage.open({ endpoints: [], clock: systemClock }), {
    code: 'E_STORAGE_ENDPOINT',
  });
});
