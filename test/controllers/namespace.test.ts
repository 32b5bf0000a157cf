import test from 'ava';
import { CONFIGMAPS, NAMESPACES, PODS, SERVICEACCOUNTS } from '../../src/api/gen/resources.ts';
import type { Namespace } from '../../src/api/gen/types/core-v1.ts';
import { namespaceController } from '../../src/controllers/namespace/namespace.ts';
import { rootCaController } from '../../src/controllers/root-ca/root-ca.ts';
import { serviceAccountController } from '../../src/controllers/serviceaccount/serviceaccount.ts';
import { harness } from './harness.ts';
import type { Harness } from './harness.ts';

const namespace = (name: string, deleting = false): Namespace => ({
  metadata: { name, ...(deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
  spec: { finalizers: ['kubernetes'] },
  status: { phase: deleting ? 'Terminating' : 'Active' },
});
const condition = async (h: Harness, type: string) =>
  (await h.client.get(NAMESPACES, { name: 'x' })).status?.conditions?.find((item) => item.type === type);

test('a terminating namespace is emptied and let go', async (t) => {
  const h = harness(namespaceController, [
    [NAMESPACES, namespace('x', true)],
    [NAMESPACES, namespace('y')],
    [CONFIGMAPS, { metadata: { name: 'a', namespace: 'x' } }],
    [CONFIGMAPS, { metadata: { name: 'a', namespace: 'y' } }],
  ]);
  await h.settle(2_000);
  t.deepEqual(
    (await h.client.list(CONFIGMAPS)).items.map((item) => item.metadata?.namespace),
    ['y'],
  );
  t.is(h.writes().at(-1)?.subresource, 'finalize');
  await h.stop();
});

test('pods go first: the rest stays as long as one is held, and the conditions say why', async (t) => {
  const h = harness(namespaceController, [
    [NAMESPACES, namespace('x', true)],
    [CONFIGMAPS, { metadata: { name: 'a', namespace: 'x' } }],
    [PODS, { metadata: { name: 'p', namespace: 'x', finalizers: ['example.com/hold'] } }],
  ]);
  await h.settle(60_000);
  t.is((await h.client.list(CONFIGMAPS)).items.length, 1);
  t.like(await condition(h, 'NamespaceContentRemaining'), {
    status: 'True',
    reason: 'SomeResourcesRemain',
    message: 'Some resources are remaining: pods. has 1 resource instances',
  });
  t.like(await condition(h, 'NamespaceFinalizersRemaining'), {
    status: 'True',
    message:
      'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
  });
  t.like(await condition(h, 'NamespaceDeletionContentFailure'), {
    status: 'False',
    reason: 'ContentDeleted',
  });
  await h.client.patch(
    PODS,
    { namespace: 'x', name: 'p' },
    { metadata: { finalizers: null } },
    { type: 'merge' },
  );
  await h.settle(1_000);
  t.is((await h.client.list(CONFIGMAPS)).items.length, 0);
  await h.stop();
});

test('a resource that cannot be deleted is told, and the namespace stays', async (t) => {
  const h = harness(namespaceController, [
    [NAMESPACES, namespace('x', true)],
    [CONFIGMAPS, { metadata: { name: 'a', namespace: 'x' } }],
  ]);
  h.client.onWrite = ({ verb }) => {
    if (verb === 'deleteCollection') throw new Error('refused');
  };
  await h.settle(5_000);
  t.like(await condition(h, 'NamespaceDeletionContentFailure'), {
    status: 'True',
    reason: 'ContentDeletionFailed',
    message: 'Failed to delete all resource types, 1 remaining: configmaps.: refused',
  });
  t.false(h.took().some((write) => write.includes('finalize')));
  await h.stop();
});

test('every namespace gets its ServiceAccount, and again when it is deleted', async (t) => {
  const h = harness(serviceAccountController, [
    [NAMESPACES, namespace('x')],
    [NAMESPACES, namespace('gone', true)],
  ]);
  await h.settle();
  t.deepEqual(h.took(), ['create serviceaccounts default']);
  await h.client.delete(SERVICEACCOUNTS, { namespace: 'x', name: 'default' });
  await h.client.create(NAMESPACES, namespace('y'));
  await h.settle();
  t.deepEqual(
    (await h.client.list(SERVICEACCOUNTS)).items.map((item) => item.metadata?.namespace),
    ['x', 'y'],
  );
  await h.stop();
});

test('every namespace gets the root CA, and a changed one is repaired', async (t) => {
  const h = harness(rootCaController('PEM'), [[NAMESPACES, namespace('x')]]);
  await h.settle();
  const ref = { namespace: 'x', name: 'kube-root-ca.crt' };
  t.deepEqual((await h.client.get(CONFIGMAPS, ref)).data, { 'ca.crt': 'PEM' });
  await h.client.patch(CONFIGMAPS, ref, { data: { 'ca.crt': 'forged', more: '' } }, { type: 'merge' });
  await h.settle();
  t.deepEqual((await h.client.get(CONFIGMAPS, ref)).data, { 'ca.crt': 'PEM' });
  await h.client.delete(CONFIGMAPS, ref);
  await h.settle();
  t.deepEqual((await h.client.get(CONFIGMAPS, ref)).data, { 'ca.crt': 'PEM' });
  await h.stop();
});
