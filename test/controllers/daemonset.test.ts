import test from 'ava';
import { CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS } from '../../src/api/gen/resources.ts';
import type { DaemonSet } from '../../src/api/gen/types/apps-v1.ts';
import type { Node, Pod, Taint } from '../../src/api/gen/types/core-v1.ts';
import { daemonSetController } from '../../src/controllers/daemonset/daemonset.ts';
import { harness } from './harness.ts';
import type { Harness } from './harness.ts';

const node = (name: string, labels: Record<string, string> = {}, taints: Taint[] = []): Node => ({
  metadata: { name, labels },
  spec: { taints },
});
const daemonSet = (spec: object = {}, template: object = {}): DaemonSet => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'ds', namespace: 'x', uid: 'ds' },
  spec: {
    selector: { matchLabels: { app: 'a' } },
    template: {
      metadata: { labels: { app: 'a' } },
      spec: { containers: [{ name: 'c', image: 'v1' }], ...template },
    },
    ...spec,
  },
});

/** The controller, and a scheduler and kubelet in one that make pods ready on their node after a second. */
function lab(object: DaemonSet, nodes: Node[], { kubelet = true } = {}): Harness {
  const h = harness(daemonSetController, [
    [DAEMONSETS, object],
    ...nodes.map((each) => [NODES, each] as [typeof NODES, Node]),
  ]);
  if (kubelet)
    h.context.informers.for(PODS).subscribe({
      added: (pod) => {
        const ref = { namespace: 'x', name: pod.metadata?.name ?? '' };
        const status = {
          phase: 'Running',
          conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
        };
        h.clock.after(
          1_000,
          () =>
            void h.client
              .patch(PODS, ref, { status }, { type: 'merge', subresource: 'status' })
              .catch(() => {}),
        );
      },
    });
  return h;
}
const target = (pod: Pod): string =>
  pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms[0]
    ?.matchFields?.[0]?.values?.[0] ?? '';
const pods = async (h: Harness): Promise<Pod[]> => (await h.client.list(PODS)).items;
const where = async (h: Harness) => (await pods(h)).map(target).sort();
const images = async (h: Harness) =>
  (await pods(h)).map((pod) => pod.spec?.containers[0]?.image ?? '').sort();
const change = (h: Harness, image: string) =>
  h.client.patch(
    DAEMONSETS,
    { namespace: 'x', name: 'ds' },
    { spec: { template: { spec: { containers: [{ name: 'c', image }] } } } },
    { type: 'merge' },
  );

test('each node gets one pod, meant for it alone, and the status counts them', async (t) => {
  const h = lab(daemonSet(), [node('a'), node('b')]);
  await h.settle(3_000);
  t.deepEqual(await where(h), ['a', 'b']);
  const [pod] = await pods(h);
  t.true(
    pod?.spec?.tolerations?.some(
      ({ key, effect }) => key === 'node.kubernetes.io/unreachable' && effect === 'NoExecute',
    ),
  );
  t.like((await h.client.get(DAEMONSETS, { namespace: 'x', name: 'ds' })).status, {
    desiredNumberScheduled: 2,
    currentNumberScheduled: 2,
    numberReady: 2,
    numberAvailable: 2,
    updatedNumberScheduled: 2,
    numberMisscheduled: 0,
    observedGeneration: 1,
  });
  h.writes();
  await h.settle(3_600_000);
  t.deepEqual(h.took(), []);
  await h.stop();
});

test('nodes come, go and change their labels', async (t) => {
  const h = lab(daemonSet({}, { nodeSelector: { role: 'edge' } }), [node('a', { role: 'edge' }), node('b')]);
  await h.settle(3_000);
  t.deepEqual(await where(h), ['a']);
  h.client.seed(NODES, node('c', { role: 'edge' }));
  await h.client.patch(NODES, { name: 'b' }, { metadata: { labels: { role: 'edge' } } }, { type: 'merge' });
  await h.client.patch(NODES, { name: 'a' }, { metadata: { labels: { role: 'core' } } }, { type: 'merge' });
  await h.settle(3_000);
  t.deepEqual(await where(h), ['b', 'c']);
  await h.stop();
});

