import test from 'ava';
import { CONFIGMAPS, NODES, PODS, REPLICASETS, SECRETS } from '../../src/api/gen/resources.ts';
import type { KubeObject, ResourceInfo } from '../../src/api/resource.ts';
import { isNotFound } from '../../src/client/errors.ts';
import { garbageCollectorController } from '../../src/controllers/garbage-collector/garbage-collector.ts';
import { harness } from './harness.ts';
import type { Harness } from './harness.ts';

interface Owner {
  kind?: string;
  name: string;
  uid?: string;
  block?: boolean;
}

/** A ConfigMap stands for any object; its uid is its name. */
function map(name: string, owners: Owner[] = [], extra: object = {}): KubeObject {
  const ownerReferences = owners.map(({ kind = 'ConfigMap', name: owner, uid = owner, block }) => ({
    apiVersion: kind === 'ReplicaSet' ? 'apps/v1' : 'v1',
    kind,
    name: owner,
    uid,
    blockOwnerDeletion: block,
  }));
  return { metadata: { name, namespace: 'x', uid: name, ownerReferences, ...extra } };
}

async function start(...objects: KubeObject[]): Promise<Harness> {
  const h = harness(
    garbageCollectorController,
    objects.map((object): [ResourceInfo, KubeObject] => [CONFIGMAPS, object]),
  );
  await h.settle(2_000);
  return h;
}
const names = async (h: Harness) =>
  (await h.client.list(CONFIGMAPS)).items.map((item) => item.metadata?.name);
const remove = async (
  h: Harness,
  name: string,
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan',
) => {
  await h.client.delete(CONFIGMAPS, { namespace: 'x', name }, { propagationPolicy });
  await h.settle(2_000);
};

test('dependents go after their owner, to the last generation', async (t) => {
  const h = await start(map('a'), map('b', [{ name: 'a' }]), map('c', [{ name: 'b' }]), map('other'));
  t.deepEqual(h.took(), []);
  await remove(h, 'a', 'Background');
  t.deepEqual(await names(h), ['other']);
  await h.stop();
});

test('what lost its owner while nobody watched goes at the start', async (t) => {
  const h = await start(map('b', [{ name: 'a' }]));
  t.deepEqual(await names(h), []);
  await h.stop();
});

test('an object with one owner left loses only the reference to the one that is gone', async (t) => {
  const h = await start(map('a'), map('b'), map('c', [{ name: 'a' }, { name: 'b' }]));
  await remove(h, 'a');
  const { metadata } = await h.client.get(CONFIGMAPS, { namespace: 'x', name: 'c' });
  t.deepEqual(
    metadata?.ownerReferences?.map(({ name }) => name),
    ['b'],
  );
  await h.stop();
});

test('an owner of the same name with another uid is another one', async (t) => {
  const h = await start(map('a'), map('b', [{ name: 'a', uid: 'the-former-a' }]));
  t.deepEqual(await names(h), ['a']);
  await h.stop();
});

test('an owner that the cache does not show yet is asked for at the server', async (t) => {
  const h = await start();
  const watch = h.client.watch.bind(h.client);
  h.client.watch = async function* (resource, options) {
    for await (const event of watch(resource, options)) {
      if (resource.resource === 'replicasets') await h.clock.sleep(5_000);
      yield event;
    }
  };
  h.client.close();
  await h.settle(1_000);
  h.client.seed(REPLICASETS, { metadata: { name: 'rs', namespace: 'x', uid: 'rs' } });
  h.client.seed(CONFIGMAPS, map('b', [{ kind: 'ReplicaSet', name: 'rs' }]));
  await h.settle(1_000);
  t.deepEqual(await names(h), ['b']);
  await h.stop();
});

test('nothing is deleted while the owner cannot be asked for', async (t) => {
  const h = harness(garbageCollectorController, [[CONFIGMAPS, map('b', [{ kind: 'Wizard', name: 'w' }])]]);
  await h.settle(60_000);
  t.deepEqual(await names(h), ['b']);
  t.deepEqual(h.took(), []);
  await h.stop();
});

test('a foreground deletion waits for the dependents that block it', async (t) => {
  const h = await start(
    map('a'),
    map('b', [{ name: 'a', block: true }], { finalizers: ['example.com/hold'] }),
    map('c', [{ name: 'a' }]),
  );
  await remove(h, 'a', 'Foreground');
  t.deepEqual(await names(h), ['a', 'b']);
  await h.client.patch(
    CONFIGMAPS,
    { namespace: 'x', name: 'b' },
    { metadata: { finalizers: null } },
    { type: 'merge' },
  );
  await h.settle(2_000);
  t.deepEqual(await names(h), []);
  await h.stop();
});

test('a foreground deletion goes through generations', async (t) => {
  const h = await start(
    map('a'),
    map('b', [{ name: 'a', block: true }]),
    map('c', [{ name: 'b', block: true }], { finalizers: ['example.com/hold'] }),
  );
  await remove(h, 'a', 'Foreground');
  t.deepEqual(await names(h), ['a', 'b', 'c']);
  await h.client.patch(
    CONFIGMAPS,
    { namespace: 'x', name: 'c' },
    { metadata: { finalizers: null } },
    { type: 'merge' },
  );
  await h.settle(2_000);
  t.deepEqual(await names(h), []);
  await h.stop();
});

test('a circle of owners does not wait for itself', async (t) => {
  const h = await start(
    map('a', [{ name: 'c', block: true }]),
    map('b', [{ name: 'a', block: true }]),
    map('c', [{ name: 'b', block: true }]),
  );
  await remove(h, 'a', 'Foreground');
  await h.settle(60_000);
  t.deepEqual(await names(h), []);
  await h.stop();
});

test('orphans are set free before their owner goes', async (t) => {
  const h = await start(map('a'), map('b', [{ name: 'a' }]));
  await remove(h, 'a', 'Orphan');
  t.deepEqual(await names(h), ['b']);
  t.is((await h.client.get(CONFIGMAPS, { namespace: 'x', name: 'b' })).metadata?.ownerReferences, undefined);
  await h.stop();
});

test('an owner in another namespace is none', async (t) => {
  const h = harness(garbageCollectorController, [
    [SECRETS, { metadata: { name: 's', namespace: 'y', uid: 's' } }],
    [CONFIGMAPS, map('b', [{ kind: 'Secret', name: 's' }])],
  ]);
  await h.settle(2_000);
  t.deepEqual(await names(h), []);
  await h.stop();
});

test('a dependent of a cluster-wide owner goes with it; one that claims a namespaced owner is left alone', async (t) => {
  const pod: KubeObject = {
    metadata: {
      name: 'p',
      namespace: 'x',
      uid: 'p',
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'n' }],
    },
  };
  const odd: KubeObject = {
    metadata: {
      name: 'odd',
      uid: 'odd',
      ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'a', uid: 'a' }],
    },
  };
  const h = harness(garbageCollectorController, [
    [NODES, { metadata: { name: 'n', uid: 'n' } }],
    [NODES, odd],
    [PODS, pod],
  ]);
  await h.settle(2_000);
  await h.client.delete(NODES, { name: 'n' });
  await h.settle(2_000);
  t.true(isNotFound(await t.throwsAsync(h.client.get(PODS, { namespace: 'x', name: 'p' }))));
  t.deepEqual(
    (await h.client.list(NODES)).items.map((node) => node.metadata?.name),
    ['odd'],
  );
  await h.stop();
});
