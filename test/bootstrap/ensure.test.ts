import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { CLUSTERROLES, SERVICES } from '../../src/api/gen/resources.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { bootstrapObjects } from '../../src/bootstrap/objects/bootstrap-objects.ts';
import { ensure, missing, type Wanted } from '../../src/bootstrap/objects/ensure.ts';

const role = (verbs: string[]): Wanted => ({
  resource: CLUSTERROLES,
  object: {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'r' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs }],
  } as Wanted['object'],
});

test('an object is created once, updated where it differs, and else left alone', async (t) => {
  const client = new MemoryClient(systemClock);
  t.is(await missing(client, role(['get'])), 'create');
  await ensure(client, role(['get']));
  t.is(await missing(client, role(['get'])), undefined);
  t.is(await missing(client, role(['get', 'list'])), 'update');
  await ensure(client, role(['get', 'list']));
  t.is(await missing(client, role(['get', 'list'])), undefined);
  t.is(await missing(client, role(['get'])), 'update', 'a right too many is a difference');
});

test('what others added to an object is no difference, and stays', async (t) => {
  const client = new MemoryClient(systemClock);
  await ensure(client, role(['get']));
  await client.patch(
    CLUSTERROLES,
    { name: 'r' },
    { metadata: { labels: { theirs: 'yes' } } },
    { type: 'merge' },
  );
  t.is(await missing(client, role(['get'])), undefined);
  await ensure(client, role(['get', 'list']));
  t.is((await client.get(CLUSTERROLES, { name: 'r' })).metadata?.labels?.['theirs'], 'yes');
});

test('the DNS service selects nothing and is not the service proxy’s', (t) => {
  const service = bootstrapObjects({ dnsAddress: '10.96.0.10' }).find(
    ({ resource }) => resource === SERVICES,
  )?.object;
  t.like(service, {
    metadata: {
      name: 'kube-dns',
      namespace: 'kube-system',
      labels: { 'service.kubernetes.io/service-proxy-name': 'slipway-dns' },
    },
    spec: { clusterIP: '10.96.0.10' },
  });
  t.false('selector' in (service as unknown as { spec: object }).spec);
});
