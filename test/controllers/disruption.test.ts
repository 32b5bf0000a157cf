import test from 'ava';
import { DEPLOYMENTS, PODDISRUPTIONBUDGETS, PODS, REPLICASETS } from '../../src/api/gen/resources.ts';
import type { Pod } from '../../src/api/gen/types/core-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetSpec } from '../../src/api/gen/types/policy-v1.ts';
import type { KubeObject, ResourceInfo } from '../../src/api/resource.ts';
import { disruptionController } from '../../src/controllers/disruption/disruption.ts';
import { harness, type Harness } from './harness.ts';

const budget = (
  spec: PodDisruptionBudgetSpec,
  status?: PodDisruptionBudget['status'],
): PodDisruptionBudget => ({
  metadata: { name: 'b', namespace: 'ns', generation: 1 },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
  ...(status ? { status } : {}),
});

const pod = (name: string, ready = true, owner?: string): Pod => ({
  metadata: {
    name,
    namespace: 'ns',
    labels: { app: 'web' },
    ...(owner
      ? {
          ownerReferences: [
            { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true },
          ],
        }
      : {}),
  },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});

const deployment = (replicas: number): Array<[ResourceInfo, KubeObject]> => [
  [DEPLOYMENTS, { metadata: { name: 'd', namespace: 'ns', uid: 'd' }, spec: { replicas } } as KubeObject],
  [
    REPLICASETS,
    {
      metadata: {
        name: 'rs',
        namespace: 'ns',
        uid: 'rs',
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd', uid: 'd', controller: true },
        ],
      },
      spec: { replicas: 1 },
    } as KubeObject,
  ],
];

async function statusOf(h: Harness): Promise<NonNullable<PodDisruptionBudget['status']>> {
  return (await h.client.get(PODDISRUPTIONBUDGETS, { namespace: 'ns', name: 'b' })).status ?? {};
}

async function counts(h: Harness): Promise<number[]> {
  const { currentHealthy, desiredHealthy, expectedPods, disruptionsAllowed } = await statusOf(h);
  return [currentHealthy ?? 0, desiredHealthy ?? 0, expectedPods ?? 0, disruptionsAllowed ?? 0];
}

const CASES: Array<
  [what: string, spec: PodDisruptionBudgetSpec, pods: Pod[], replicas: number, wanted: number[]]
> = [
  [
    'a number that must be there counts the pods',
    { minAvailable: 2 },
    [pod('a'), pod('b'), pod('c')],
    0,
    [3, 2, 3, 1],
  ],
  [
    'what is not ready is not spare',
    { minAvailable: 2 },
    [pod('a'), pod('b'), pod('c', false)],
    0,
    [2, 2, 3, 0],
  ],
  [
    'a share that must be there is of the owner’s size, rounded up',
    { minAvailable: '50%' },
    [pod('a', true, 'rs'), pod('b', true, 'rs')],
    5,
    [2, 3, 5, 0],
  ],
  [
    'what may be missing is of the owner’s size',
    { maxUnavailable: 1 },
    ['a', 'b', 'c'].map((name) => pod(name, true, 'rs')),
    3,
    [3, 2, 3, 1],
  ],
  [
    'a share that may be missing is rounded up',
    { maxUnavailable: '30%' },
    ['a', 'b', 'c', 'd', 'e'].map((name) => pod(name, true, 'rs')),
    5,
    [5, 3, 5, 2],
  ],
  ['pods without an owner count for nothing in a share', { maxUnavailable: 1 }, [pod('a')], 0, [1, 0, 0, 0]],
  ['a budget of no pods allows none', { minAvailable: 0 }, [], 0, [0, 0, 0, 0]],
];

for (const [what, spec, pods, replicas, wanted] of CASES) {
  test(what, async (t) => {
    const h = harness(disruptionController, [
      [PODDISRUPTIONBUDGETS, budget(spec)],
      ...pods.map((one): [ResourceInfo, KubeObject] => [PODS, one]),
      ...deployment(replicas),
    ]);
    await h.settle();
    t.deepEqual(await counts(h), wanted);
    const { observedGeneration, conditions } = await statusOf(h);
    t.is(observedGeneration, 1);
    const allowed = (wanted[3] ?? 0) > 0;
    t.like(conditions?.[0], {
      type: 'DisruptionAllowed',
      status: allowed ? 'True' : 'False',
      reason: allowed ? 'SufficientPods' : 'InsufficientPods',
    });
    h.writes();
    await h.settle(60_000);
    t.deepEqual(h.took(), [], 'a status that is right is not written again');
    await h.stop();
  });
}

test('pods that become ready or go change what is allowed', async (t) => {
  const h = harness(disruptionController, [
    [PODDISRUPTIONBUDGETS, budget({ minAvailable: 1 })],
    [PODS, pod('a')],
    [PODS, pod('b', false)],
  ]);
  await h.settle();
  t.deepEqual(await counts(h), [1, 1, 2, 0]);
  await h.client.update(PODS, pod('b'), { subresource: 'status' });
  await h.settle();
  t.deepEqual(await counts(h), [2, 1, 2, 1]);
  await h.client.delete(PODS, { namespace: 'ns', name: 'a' });
  await h.settle();
  t.deepEqual(await counts(h), [1, 1, 1, 0]);
  await h.stop();
});

test('a pod whose eviction was granted is not healthy, until two minutes have passed without its deletion', async (t) => {
  const granted = {
    disruptedPods: { a: '2026-01-01T00:00:00Z' },
    observedGeneration: 1,
    disruptionsAllowed: 0,
  };
  const h = harness(disruptionController, [
    [PODDISRUPTIONBUDGETS, budget({ minAvailable: 1 }, granted)],
    [PODS, pod('a')],
    [PODS, pod('b')],
  ]);
  await h.settle();
  t.deepEqual(await counts(h), [1, 1, 2, 0]);
  t.deepEqual(Object.keys((await statusOf(h)).disruptedPods ?? {}), ['a']);
  await h.settle(121_000);
  t.deepEqual(await counts(h), [2, 1, 2, 1]);
  t.deepEqual((await statusOf(h)).disruptedPods ?? {}, {});
  await h.stop();
});

test('an owner that cannot be found allows nothing, and says why', async (t) => {
  const h = harness(disruptionController, [
    [PODDISRUPTIONBUDGETS, budget({ maxUnavailable: 1 })],
    [PODS, pod('a', true, 'gone')],
  ]);
  await h.settle();
  const { disruptionsAllowed, conditions } = await statusOf(h);
  t.is(disruptionsAllowed ?? 0, 0);
  t.like(conditions?.[0], {
    status: 'False',
    reason: 'SyncFailed',
    message: 'found no controllers for pod "a"',
  });
  await h.stop();
});

test('a pod that was to be disrupted and was not loses the mark after two minutes', async (t) => {
  const target = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const marked = pod('a');
  marked.status!.conditions!.push(target);
  const h = harness(disruptionController, [[PODS, marked]]);
  await h.settle();
  t.deepEqual(h.took(), []);
  await h.settle(121_000);
  t.deepEqual(h.took(), ['patch pods/status a']);
  const { status } = await h.client.get(PODS, { namespace: 'ns', name: 'a' });
  t.is(status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.status, 'False');
  await h.stop();
});
