import { X509Certificate } from 'node:crypto';
import test from 'ava';
import { ENDPOINTS, NODES } from '../../../src/api/gen/resources.ts';
import { systemClock, type Clock } from '../../../src/base/clock.ts';
import { recordRemovedNode, removedAtMs } from '../../../src/bootstrap/objects/removed-nodes.ts';
import { isNotFound } from '../../../src/client/errors.ts';
import { createCertificateAuthority, issueCertificate } from '../../../src/pki/issue.ts';
import { MemoryStorage } from '../../../src/storage/memory/memory-storage.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { waitFor } from '../../helpers/wait-for.ts';

test('what a removed server had is believed no more; a new one of its name, and others, are', async (t) => {
  const plane = await startControlPlane();
  t.teardown(() => plane.close());
  const old = plane.identity('system:node:w1', 'system:nodes');
  const proxy = plane.identity('system:kube-proxy');
  const other = plane.identity('system:node:w2', 'system:nodes');
  const answer = (identity: typeof old) =>
    plane
      .client(identity)
      .get(NODES, { name: 'none' })
      .then(
        () => 'found',
        (error: unknown) => (isNotFound(error) ? 'believed' : (error as { reason?: string }).reason),
      );
  t.is(await answer(old), 'Forbidden', 'known, though it may not read another node');
  const issuedMs = new X509Certificate(old.certPem).validFromDate.getTime() + 5 * 60_000;
  await recordRemovedNode(plane.client(), {
    name: 'w1',
    removedAtMs: issuedMs + 1000,
    certificates: [proxy.certPem],
  });
  t.is(await removedAtMs(plane.client(), 'w1'), issuedMs + 1000);
  t.is(await removedAtMs(plane.client(), 'w2'), undefined);
  await waitFor('the old one is refused', async () => (await answer(old)) === 'Unauthorized');
  t.is(await answer(proxy), 'Unauthorized');
  t.is(await answer(other), 'Forbidden');
  t.is(await answer(plane.identity('system:kube-proxy')), 'believed');
  // Certificates count whole seconds: the removal's must have passed.
  await waitFor('a new one of that name is believed', async () => {
    return (await answer(plane.identity('system:node:w1', 'system:nodes'))) === 'Forbidden';
  });
});

test('an API server whose own certificate was removed says so, when it runs and when it starts again', async (t) => {
  const storage = new MemoryStorage();
  t.teardown(() => storage.close());
  const ca = createCertificateAuthority({ commonName: 'kubernetes', clock: systemClock });
  const { certPem: cert, keyPem: key } = issueCertificate({
    ca,
    commonName: 'kube-apiserver',
    organizations: [],
    usages: ['digital signature', 'server auth'],
    ipAddresses: ['127.0.0.1'],
    clock: systemClock,
  });
  const tls = { cert, key, clientCa: [ca.certPem] };
  const good = await startControlPlane({ storage });
  t.teardown(() => good.close());
  // Ten seconds are a tenth of one here.
  const sleep: Clock['sleep'] = (ms, signal) => systemClock.sleep(Math.min(ms, 100), signal);
  const clock = { ...systemClock, sleep };
  const lost = await startControlPlane({ storage, clock, server: { tls, advertiseAddress: '10.0.0.9' } });
  const addresses = async (): Promise<string> =>
    JSON.stringify(
      (await good.client().get(ENDPOINTS, { namespace: 'default', name: 'kubernetes' })).subsets,
    );
  t.false(lost.server.removed.aborted);
  t.true((await addresses()).includes('10.0.0.9'));
  await recordRemovedNode(good.client(), {
    name: 'cp3',
    removedAtMs: systemClock.now(),
    certificates: [cert],
  });
  await waitFor('it notices', () => lost.server.removed.aborted);
  await lost.close();
  const again = await startControlPlane({ storage, server: { tls, advertiseAddress: '10.0.0.9' } });
  t.true(again.server.removed.aborted);
  await again.close();
  t.false((await addresses()).includes('10.0.0.9'), 'nobody is led there');
  t.false(good.server.removed.aborted);
});
