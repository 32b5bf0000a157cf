import test from 'ava';
import type { RequestHeaderConfig } from '../../../src/apiserver/api-server-options.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { createCertificateAuthority, issueCertificate } from '../../../src/pki/issue.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';

const REVIEWS = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const REVIEW = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };

for (const [title, config, headers, isTaken] of [
  ['by the usual headers', {}, 'X-Remote-', true],
  [
    'by headers of another name',
    {
      names: {
        username: ['X-Who'],
        uid: ['X-Who-Uid'],
        group: ['X-Who-Group'],
        extraPrefix: ['X-Who-Extra-'],
      },
    },
    'X-Who-',
    true,
  ],
  ['not as a proxy of a name that is not allowed', { allowedNames: ['someone-else'] }, 'X-Remote-', false],
] as ReadonlyArray<[string, Partial<RequestHeaderConfig>, string, boolean]>) {
  test(`a front proxy says who asks ${title}`, async (t) => {
    const ca = createCertificateAuthority({ commonName: 'front-proxy-ca', clock: systemClock });
    const proxy = issueCertificate({
      ca,
      commonName: 'front-proxy-client',
      organizations: ['system:masters'],
      usages: ['digital signature', 'client auth'],
      clock: systemClock,
    });
    const serving = issueCertificate({
      ca,
      commonName: 'kube-apiserver',
      organizations: [],
      usages: ['digital signature', 'server auth'],
      dnsNames: [],
      ipAddresses: ['127.0.0.1'],
      clock: systemClock,
    });
    const clients = createCertificateAuthority({ commonName: 'clients', clock: systemClock });
    const plane = await startControlPlane({
      server: {
        tls: { cert: serving.certPem, key: serving.keyPem, clientCa: [clients.certPem, ca.certPem] },
        clientCaPem: clients.certPem,
        requestHeader: { caPem: ca.certPem, allowedNames: ['front-proxy-client'], ...config },
      },
    });
    const api = new RawApi({ url: plane.url, ca, admin: proxy });
    t.teardown(async () => {
      api.close();
      await plane.close();
    });
    const user = headers === 'X-Who-' ? 'x-who' : 'x-remote-user';
    const name = headers.toLowerCase();
    const answer = await api.post(REVIEWS, REVIEW, {
      [user]: Buffer.from('jürgen').toString('latin1'),
      [`${name}uid`]: 'u1',
      [`${name}group`]: 'dev,ops',
      [`${name}extra-a%2fb`]: 'c',
    });
    if (!isTaken) {
      t.is(answer.status, 401);
      return;
    }
    const { userInfo } = answer.json().status as { userInfo: object };
    t.deepEqual(userInfo, {
      username: 'jürgen',
      uid: 'u1',
      groups: ['dev,ops', 'system:authenticated'],
      extra: { 'a/b': ['c'] },
    });
  });
}
