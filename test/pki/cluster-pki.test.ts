import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, connect, type TLSSocket } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { parse } from 'yaml';
import { systemClock } from '../../src/base/clock.ts';
import { clusterPki, type ClusterPkiOptions } from '../../src/pki/cluster-pki.ts';
import {
  DAY_MS,
  issueCertificate,
  signCertificateRequest,
  createCertificateRequest,
} from '../../src/pki/issue.ts';
import { generateKeyPair, isEncryptedKey } from '../../src/pki/keys.ts';
import { renderKubeconfig } from '../../src/pki/kubeconfig.ts';
import { SERVERS_EXTENSION } from '../../src/client/kubeconfig.ts';
import { parseCertificate } from '../../src/pki/parse.ts';

const options: ClusterPkiOptions = {
  clock: systemClock,
  nodes: [
    { name: 'cp1', addresses: ['10.0.0.1'], controlPlane: true },
    { name: 'w1', addresses: ['10.0.0.2'], controlPlane: false },
  ],
  serviceAddress: '10.96.0.1',
  clusterDomain: 'cluster.local',
  extraNames: ['api.example.org', '192.0.2.7'],
};

test('every identity of the cluster verifies against its root with openssl', (t) => {
  const { files, issued } = clusterPki(options);
  const dir = mkdtempSync(join(tmpdir(), 'slipway-pki-'));
  const leaves = Object.keys(files).filter((path) => path.endsWith('.crt'));
  t.is(leaves.length, 4 + 2 + 3 + 3 + 9);
  t.is(issued.length, leaves.length + 1);
  for (const path of leaves) {
    const root = path.includes('front-proxy')
      ? 'pki/front-proxy-ca.crt'
      : path.includes('etcd')
        ? 'pki/etcd/ca.crt'
        : 'pki/ca.crt';
    writeFileSync(join(dir, 'ca.pem'), files[root] ?? '');
    writeFileSync(join(dir, 'leaf.pem'), files[path] ?? '');
    t.regex(
      execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', 'ca.pem', 'leaf.pem'], {
        cwd: dir,
      }).toString(),
      /OK/,
      path,
    );
  }
});

test('a renewal reissues every leaf that is older than its beginning, and no authority', (t) => {
  const first = clusterPki(options).files;
  const begunMs = systemClock.now() + 60_000;
  const clock = { ...options, clock: new Proxy(systemClock, { get: later }) };
  const renewed = clusterPki({ ...clock, renewIssuedBeforeMs: begunMs }, first);
  t.is(renewed.issued.length, 2 + 3 + 3 + 9);
  t.true(renewed.issued.every(({ path, reason }) => !path.startsWith('pki/') && reason === 'renewed'));
  for (const path of ['pki/ca.crt', 'pki/signer.crt', 'pki/sa.key']) t.is(renewed.files[path], first[path]);
  // An interrupted renewal goes on: what it issued already is kept.
  t.deepEqual(clusterPki({ ...clock, renewIssuedBeforeMs: begunMs }, renewed.files).issued, []);
});

/** An hour from now. */
const later = (target: typeof systemClock, name: string | symbol): unknown =>
  name === 'now' ? () => target.now() + 3_600_000 : Reflect.get(target, name);

test('identities carry the names that Kubernetes knows them by', (t) => {
  const { files } = clusterPki(options);
  const subject = (path: string) => parseCertificate(files[`${path}.crt`] ?? '').subject;
  t.deepEqual(subject('identities/admin'), {
    commonName: 'kubernetes-admin',
    organizations: ['kubeadm:cluster-admins'],
  });
  t.deepEqual(subject('nodes/cp1/scheduler'), { commonName: 'system:kube-scheduler', organizations: [] });
  t.deepEqual(subject('nodes/w1/proxy'), { commonName: 'system:kube-proxy', organizations: [] });
  const api = parseCertificate(files['nodes/cp1/apiserver.crt'] ?? '');
  t.deepEqual(api.ipAddresses, ['10.96.0.1', '10.0.0.1', '127.0.0.1', '::1', '192.0.2.7']);
  t.true(api.dnsNames.includes('kubernetes.default.svc.cluster.local'));
  t.true(api.dnsNames.includes('api.example.org'));
});

test('a second run keeps every file byte for byte', (t) => {
  const first = clusterPki(options);
  const second = clusterPki(options, first.files);
  t.deepEqual(second.files, first.files);
  t.deepEqual(second.issued, []);
});

