import test from 'ava';
import * as k8s from '@kubernetes/client-node';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { TestControlPlane } from '../helpers/control-plane.ts';
import { waitFor } from '../helpers/wait-for.ts';

let plane: TestControlPlane;
let config: k8s.KubeConfig;
let core: k8s.CoreV1Api;

test.before(async () => {
  plane = await startControlPlane();
  config = new k8s.KubeConfig();
  config.loadFromFile(await plane.kubeconfig());
  core = config.makeApiClient(k8s.CoreV1Api);
});
test.after.always(() => plane.close());

const create = (name: string, labels: Record<string, string> = {}) =>
  core.createNamespacedConfigMap({
    namespace: 'default',
    body: { metadata: { name, labels }, data: { a: '1' } },
  });

test('@kubernetes/client-node creates, lists, patches and deletes', async (t) => {
  await create('node-a', { group: 'crud' });
  await create('node-b', { group: 'crud' });
  const list = await core.listNamespacedConfigMap({ namespace: 'default', labelSelector: 'group=crud' });
  t.deepEqual(
    list.items.map((item) => item.metadata?.name),
    ['node-a', 'node-b'],
  );
  t.true(list.items[0]?.metadata?.creationTimestamp instanceof Date);
  const patched = await core.patchNamespacedConfigMap(
    { name: 'node-a', namespace: 'default', body: { data: { b: '2' } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
  );
  t.deepEqual(patched.data, { a: '1', b: '2' });
  await core.deleteNamespacedConfigMap({ name: 'node-a', namespace: 'default' });
  const gone = await t.throwsAsync(core.readNamespacedConfigMap({ name: 'node-a', namespace: 'default' }));
  t.is((gone as k8s.ApiException<unknown>).code, 404);
});

test('its watch delivers events', async (t) => {
  const seen: string[] = [];
  const watch = new k8s.Watch(config);
  const request = await watch.watch(
    '/api/v1/namespaces/default/configmaps',
    { labelSelector: 'group=watch' },
    (type: string, object: k8s.V1ConfigMap) => seen.push(`${type} ${object.metadata?.name}`),
    () => undefined,
  );
  await create('node-watched', { group: 'watch' });
  await core.deleteNamespacedConfigMap({ name: 'node-watched', namespace: 'default' });
  await waitFor('both events', () => seen.length === 2);
  t.deepEqual(seen, ['ADDED node-watched', 'DELETED node-watched']);
  request.abort();
});

test('its informer fills its cache and follows', async (t) => {
  await create('node-informed', { group: 'informer' });
  const informer = k8s.makeInformer(
    config,
    '/api/v1/namespaces/default/configmaps',
    () => core.listNamespacedConfigMap({ namespace: 'default', labelSelector: 'group=informer' }),
    'group=informer',
  );
  await informer.start();
  await waitFor('the first object', () => informer.list().length === 1);
  await create('node-informed-too', { group: 'informer' });
  await waitFor('the second object', () => informer.list().length === 2);
  await core.deleteNamespacedConfigMap({ name: 'node-informed', namespace: 'default' });
  await waitFor('the deletion', () => informer.list().length === 1);
  t.is(informer.list()[0]?.metadata?.name, 'node-informed-too');
  await informer.stop();
});

test('its server-side apply owns what it sends, and conflicts with another manager', async (t) => {
  const objects = k8s.KubernetesObjectApi.makeApiClient(config);
  const wanted = (a: string): k8s.KubernetesObject & { data: Record<string, string> } => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'node-applied', namespace: 'default' },
    data: { a },
  });
  const apply = (a: string, manager: string, force: boolean) =>
    objects.patch(wanted(a), undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
  await apply('1', 'first', false);
  const conflict = await t.throwsAsync(apply('2', 'second', false));
  t.is((conflict as k8s.ApiException<unknown>).code, 409);
  await apply('2', 'second', true);
  const read = await core.readNamespacedConfigMap({ name: 'node-applied', namespace: 'default' });
  t.deepEqual(read.data, { a: '2' });
  const owners = read.metadata?.managedFields?.filter(({ fieldsV1 }) =>
    JSON.stringify(fieldsV1).includes('f:a'),
  );
  t.deepEqual(
    owners?.map(({ manager, operation }) => [manager, operation]),
    [['second', 'Apply']],
  );
});

/** A leader as operators write them: a Lease, and the version that an update is for as the only referee. */
async function lead(
  coordination: k8s.CoordinationV1Api,
  identity: string,
  term: (transitions: number) => Promise<void>,
): Promise<void> {
  const ref = { name: 'leader', namespace: 'default' };
  for (;;) {
    const lease = await coordination.readNamespacedLease(ref);
    if (lease.spec?.holderIdentity) continue;
    const transitions = (lease.spec?.leaseTransitions ?? 0) + 1;
    lease.spec = {
      holderIdentity: identity,
      leaseTransitions: transitions,
      renewTime: new k8s.V1MicroTime(),
    };
    try {
      const held = await coordination.replaceNamespacedLease({ ...ref, body: lease });
      await term(transitions);
      delete held.spec?.holderIdentity;
      await coordination.replaceNamespacedLease({ ...ref, body: held });
      return;
    } catch (error) {
      if (!(error instanceof k8s.ApiException) || error.code !== 409) throw error;
    }
  }
}

test('of many that want to lead by a lease, one leads at a time and each in turn', async (t) => {
  const coordination = config.makeApiClient(k8s.CoordinationV1Api);
  await coordination.createNamespacedLease({
    namespace: 'default',
    body: { metadata: { name: 'leader' }, spec: {} },
  });
  let leading = 0;
  const terms: number[] = [];
  const contenders = Array.from({ length: 5 }, (_, i) =>
    lead(coordination, `contender-${i}`, async (transitions) => {
      leading += 1;
      t.is(leading, 1);
      terms.push(transitions);
      await create(`node-led-${transitions}`);
      leading -= 1;
    }),
  );
  await Promise.all(contenders);
  t.deepEqual(terms, [1, 2, 3, 4, 5]);
});
