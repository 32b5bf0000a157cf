import test from 'ava';
import { CLUSTERROLES, SECRETS } from '../../src/api/gen/resources.ts';
import type { ClusterRole } from '../../src/api/gen/types/rbac-v1.ts';
import { bootstrapTokenController } from '../../src/controllers/bootstrap-tokens/bootstrap-tokens.ts';
import { clusterRoleAggregationController } from '../../src/controllers/clusterrole-aggregation/clusterrole-aggregation.ts';
import { harness } from './harness.ts';

const token = (name: string, expiration: string | undefined, type = 'bootstrap.kubernetes.io/token') => ({
  metadata: { name, namespace: 'kube-system' },
  type,
  data: expiration === undefined ? {} : { expiration: Buffer.from(expiration).toString('base64') },
});

test('bootstrap tokens go when they expire; other Secrets and tokens without an end stay', async (t) => {
  const h = harness(bootstrapTokenController, [
    [SECRETS, token('old', '2025-12-31T00:00:00Z')],
    [SECRETS, token('soon', '2026-01-01T01:00:00Z')],
    [SECRETS, token('late', '2026-03-01T00:00:00Z')],
    [SECRETS, token('endless', undefined)],
    [SECRETS, token('odd', 'tomorrow')],
    [SECRETS, token('other', '2025-12-31T00:00:00Z', 'Opaque')],
  ]);
  await h.settle();
  t.deepEqual(h.took(), ['delete secrets old']);
  await h.settle(3_600_000);
  t.deepEqual(h.took(), ['delete secrets soon']);
  await h.settle(60 * 86_400_000);
  t.deepEqual(h.took(), ['delete secrets late']);
  await h.stop();
});

test('a ClusterRole made of others follows them', async (t) => {
  const role = (
    name: string,
    verb: string,
    labels: Record<string, string> = { part: 'yes' },
  ): ClusterRole => ({
    metadata: { name, labels },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: [verb] }],
  });
  const sum: ClusterRole = {
    metadata: { name: 'sum' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: 'yes' } }] },
  };
  const h = harness(clusterRoleAggregationController, [
    [CLUSTERROLES, sum],
    [CLUSTERROLES, role('b', 'get')],
    [CLUSTERROLES, role('a', 'list')],
    [CLUSTERROLES, role('c', 'get')],
    [CLUSTERROLES, role('d', 'watch', {})],
  ]);
  const verbs = async () =>
    (await h.client.get(CLUSTERROLES, { name: 'sum' })).rules?.flatMap((rule) => rule.verbs);
  await h.settle();
  t.deepEqual(await verbs(), ['list', 'get']);
  h.writes();
  await h.settle(3_600_000);
  t.deepEqual(h.took(), []);
  await h.client.patch(
    CLUSTERROLES,
    { name: 'd' },
    { metadata: { labels: { part: 'yes' } } },
    { type: 'merge' },
  );
  await h.client.delete(CLUSTERROLES, { name: 'a' });
  await h.settle();
  t.deepEqual(await verbs(), ['get', 'watch']);
  await h.stop();
});
