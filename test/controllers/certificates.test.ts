import test from 'ava';
import { CERTIFICATESIGNINGREQUESTS, NODES } from '../../src/api/gen/resources.ts';
import type { CertificateSigningRequest } from '../../src/api/gen/types/certificates-v1.ts';
import { certificateApprovingController } from '../../src/controllers/certificates/approving.ts';
import { certificateCleanerController } from '../../src/controllers/certificates/cleaner.ts';
import { certificateSigningController } from '../../src/controllers/certificates/signing.ts';
import { createCertificateAuthority, createCertificateRequest } from '../../src/pki/issue.ts';
import { generateKeyPair } from '../../src/pki/keys.ts';
import { isIssuedBy, parseCertificate } from '../../src/pki/parse.ts';
import { createClock } from '../helpers/fake-clock.ts';
import { harness } from './harness.ts';
import type { Harness } from './harness.ts';

const ca = createCertificateAuthority({ commonName: 'test', clock: createClock() });
const { privateKeyPem: keyPem } = generateKeyPair();
const CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet';
const SERVING = 'kubernetes.io/kubelet-serving';

interface Wish {
  commonName?: string;
  organizations?: string[];
  dnsNames?: string[];
  ipAddresses?: string[];
  uris?: string[];
}

function csr(signerName: string, wish: Wish = {}, spec: object = {}): CertificateSigningRequest {
  const pem = createCertificateRequest({
    commonName: 'system:node:n1',
    organizations: ['system:nodes'],
    keyPem,
    ...wish,
  });
  return {
    metadata: { name: 'csr' },
    spec: {
      request: Buffer.from(pem).toString('base64'),
      signerName,
      usages: ['digital signature', signerName === SERVING ? 'server auth' : 'client auth'],
      username: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers'],
      ...spec,
    },
  };
}

const self = { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };
const addresses = [
  { type: 'InternalIP', address: '10.0.0.1' },
  { type: 'Hostname', address: 'n1' },
];

/** `allowed`: the subresources that a SubjectAccessReview allows. */
async function decide(request: CertificateSigningRequest, allowed: string[] = []): Promise<Harness> {
  const h = harness((context) => [
    ...certificateApprovingController.start(context),
    ...certificateSigningController(ca).start(context),
  ]);
  const create = h.client.create.bind(h.client);
  h.client.create = (resource, object, options) => {
    const spec = (object as { spec?: { resourceAttributes?: { subresource: string } } }).spec;
    if (resource.resource !== 'subjectaccessreviews') return create(resource, object, options);
    return Promise.resolve({
      ...object,
      status: { allowed: allowed.includes(spec?.resourceAttributes?.subresource ?? '') },
    });
  };
  h.client.seed(NODES, { metadata: { name: 'n1' }, status: { addresses } });
  h.client.seed(CERTIFICATESIGNINGREQUESTS, request);
  await h.settle();
  return h;
}
const statusOf = async (h: Harness) =>
  (await h.client.get(CERTIFICATESIGNINGREQUESTS, { name: 'csr' })).status;

test('a bootstrapping kubelet that may gets its client certificate', async (t) => {
  const h = await decide(csr(CLIENT), ['nodeclient']);
  const status = await statusOf(h);
  t.like(status?.conditions?.[0], {
    type: 'Approved',
    status: 'True',
    reason: 'AutoApproved',
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
  });
  const pem = Buffer.from(status?.certificate ?? '', 'base64').toString();
  t.like(parseCertificate(pem), {
    subject: { commonName: 'system:node:n1', organizations: ['system:nodes'] },
    usages: ['digital signature', 'client auth'],
  });
  t.true(isIssuedBy(pem, ca.certPem));
  await h.stop();
});

