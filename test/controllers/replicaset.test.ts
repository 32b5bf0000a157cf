import test from 'ava';
import { PODS, REPLICASETS, REPLICATIONCONTROLLERS } from '../../src/api/gen/resources.ts';
import type { ReplicaSet } from '../../src/api/gen/types/apps-v1.ts';
import type { Pod } from '../../src/api/gen/types/core-v1.ts';
import { ApiError } from '../../src/client/errors.ts';
import {
  replicaSetController,
  replicationControllerController,
} from '../../src/controllers/replicaset/replicaset.ts';
import { deletionOrder } from '../../src/controllers/shared/pod-status.ts';
import { harness } from './harness.ts';
import type { Harness } from './harness.ts';

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const set = (replicas: number, spec: object = {}): ReplicaSet => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { name: 'rs', namespace: 'x', uid: 'rs-uid' },
  spec: { replicas, selector: { matchLabels: { app: 'a' } }, template, ...spec },
});
const owned = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid', controller: true };
const pod = (
  name: string,
  extra: {
    owner?: boolean;
    node?: string;
    ready?: boolean;
    labels?: Record<string, string>;
    phase?: string;
    readyAt?: string;
  } = {},
): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'x',
    uid: name,
    labels: extra.labels ?? { app: 'a' },
    ownerReferences: extra.owner === false ? undefined : [owned],
  },
  spec: { containers: [], nodeName: extra.node ?? 'n' },
  status: {
    phase: extra.phase ?? 'Running',
    conditions:
      extra.ready === false
        ? []
        : [{ type: 'Ready', status: 'True', lastTransitionTime: extra.readyAt ?? '2025-12-31T00:00:00Z' }],
  },
});
const start = (...objects: Array<ReplicaSet | Pod>): Harness =>
  harness(
    replicaSetController,
    objects.map((object) => [object.kind === 'Pod' ? PODS : REPLICASETS, object]),
  );
const status = async (h: Harness) => (await h.client.get(REPLICASETS, { namespace: 'x', name: 'rs' })).status;

