/** Draining against a real API server, whose evictions respect budgets. */
import test from 'ava';
import { NODES, PODDISRUPTIONBUDGETS, PODS, SERVICEACCOUNTS } from '../../src/api/gen/resources.ts';
import type { Pod } from '../../src/api/gen/types/core-v1.ts';
import { systemClock } from '../../src/base/clock.ts';
import { cordon, isOurCordon, nodeNamed, uncordon } from '../../src/bootstrap/drain/cordon.ts';
import { evictPods, podsOn, wouldEvict } from '../../src/bootstrap/drain/drain.ts';
import { planDrain } from '../../src/bootstrap/drain/plan-drain.ts';
import { startControlPlane } from '../helpers/control-plane.ts';

const plain = { force: false, deleteEmptyDirData: false };
const owned = (kind: string) => [{ apiVersion: 'apps/v1', kind, name: 'x', uid: 'u', controller: true }];

function pod(name: string, more: Partial<Pod> = {}, owner = 'ReplicaSet'): Pod {
  return {
    metadata: {
      name,
      namespace: 'default',
      labels: { app: 'web' },
      ...(owner ? { ownerReferences: owned(owner) } : {}),
      ...more.metadata,
    },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }], ...more.spec },
    ...(more.status ? { status: more.status } : {}),
  };
}

test('pods of daemon sets and of the node itself stay, others go', (t) => {
  const mirror = pod('static', {}, '');
  mirror.metadata!.annotations = { 'kubernetes.io/config.mirror': 'x' };
  const plan = planDrain([pod('a'), pod('d', {}, 'DaemonSet'), mirror], plain);
  t.deepEqual(
    plan.evict.map(({ metadata }) => metadata?.name),
    ['a'],
  );
  t.deepEqual(
    plan.stay.map(({ metadata }) => metadata?.name),
    ['d', 'static'],
  );
  t.deepEqual(plan.refusals, []);
});

test('pods that nobody makes again, and local data, are asked about, unless the pod has ended', (t) => {
  const bare = pod('bare', {}, '');
  const local = pod('local', { spec: { containers: [], volumes: [{ name: 'v', emptyDir: {} }] } });
  const done = pod('done', { status: { phase: 'Succeeded' } }, '');
  const plan = planDrain([bare, local, done], plain);
  t.deepEqual(plan.refusals, [
    'no controller would make these pods again: default/bare (--force deletes them)',
    'these pods would lose the data of their emptyDir volumes: default/local (--delete-emptydir-data lets them)',
  ]);
  t.deepEqual(planDrain([bare, local, done], { force: true, deleteEmptyDirData: true }).refusals, []);
});

test('only our own cordon is taken away', async (t) => {
  const plane = await startControlPlane();
  t.teardown(() => plane.close());
  const client = plane.client();
  for (const name of ['n1', 'n2']) await client.create(NODES, { metadata: { name } });
  await client.patch(NODES, { name: 'n2' }, { spec: { unschedulable: true } }, { type: 'merge' });
  for (const name of ['n1', 'n2', 'missing']) await cordon(client, name, 'remove');
  const node = await nodeNamed(client, 'n1');
  t.true(node !== undefined && isOurCordon(node, 'remove') && !isOurCordon(node, 'upgrade'));
  t.false(await uncordon(client, 'n1', 'upgrade'), 'it is another action’s');
  t.true(await uncordon(client, 'n1', 'remove'));
  t.false(await uncordon(client, 'n2', 'remove'), 'it is a person’s');
  t.is((await nodeNamed(client, 'n1'))?.spec?.unschedulable, undefined);
  t.is((await nodeNamed(client, 'n2'))?.spec?.unschedulable, true);
});

test('a budget holds an eviction back and is named; when it gives way, the pod goes', async (t) => {
  const plane = await startControlPlane();
  t.teardown(() => plane.close());
  const client = plane.client();
  await client.create(NODES, { metadata: { name: 'n1' } });
  await client.create(SERVICEACCOUNTS, { metadata: { name: 'default', namespace: 'default' } });
  const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  for (const name of ['web-1', 'web-2']) {
    await client.create(PODS, pod(name));
    await client.patch(
      PODS,
      { namespace: 'default', name },
      { status: ready },
      { type: 'merge', subresource: 'status' },
    );
  }
  const ref = { namespace: 'default', name: 'web' };
  await client.create(PODDISRUPTIONBUDGETS, {
    metadata: ref,
    spec: { minAvailable: 2, selector: { matchLabels: { app: 'web' } } },
  });
  const allow = (disruptionsAllowed: number) =>
    client.patch(
      PODDISRUPTIONBUDGETS,
      ref,
      {
        status: {
          observedGeneration: 1,
          disruptionsAllowed,
          currentHealthy: 2,
          desiredHealthy: 2,
          expectedPods: 2,
        },
      },
      { type: 'merge', subresource: 'status' },
    );
  await allow(0);
  const pods = await podsOn(client, 'n1');
  t.is(pods.length, 2);
  t.is(
    await wouldEvict(client, pods[0]!),
    'The disruption budget web needs 2 healthy pods and has 2 currently',
  );
  const told: string[] = [];
  const options = { client, clock: systemClock, signal: new AbortController().signal, timeoutMs: 300 };
  const error = await t.throwsAsync(
    evictPods(pods, { ...options, waiting: (name, reason) => void told.push(`${name}: ${reason}`) }),
    { code: 'E_DRAIN' },
  );
  t.regex(error?.message ?? '', /default\/web-1: The disruption budget web needs 2 healthy pods/);
  t.deepEqual(told.toSorted(), [
    'default/web-1: The disruption budget web needs 2 healthy pods and has 2 currently',
    'default/web-2: The disruption budget web needs 2 healthy pods and has 2 currently',
  ]);
  t.is((await podsOn(client, 'n1')).length, 2, 'a dry run and a refusal evict nothing');
  // A budget for one: one pod goes, its kubelet says so, then the next.
  await allow(2);
  const gone = evictPods(pods, { ...options, timeoutMs: 20_000, waiting: () => {} });
  for (const name of ['web-1', 'web-2']) {
    for (;;) {
      const found = await client.get(PODS, { namespace: 'default', name }).catch(() => undefined);
      if (found?.metadata?.deletionTimestamp) {
        await client.delete(PODS, { namespace: 'default', name }, { gracePeriodSeconds: 0 });
        break;
      }
      await systemClock.sleep(20);
    }
  }
  await gone;
  t.deepEqual(await podsOn(client, 'n1'), []);
});