const waits = test.macro(async (t, request: CertificateSigningRequest, allowed: string[] = []) => {
  const h = await decide(request, allowed);
  t.is((await statusOf(h))?.conditions, undefined);
  t.is((await statusOf(h))?.certificate, undefined);
  await h.stop();
});
test('a bootstrapper that may not waits for a person', waits, csr(CLIENT), []);
test('a client request with a name of a server waits', waits, csr(CLIENT, { dnsNames: ['n1'] }), [
  'nodeclient',
]);
test('a client request of another group waits', waits, csr(CLIENT, { organizations: ['system:masters'] }), [
  'nodeclient',
]);
test(
  'a client request with two groups waits',
  waits,
  csr(CLIENT, { organizations: ['system:nodes', 'system:masters'] }),
  ['nodeclient'],
);
test(
  'a client request that wants to serve waits',
  waits,
  csr(CLIENT, {}, { usages: ['digital signature', 'client auth', 'server auth'] }),
  ['nodeclient'],
);
test('another signer is not ours to approve', waits, csr('kubernetes.io/kube-apiserver-client'), [
  'nodeclient',
  'selfnodeclient',
]);
test(
  'a serving request for an address that the node lacks waits',
  waits,
  csr(SERVING, { ipAddresses: ['10.0.0.9'] }, self),
);
test(
  'a serving request of another node waits',
  waits,
  csr(SERVING, { ipAddresses: ['10.0.0.1'] }, { ...self, username: 'system:node:n2' }),
);
test(
  'a serving request with a URI waits',
  waits,
  csr(SERVING, { ipAddresses: ['10.0.0.1'], uris: ['spiffe://x'] }, self),
);

test('a node renews its own certificate', async (t) => {
  const h = await decide(csr(CLIENT, {}, self), ['selfnodeclient']);
  t.is(
    (await statusOf(h))?.conditions?.[0]?.message,
    'Auto approving self kubelet client certificate after SubjectAccessReview.',
  );
  await h.stop();
});

test('a node gets a serving certificate for its own addresses, as soon as it has told them', async (t) => {
  const h = await decide(csr(SERVING, { dnsNames: ['n1'], ipAddresses: ['10.0.0.1', '10.0.0.2'] }, self));
  t.is((await statusOf(h))?.certificate, undefined);
  const told = { status: { addresses: [...addresses, { type: 'ExternalIP', address: '10.0.0.2' }] } };
  await h.client.patch(NODES, { name: 'n1' }, told, { type: 'merge', subresource: 'status' });
  await h.settle();
  const pem = Buffer.from((await statusOf(h))?.certificate ?? '', 'base64').toString();
  t.like(parseCertificate(pem), {
    dnsNames: ['n1'],
    ipAddresses: ['10.0.0.1', '10.0.0.2'],
    usages: ['digital signature', 'server auth'],
  });
  await h.stop();
});

test('an approved request that a signer must not sign fails, and says why', async (t) => {
  const approved = {
    ...csr(CLIENT, { organizations: ['system:masters'] }),
    status: { conditions: [{ type: 'Approved', status: 'True', reason: 'x' }] },
  };
  const h = await decide(approved);
  const status = await statusOf(h);
  t.is(status?.certificate, undefined);
  t.like(status?.conditions?.[1], {
    type: 'Failed',
    status: 'True',
    reason: 'SignerValidationFailure',
    message: 'subject organization is not system:nodes',
  });
  await h.stop();
});

test('a shorter validity is granted, a longer one is not', async (t) => {
  for (const [asked, granted] of [
    [3_600, 3_600],
    [1, 600],
    [10 ** 9, 31_536_000],
  ] as const) {
    const h = await decide(csr(CLIENT, {}, { expirationSeconds: asked }), ['nodeclient']);
    const pem = Buffer.from((await statusOf(h))?.certificate ?? '', 'base64').toString();
    t.true(
      Math.abs(parseCertificate(pem).notAfterMs - h.clock.now() - granted * 1000) < 2_000,
      String(asked),
    );
    await h.stop();
  }
});

test('requests are removed an hour after their verdict, or after a day without one', async (t) => {
  const h = harness(certificateCleanerController, [
    [
      CERTIFICATESIGNINGREQUESTS,
      {
        ...csr(CLIENT),
        status: {
          conditions: [{ type: 'Approved', status: 'True', lastUpdateTime: '2026-01-01T00:00:00Z' }],
        },
      } as CertificateSigningRequest,
    ],
    [CERTIFICATESIGNINGREQUESTS, { ...csr(CLIENT), metadata: { name: 'pending' } }],
  ]);
  const names = async () =>
    (await h.client.list(CERTIFICATESIGNINGREQUESTS)).items.map((item) => item.metadata?.name);
  await h.settle(3_500_000);
  t.deepEqual(await names(), ['csr', 'pending']);
  await h.settle(200_000);
  t.deepEqual(await names(), ['pending']);
  await h.settle(86_400_000);
  t.deepEqual(await names(), []);
  await h.stop();
});