test('it creates what is missing, once, owned and labelled', async (t) => {
  const h = start(set(3));
  await h.settle();
  const pods = (await h.client.list(PODS)).items;
  t.is(pods.length, 3);
  t.like(pods[0], {
    metadata: {
      labels: { app: 'a' },
      ownerReferences: [
        { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid', controller: true, blockOwnerDeletion: true },
      ],
    },
  });
  t.true(pods.every((created) => created.metadata?.name?.startsWith('rs-')));
  t.like(await status(h), { replicas: 3, fullyLabeledReplicas: 3, terminatingReplicas: 0 });
  await h.stop();
});

test('a steady state writes nothing', async (t) => {
  const h = start(set(1), pod('p'));
  await h.settle();
  t.deepEqual(h.took(), ['update replicasets/status rs']);
  await h.client.patch(
    PODS,
    { namespace: 'x', name: 'p' },
    { metadata: { annotations: { a: 'b' } } },
    { type: 'merge' },
  );
  await h.settle(60_000);
  t.deepEqual(h.took(), ['patch pods p']);
  t.deepEqual(await status(h), {
    replicas: 1,
    fullyLabeledReplicas: 1,
    readyReplicas: 1,
    availableReplicas: 1,
    observedGeneration: 1,
    terminatingReplicas: 0,
  });
  await h.stop();
});

test('a deleted pod is replaced while it still stops, and counted as terminating', async (t) => {
  const h = start(set(1), pod('p'));
  await h.settle();
  await h.client.delete(PODS, { namespace: 'x', name: 'p' });
  await h.settle();
  t.is((await h.client.list(PODS)).items.length, 2);
  t.like(await status(h), { replicas: 1, terminatingReplicas: 1 });
  await h.stop();
});

test('scaling down gives up the unready pod first', async (t) => {
  const h = start(set(1), pod('a'), pod('b', { ready: false }), pod('c'));
  await h.settle();
  const gone = (await h.client.list(PODS)).items
    .filter((item) => item.metadata?.deletionTimestamp)
    .map((item) => item.metadata?.name);
  t.is(gone.length, 2);
  t.true(gone.includes('b'));
  await h.stop();
});

test('a matching orphan is adopted, a pod that no longer matches is released', async (t) => {
  const h = start(set(1), pod('orphan', { owner: false }), pod('stray', { labels: { app: 'other' } }));
  await h.settle();
  const owners = async (name: string) =>
    (await h.client.get(PODS, { namespace: 'x', name })).metadata?.ownerReferences?.length ?? 0;
  t.is(await owners('orphan'), 1);
  t.is(await owners('stray'), 0);
  t.is((await h.client.list(PODS)).items.length, 2);
  await h.stop();
});

test('an owner that is being deleted neither creates nor adopts', async (t) => {
  const dying = set(3);
  dying.metadata = {
    ...dying.metadata,
    deletionTimestamp: '2026-01-01T00:00:00Z',
    finalizers: ['foregroundDeletion'],
  };
  const h = start(dying, pod('orphan', { owner: false }));
  await h.settle();
  t.deepEqual(h.took(), ['update replicasets/status rs']);
  await h.stop();
});

test('a refused creation stops the batch, is told in the status, and heals', async (t) => {
  const h = start(set(100));
  h.client.onWrite = ({ verb, resource }) => {
    if (verb === 'create' && resource === 'pods')
      throw new ApiError({ code: 403, reason: 'Forbidden', message: 'exceeded quota' });
  };
  await h.settle(1);
  t.like((await status(h))?.conditions?.[0], {
    type: 'ReplicaFailure',
    status: 'True',
    reason: 'FailedCreate',
    message: 'exceeded quota',
  });
  h.client.onWrite = undefined;
  await h.settle(60_000);
  t.is((await h.client.list(PODS)).items.length, 100);
  t.is((await status(h))?.conditions, undefined);
  await h.stop();
});

test('a create that the cache has not shown yet is not repeated', async (t) => {
  const h = start(set(2));
  // The owner changes on and on while the pods' events are held back.
  const watch = h.client.watch.bind(h.client);
  h.client.watch = async function* (resource, options) {
    for await (const event of watch(resource, options)) {
      if (resource.resource === 'pods' && event.type === 'ADDED') await h.clock.sleep(1_000);
      yield event;
    }
  };
  await h.settle();
  for (let i = 0; i < 5; i++) {
    await h.client.patch(
      REPLICASETS,
      { namespace: 'x', name: 'rs' },
      { metadata: { annotations: { i: String(i) } } },
      { type: 'merge' },
    );
    await h.settle();
  }
  t.is((await h.client.list(PODS)).items.length, 2);
  await h.stop();
});

test('a pod counts as available after minReadySeconds, without an event', async (t) => {
  const h = start(set(1, { minReadySeconds: 10 }), pod('p', { readyAt: '2026-01-01T00:00:00Z' }));
  await h.settle();
  t.is((await status(h))?.availableReplicas, undefined);
  await h.settle(11_000);
  t.is((await status(h))?.availableReplicas, 1);
  await h.stop();
});

test('a ReplicationController does the same with its map of labels', async (t) => {
  const rc = {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { name: 'rc', namespace: 'x' },
    spec: { replicas: 2, selector: { app: 'a' }, template },
  };
  const h = harness(replicationControllerController, [[REPLICATIONCONTROLLERS, rc]]);
  await h.settle();
  t.is((await h.client.list(PODS)).items.length, 2);
  t.is((await h.client.get(REPLICATIONCONTROLLERS, { namespace: 'x', name: 'rc' })).status?.replicas, 2);
  await h.stop();
});

const order = test.macro((t, first: Pod, second: Pod, ranks: Record<string, number> = {}) => {
  const compare = deletionOrder(new Map(Object.entries(ranks)), Date.UTC(2026, 0, 1));
  t.true(compare(first, second) < 0);
  t.true(compare(second, first) > 0);
});
test('an unassigned pod goes before an assigned one', order, pod('b', { node: '' }), pod('a'));
test('a pending pod goes before a running one', order, pod('b', { phase: 'Pending' }), pod('a'));
test('a cheaper pod goes before a dearer one', order, withCost(pod('b'), '-5'), pod('a'));
test('a pod that shares its node goes before one that does not', order, pod('b'), pod('a'), { b: 2, a: 1 });
test(
  'a pod ready for minutes goes before one ready for days',
  order,
  pod('b', { readyAt: '2025-12-31T23:55:00Z' }),
  pod('a', { readyAt: '2025-12-20T00:00:00Z' }),
);

function withCost(object: Pod, cost: string): Pod {
  return {
    ...object,
    metadata: { ...object.metadata, annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } },
  };
}
