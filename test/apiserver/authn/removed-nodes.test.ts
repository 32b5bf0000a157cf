import { X509Certificate } from 'node:crypto';
import test from 'ava';
import { NODES } from '../../../src/api/gen/resources.ts';
import { recordRemovedNode, removedAtMs } from '../../../src/bootstrap/objects/removed-nodes.ts';
import { isNotFound } from '../../../src/client/errors.ts';
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