test('a taint keeps a daemon away; only NoExecute drives one out; cordoned and lost nodes keep theirs', async (t) => {
  const taint = (key: string, effect: string): Taint[] => [{ key, effect }];
  const h = lab(daemonSet(), [
    node('free'),
    node('cordoned', {}, taint('node.kubernetes.io/unschedulable', 'NoSchedule')),
    node('closed', {}, taint('own', 'NoSchedule')),
  ]);
  await h.settle(3_000);
  t.deepEqual(await where(h), ['cordoned', 'free']);
  await h.client.patch(
    NODES,
    { name: 'free' },
    { spec: { taints: taint('own', 'NoSchedule') } },
    { type: 'merge' },
  );
  await h.client.patch(
    NODES,
    { name: 'cordoned' },
    { spec: { taints: taint('node.kubernetes.io/unreachable', 'NoExecute') } },
    { type: 'merge' },
  );
  await h.settle(3_000);
  t.deepEqual(await where(h), ['cordoned', 'free']);
  await h.client.patch(
    NODES,
    { name: 'free' },
    { spec: { taints: taint('own', 'NoExecute') } },
    { type: 'merge' },
  );
  await h.settle(3_000);
  t.deepEqual(await where(h), ['cordoned']);
  await h.stop();
});

test('an update replaces one pod after the other and keeps a revision to go back to', async (t) => {
  const h = lab(
    daemonSet({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } } }),
    ['a', 'b', 'c'].map((name) => node(name)),
  );
  await h.settle(3_000);
  await change(h, 'v2');
  for (let step = 0; step < 60; step++) {
    await h.settle(100);
    t.true((await pods(h)).filter((pod) => pod.status?.conditions?.[0]?.status === 'True').length >= 2);
  }
  t.deepEqual(await images(h), ['v2', 'v2', 'v2']);
  const revisions = (await h.client.list(CONTROLLERREVISIONS)).items;
  t.deepEqual(
    revisions.map(({ revision }) => revision).sort((a, b) => a - b),
    [1, 2],
  );
  await change(h, 'v1');
  await h.settle(10_000);
  t.deepEqual(await images(h), ['v1', 'v1', 'v1']);
  t.deepEqual(
    (await h.client.list(CONTROLLERREVISIONS)).items.map(({ revision }) => revision).sort((a, b) => a - b),
    [2, 3],
  );
  await h.stop();
});

test('with a surge the new pod is ready before the old one goes', async (t) => {
  const h = lab(
    daemonSet({
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    }),
    [node('a'), node('b')],
  );
  await h.settle(3_000);
  await change(h, 'v2');
  for (let step = 0; step < 60; step++) {
    await h.settle(100);
    t.true((await pods(h)).filter((pod) => pod.status?.conditions?.[0]?.status === 'True').length >= 2);
  }
  t.deepEqual(await images(h), ['v2', 'v2']);
  await h.stop();
});

test('OnDelete replaces only what somebody deletes', async (t) => {
  const h = lab(daemonSet({ updateStrategy: { type: 'OnDelete' } }), [node('a'), node('b')]);
  await h.settle(3_000);
  await change(h, 'v2');
  await h.settle(10_000);
  t.deepEqual(await images(h), ['v1', 'v1']);
  await h.client.delete(PODS, { namespace: 'x', name: (await pods(h))[0]?.metadata?.name ?? '' });
  await h.settle(3_000);
  t.deepEqual(await images(h), ['v1', 'v2']);
  await h.stop();
});

test('a failed daemon is replaced, after longer and longer waits', async (t) => {
  const h = lab(daemonSet(), [node('a')], { kubelet: false });
  let made = 0;
  h.context.informers.for(PODS).subscribe({
    added: (pod) => {
      made++;
      void h.client.patch(
        PODS,
        { namespace: 'x', name: pod.metadata?.name ?? '' },
        { status: { phase: 'Failed' } },
        { type: 'merge', subresource: 'status' },
      );
    },
  });
  await h.settle(60_000);
  t.true(made >= 5 && made <= 8, `${made} pods in a minute`);
  await h.stop();
});
