import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as fc from 'fast-check';
import { systemClock } from '../../src/base/clock.ts';
import {
  createCertificateAuthority,
  createCertificateRequest,
  DAY_MS,
  issueCertificate,
  signCertificateRequest,
} from '../../src/pki/issue.ts';
import { decryptKey, encryptKey, generateKeyPair, type KeyAlgorithm } from '../../src/pki/keys.ts';
import { isIssuedBy, matchesKey, parseCertificate, parseCertificateRequest } from '../../src/pki/parse.ts';
import { splitCertificates } from '../../src/pki/pem.ts';

const clock = systemClock;

function openssl(files: Record<string, string>, ...args: string[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-pki-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    return execFileSync('openssl', args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const algorithms: KeyAlgorithm[] = ['ECDSA-P256', 'RSA-2048'];
for (const algorithm of algorithms) {
  test(`${algorithm}: openssl verifies a leaf of an intermediate of a root, strictly`, (t) => {
    const root = createCertificateAuthority({ commonName: 'kubernetes', clock, algorithm });
    const ca = createCertificateAuthority({ commonName: 'kubelet-ca', clock, algorithm, parent: root });
    const leaf = issueCertificate({
      ca,
      commonName: 'kube-apiserver',
      organizations: [],
      dnsNames: ['kubernetes', 'kubernetes.default.svc'],
      ipAddresses: ['10.96.0.1', 'fd00::1'],
      usages: ['digital signature', 'key encipherment', 'server auth'],
      clock,
      algorithm,
    });
    const [own = '', intermediate = ''] = splitCertificates(leaf.certPem);
    t.is(splitCertificates(leaf.certPem).length, 2, 'the chain is served without the root');
    const files = { 'root.pem': root.certPem, 'mid.pem': intermediate, 'leaf.pem': own };
    const verify = ['verify', '-x509_strict', '-CAfile', 'root.pem', '-untrusted', 'mid.pem'];
    t.regex(openssl(files, ...verify, '-purpose', 'sslserver', 'leaf.pem'), /leaf.pem: OK/);
    t.throws(() => openssl(files, ...verify, '-purpose', 'sslclient', 'leaf.pem'));
    t.regex(
      openssl(files, ...verify, '-verify_ip', 'fd00::1', '-verify_hostname', 'kubernetes', 'leaf.pem'),
      /OK/,
    );
    const x509 = new X509Certificate(own);
    t.is(
      x509.subjectAltName,
      'DNS:kubernetes, DNS:kubernetes.default.svc, IP Address:10.96.0.1, IP Address:FD00:0:0:0:0:0:0:1',
    );
    t.false(x509.ca);
    t.true(isIssuedBy(leaf.certPem, ca.certPem));
    t.false(isIssuedBy(leaf.certPem, root.certPem));
    t.true(matchesKey(leaf.certPem, leaf.keyPem));
    t.false(matchesKey(leaf.certPem, ca.keyPem));
  });

  test(`${algorithm}: openssl and we agree on a certificate request`, (t) => {
    const keyPem = generateKeyPair(algorithm).privateKeyPem;
    const pem = createCertificateRequest({
      keyPem,
      commonName: 'system:node:n1',
      organizations: ['system:nodes'],
      dnsNames: ['n1'],
      ipAddresses: ['10.0.0.1'],
      usages: ['digital signature', 'server auth'],
    });
    t.regex(
      openssl({ 'a.csr': pem }, 'req', '-in', 'a.csr', '-verify', '-noout', '-subject'),
      /system:nodes.*system:node:n1/,
    );
    const parsed = parseCertificateRequest(pem);
    t.is(parsed.commonName, 'system:node:n1');
    t.deepEqual(parsed.organizations, ['system:nodes']);
    t.deepEqual(parsed.dnsNames, ['n1']);
    t.deepEqual(parsed.ipAddresses, ['10.0.0.1']);
    t.deepEqual(parsed.usages, ['digital signature', 'server auth']);
    t.is(parsed.publicKeyPem, generatePublic(keyPem));
  });
}

const generatePublic = (keyPem: string): string =>
  openssl({ 'k.pem': keyPem }, 'pkey', '-in', 'k.pem', '-pubout');

test('a request made by openssl is read: subject, names, usages', (t) => {
  const pem = openssl(
    { 'k.pem': generateKeyPair().privateKeyPem },
    'req',
    '-new',
    '-key',
    'k.pem',
    '-subj',
    '/O=system:nodes/O=extra/CN=system:node:n2',
    '-addext',
    'subjectAltName=DNS:n2,IP:10.0.0.2,email:a@b.c,URI:spiffe://x/y',
    '-addext',
    'keyUsage=critical,digitalSignature',
    '-addext',
    'extendedKeyUsage=serverAuth',
  );
  const { publicKey: _, publicKeyPem: __, ...parsed } = parseCertificateRequest(pem);
  t.deepEqual(parsed, {
    commonName: 'system:node:n2',
    organizations: ['system:nodes', 'extra'],
    dnsNames: ['n2'],
    ipAddresses: ['10.0.0.2'],
    emailAddresses: ['a@b.c'],
    uris: ['spiffe://x/y'],
    usages: ['digital signature', 'server auth'],
  });
});

test('signing a request keeps its subject and names, and replaces its usages', (t) => {
  const root = createCertificateAuthority({ commonName: 'kubernetes', clock });
  const ca = createCertificateAuthority({ commonName: 'signer', clock, parent: root });
  const keyPem = generateKeyPair().privateKeyPem;
  const requestPem = createCertificateRequest({
    keyPem,
    commonName: 'system:node:n1',
    organizations: ['system:nodes'],
    ipAddresses: ['10.0.0.1'],
    usages: ['cert sign'],
  });
  const certPem = signCertificateRequest({
    ca,
    requestPem,
    usages: ['digital signature', 'client auth'],
    validity: { durationMs: DAY_MS },
    clock,
  });
  const parsed = parseCertificate(certPem);
  t.deepEqual(parsed.usages, ['digital signature', 'client auth']);
  t.deepEqual(parsed.subject, { commonName: 'system:node:n1', organizations: ['system:nodes'] });
  t.deepEqual(parsed.ipAddresses, ['10.0.0.1']);
  t.true(Math.abs(parsed.notAfterMs - clock.now() - DAY_MS) < 60_000);
  t.true(matchesKey(certPem, keyPem));
  const [own = '', mid = ''] = splitCertificates(certPem);
  const files = { 'root.pem': root.certPem, 'mid.pem': mid, 'leaf.pem': own };
  t.regex(
    openssl(
      files,
      'verify',
      '-x509_strict',
      '-purpose',
      'sslclient',
      '-CAfile',
      'root.pem',
      '-untrusted',
      'mid.pem',
      'leaf.pem',
    ),
    /OK/,
  );
});

test('a request whose content was changed after signing is refused', (t) => {
  const pem = createCertificateRequest({
    keyPem: generateKeyPair().privateKeyPem,
    commonName: 'system:node:aaa',
    organizations: [],
  });
  const der = Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ''), 'base64');
  const forged = Buffer.from(der.toString('latin1').replace('system:node:aaa', 'system:node:bbb'), 'latin1');
  const armoured = `-----BEGIN CERTIFICATE REQUEST-----\n${forged.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  t.throws(() => parseCertificateRequest(armoured), { code: 'E_CSR' });
});

test('mutated requests and certificates are refused or read, never crash with anything else', (t) => {
  const keyPem = generateKeyPair().privateKeyPem;
  const csr = createCertificateRequest({ keyPem, commonName: 'a', organizations: ['b'], dnsNames: ['c'] });
  const { certPem } = createCertificateAuthority({ commonName: 'x', clock });
  const bytes = (pem: string): Buffer => Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ''), 'base64');
  const armour = (label: string, der: Buffer): string =>
    `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`;
  const mutate = (der: Buffer, at: number, value: number): Buffer => {
    const copy = Buffer.from(der);
    copy[at % copy.length] = value;
    return copy;
  };
  const quiet = (code: string, fn: () => unknown): void => {
    try {
      fn();
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== code) throw error;
    }
  };
  fc.assert(
    fc.property(fc.nat(2000), fc.integer({ min: 0, max: 255 }), (at, value) => {
      quiet('E_CSR', () =>
        parseCertificateRequest(armour('CERTIFICATE REQUEST', mutate(bytes(csr), at, value))),
      );
      quiet('E_CERTIFICATE', () =>
        parseCertificate(armour('CERTIFICATE', mutate(bytes(certPem), at, value))),
      );
    }),
    { seed: 1, numRuns: 500 },
  );
  t.pass();
});

test('a leaf never outlives its CA, and an expired CA signs nothing', (t) => {
  const ca = createCertificateAuthority({ commonName: 'short', clock, validity: { durationMs: DAY_MS } });
  const leaf = { ca, commonName: 'x', organizations: [], usages: ['client auth'] as const };
  t.is(
    parseCertificate(issueCertificate({ ...leaf, clock }).certPem).notAfterMs,
    parseCertificate(ca.certPem).notAfterMs,
  );
  const later = { ...clock, now: () => clock.now() + 2 * DAY_MS };
  t.throws(() => issueCertificate({ ...leaf, clock: later }), { code: 'E_CA_EXPIRED' });
});

test('a certificate past 2049 uses GeneralizedTime and verifies', (t) => {
  const ca = createCertificateAuthority({
    commonName: 'long',
    clock,
    validity: { durationMs: 40 * 365 * DAY_MS },
  });
  t.regex(openssl({ 'ca.pem': ca.certPem }, 'verify', '-x509_strict', '-CAfile', 'ca.pem', 'ca.pem'), /OK/);
  t.true(parseCertificate(ca.certPem).notAfterMs > Date.UTC(2060, 0));
});

test('a leaf cannot sign', (t) => {
  const ca = createCertificateAuthority({ commonName: 'ca', clock });
  const leaf = issueCertificate({
    ca,
    commonName: 'leaf',
    organizations: [],
    usages: ['client auth'],
    clock,
  });
  t.throws(() => issueCertificate({ ca: leaf, commonName: 'x', organizations: [], usages: [], clock }), {
    code: 'E_NOT_A_CA',
  });
});

test('an encrypted key opens with its passphrase alone', (t) => {
  const { privateKeyPem } = generateKeyPair();
  const encrypted = encryptKey(privateKeyPem, 'correct horse');
  t.regex(encrypted, /ENCRYPTED/);
  t.is(decryptKey(encrypted, 'correct horse'), privateKeyPem);
  t.throws(() => decryptKey(encrypted, 'wrong'), { code: 'E_PASSPHRASE' });
});