test('only what changed is issued again, and says why', (t) => {
  const first = clusterPki(options);
  const moved = clusterPki(
    {
      ...options,
      nodes: [{ name: 'cp1', addresses: ['10.0.0.9'], controlPlane: true }, ...options.nodes.slice(1)],
    },
    first.files,
  );
  t.deepEqual(
    moved.issued,
    ['apiserver', 'etcd/server', 'etcd/peer'].map((name) => ({
      path: `nodes/cp1/${name}`,
      reason: 'names or addresses changed',
    })),
  );
  const later = { ...systemClock, now: () => systemClock.now() + 340 * DAY_MS };
  const renewed = clusterPki({ ...options, clock: later }, first.files);
  t.is(renewed.issued.length, 2 + 3 + 3 + 9, 'leaves, and no CA');
  t.regex(renewed.issued[0]?.reason ?? '', /^expires in 2\d days$/);
  t.is(renewed.files['pki/ca.crt'], first.files['pki/ca.crt']);
});

test('an encrypted root key is asked for only when something must be signed', (t) => {
  const first = clusterPki({ ...options, passphrase: 'secret words' });
  t.true(isEncryptedKey(first.files['pki/ca.key'] ?? ''));
  t.deepEqual(clusterPki(options, first.files).issued, []);
  const { 'identities/admin.crt': _, ...lost } = first.files;
  t.throws(() => clusterPki(options, lost), { code: 'E_PASSPHRASE' });
  t.is(clusterPki({ ...options, passphrase: 'secret words' }, lost).issued.length, 1);
});

test('a lost root key is named with its remedy', (t) => {
  const { files } = clusterPki(options);
  const { 'pki/ca.key': _, 'identities/admin.crt': __, ...lost } = files;
  t.throws(() => clusterPki(options, lost), { code: 'E_CA_KEY_MISSING', message: /pki\/ca\.key/ });
});

test('mutual TLS holds between an API server and a kubelet certified by the intermediate', async (t) => {
  const { files } = clusterPki(options);
  const file = (path: string): string => files[path] ?? '';
  const keyPem = generateKeyPair().privateKeyPem;
  const kubelet = signCertificateRequest({
    ca: { certPem: file('pki/signer.crt'), keyPem: file('pki/signer.key') },
    requestPem: createCertificateRequest({
      keyPem,
      commonName: 'system:node:w1',
      organizations: ['system:nodes'],
    }),
    usages: ['digital signature', 'client auth'],
    validity: { durationMs: DAY_MS },
    clock: systemClock,
  });
  const server = createServer({
    ca: file('pki/ca.crt'),
    cert: file('nodes/cp1/apiserver.crt'),
    key: file('nodes/cp1/apiserver.key'),
    requestCert: true,
    rejectUnauthorized: true,
  });
  const seen = new Promise<TLSSocket>((resolve) => server.on('secureConnection', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', ca: file('pki/ca.crt'), cert: kubelet, key: keyPem });
  const peer = await seen;
  t.true(peer.authorized);
  t.is(peer.getPeerCertificate().subject.CN, 'system:node:w1');
  socket.destroy();
  peer.destroy();

  const stranger = clusterPki(options).files;
  const impostor = issueCertificate({
    ca: { certPem: stranger['pki/signer.crt'] ?? '', keyPem: stranger['pki/signer.key'] ?? '' },
    commonName: 'system:node:w1',
    organizations: ['system:nodes'],
    usages: ['client auth'],
    clock: systemClock,
  });
  // Node ends the connection without a word where it distrusts the client: 'refused' or 'accepted' is the fact.
  const verdict = new Promise<string>((resolve) => {
    server.on('tlsClientError', () => resolve('refused'));
    server.on('secureConnection', () => resolve('accepted'));
  });
  const credentials = { cert: impostor.certPem, key: impostor.keyPem };
  const other = connect({ port, host: '127.0.0.1', ca: file('pki/ca.crt'), ...credentials });
  other.on('error', () => {});
  t.is(await verdict, 'refused');
  other.destroy();
  server.close();
});

test('a kubeconfig reads back as what went in', (t) => {
  const text = renderKubeconfig({
    clusterName: 'prod',
    servers: ['https://10.0.0.1:6443', 'https://10.0.0.2:6443'],
    caPem: 'CA',
    user: 'kubernetes-admin',
    credential: { certPem: 'CERT', keyPem: 'KEY' },
  });
  const encode = (value: string): string => Buffer.from(value).toString('base64');
  t.deepEqual(parse(text), {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'prod',
        cluster: {
          server: 'https://10.0.0.1:6443',
          'certificate-authority-data': encode('CA'),
          extensions: [
            {
              name: SERVERS_EXTENSION,
              extension: { servers: ['https://10.0.0.1:6443', 'https://10.0.0.2:6443'] },
            },
          ],
        },
      },
    ],
    contexts: [{ name: 'kubernetes-admin@prod', context: { cluster: 'prod', user: 'kubernetes-admin' } }],
    'current-context': 'kubernetes-admin@prod',
    users: [
      {
        name: 'kubernetes-admin',
        user: { 'client-certificate-data': encode('CERT'), 'client-key-data': encode('KEY') },
      },
    ],
  });
});
