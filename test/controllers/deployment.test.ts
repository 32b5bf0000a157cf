import test from 'ava';
import { DEPLOYMENTS, EVENTS, PODS, REPLICASETS } from '../../src/api/gen/resources.ts';
import type { Deployment, ReplicaSet } from '../../src/api/gen/types/apps-v1.ts';
import { deploymentController } from '../../src/controllers/deployment/deployment.ts';
import { planScale } from '../../src/controllers/deployment/strategy.ts';
import { replicaSetController } from '../../src/controllers/replicaset/replicaset.ts';
import { harness } from './harness.ts';
import type { Harness } from './harness.ts';

const deployment = (spec: object = {}): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    name: 'd',
    namespace: 'x',
    uid: 'd-uid',
    annotations: { note: 'n', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
  },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'a' } },
    template: { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'v1' }] } },
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    progressDeadlineSeconds: 600,
    revisionHistoryLimit: 10,
    ...spec,
  },
});

/** Deployment and ReplicaSet controllers, and a kubelet that makes pods ready after one second. */
function cluster(object: Deployment, { kubelet = true } = {}): Harness {
  const h = harness(
    (context) => [...deploymentController.start(context), ...replicaSetController.start(context)],
    [[DEPLOYMENTS, object]],
  );
  if (kubelet)
    h.context.informers.for(PODS).subscribe({
      added: (pod) => {
        const ref = { namespace: 'x', name: pod.metadata?.name ?? '' };
        const lastTransitionTime = new Date(h.clock.now()).toISOString();
        const status = {
          phase: 'Running',
          conditions: [{ type: 'Ready', status: 'True', lastTransitionTime }],
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
const read = (h: Harness) => h.client.get(DEPLOYMENTS, { namespace: 'x', name: 'd' });
const change = (h: Harness, spec: object) =>
  h.client.patch(DEPLOYMENTS, { namespace: 'x', name: 'd' }, { spec }, { type: 'merge' });
const image = (name: string) => ({ template: { spec: { containers: [{ name: 'c', image: name }] } } });
const sets = async (h: Harness) => (await h.client.list(REPLICASETS)).items;
const sizes = async (h: Harness) =>
  Object.fromEntries(
    (await sets(h)).map((set) => [set.spec?.template?.spec?.containers[0]?.image, set.spec?.replicas]),
  );
const condition = async (h: Harness, type: string) =>
  (await read(h)).status?.conditions?.find((item) => item.type === type);

test('it rolls a template out through a ReplicaSet and says so', async (t) => {
  const h = cluster(deployment());
  await h.settle(5_000);
  const [set] = await sets(h);
  const hash = set?.metadata?.labels?.['pod-template-hash'];
  t.truthy(hash);
  t.is(set?.metadata?.name, `d-${hash}`);
  t.like(set?.spec, { replicas: 3, selector: { matchLabels: { app: 'a', 'pod-template-hash': hash } } });
  t.deepEqual(set?.metadata?.annotations, {
    note: 'n',
    'deployment.kubernetes.io/revision': '1',
    'deployment.kubernetes.io/desired-replicas': '3',
    'deployment.kubernetes.io/max-replicas': '4',
  });
  const { status, metadata } = await read(h);
  t.like(status, {
    observedGeneration: 1,
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
  });
  t.is(metadata?.annotations?.['deployment.kubernetes.io/revision'], '1');
  t.like(await condition(h, 'Available'), {
    status: 'True',
    reason: 'MinimumReplicasAvailable',
    message: 'Deployment has minimum availability.',
  });
  t.like(await condition(h, 'Progressing'), {
    status: 'True',
    reason: 'NewReplicaSetAvailable',
    message: `ReplicaSet "d-${hash}" has successfully progressed.`,
  });
  const events = (await h.client.list(EVENTS)).items.filter(({ reason }) => reason === 'ScalingReplicaSet');
  t.deepEqual(
    events.map(({ message }) => message),
    [`Scaled up replica set d-${hash} from 0 to 3`],
  );
  await h.stop();
});

test('a steady state writes nothing', async (t) => {
  const h = cluster(deployment());
  await h.settle(5_000);
  h.writes();
  await h.settle(3_600_000);
  t.deepEqual(h.took(), []);
  await h.stop();
});

test('a rolling update never has fewer available or more pods than its limits allow', async (t) => {
  const h = cluster(deployment({ replicas: 8 }));
  await h.settle(5_000);
  await change(h, image('v2'));
  for (let step = 0; step < 200; step++) {
    await h.settle(100);
    const active = (await h.client.list(PODS)).items.filter((pod) => !pod.metadata?.deletionTimestamp);
    t.true(active.length <= 10, `${active.length} pods`);
    t.true(active.filter((pod) => pod.status?.conditions?.[0]?.status === 'True').length >= 6);
  }
  t.deepEqual(await sizes(h), { v1: 0, v2: 8 });
  t.is((await condition(h, 'Progressing'))?.reason, 'NewReplicaSetAvailable');
  await h.stop();
});

test('undo brings the old set back as the newest revision with its history', async (t) => {
  const h = cluster(deployment());
  await h.settle(5_000);
  await change(h, image('v2'));
  await h.settle(20_000);
  await change(h, image('v1'));
  await h.settle(20_000);
  t.deepEqual(await sizes(h), { v1: 3, v2: 0 });
  const first = (await sets(h)).find((set) => set.spec?.replicas === 3);
  t.like(first?.metadata?.annotations, {
    'deployment.kubernetes.io/revision': '3',
    'deployment.kubernetes.io/revision-history': '1',
  });
  t.is((await read(h)).metadata?.annotations?.['deployment.kubernetes.io/revision'], '3');
  await h.stop();
});

test('Recreate waits until the last old pod is gone', async (t) => {
  const h = cluster(deployment({ strategy: { type: 'Recreate' } }));
  await h.settle(5_000);
  const pods = (await h.client.list(PODS)).items;
  for (const pod of pods) h.client.seed(PODS, { ...pod, spec: { ...pod.spec!, nodeName: 'n' } });
  h.client.close();
  await change(h, image('v2'));
  await h.settle(10_000);
  t.deepEqual(await sizes(h), { v1: 0 });
  for (const pod of pods)
    await h.client.delete(PODS, { namespace: 'x', name: pod.metadata!.name! }, { gracePeriodSeconds: 0 });
  await h.settle(10_000);
  t.deepEqual(await sizes(h), { v1: 0, v2: 3 });
  await h.stop();
});

test('a paused deployment scales but does not roll out, and says that it is paused', async (t) => {
  const h = cluster(deployment());
  await h.settle(5_000);
  await change(h, { paused: true });
  await h.settle(1_000);
  await change(h, { ...image('v2'), replicas: 5 });
  await h.settle(5_000);
  t.deepEqual(await sizes(h), { v1: 5 });
  t.like(await condition(h, 'Progressing'), {
    status: 'Unknown',
    reason: 'DeploymentPaused',
    message: 'Deployment is paused',
  });
  await change(h, { paused: false });
  await h.settle(20_000);
  t.deepEqual(await sizes(h), { v1: 0, v2: 5 });
  await h.stop();
});

test('a rollout that is stuck is told when its deadline passes, without an event', async (t) => {
  const h = cluster(deployment({ progressDeadlineSeconds: 60 }), { kubelet: false });
  await h.settle(50_000);
  t.is((await condition(h, 'Progressing'))?.status, 'True');
  await h.settle(20_000);
  const [set] = await sets(h);
  t.like(await condition(h, 'Progressing'), {
    status: 'False',
    reason: 'ProgressDeadlineExceeded',
    message: `ReplicaSet "${set?.metadata?.name}" has timed out progressing.`,
  });
  t.like(await condition(h, 'Available'), { status: 'False', reason: 'MinimumReplicasUnavailable' });
  await h.stop();
});

test('history is kept to its limit', async (t) => {
  const h = cluster(deployment({ revisionHistoryLimit: 1 }));
  for (const name of ['v2', 'v3', 'v4']) {
    await h.settle(20_000);
    await change(h, image(name));
  }
  await h.settle(20_000);
  t.deepEqual(await sizes(h), { v3: 0, v4: 3 });
  await h.stop();
});

test('a name that another template has is passed by with a collision count', async (t) => {
  const h = cluster(deployment(), { kubelet: false });
  await h.settle(100);
  const [own] = await sets(h);
  await h.stop();
  const again = cluster(deployment(), { kubelet: false });
  again.client.seed(REPLICASETS, {
    ...own,
    metadata: { ...own?.metadata, ownerReferences: [], labels: {}, uid: 'foreign' },
  });
  await again.settle(5_000);
  t.is((await read(again)).status?.collisionCount, 1);
  t.is((await sets(again)).length, 2);
  await again.stop();
});

const replicaSet = (name: string, replicas: number, max: string, available = replicas): ReplicaSet => ({
  metadata: {
    name,
    uid: name,
    creationTimestamp: `2026-01-01T00:00:0${name.at(-1)}Z`,
    annotations: {
      'deployment.kubernetes.io/desired-replicas': '10',
      'deployment.kubernetes.io/max-replicas': max,
    },
  },
  spec: { replicas, selector: {} },
  status: { replicas, availableReplicas: available },
});

test('scaling in the middle of a rollout is shared out: 8 and 5 of 10 become 20 and 13 of 30', (t) => {
  const scaled = deployment({
    replicas: 30,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
  });
  const plan = planScale(scaled, { newest: replicaSet('n2', 5, '13', 0), old: [replicaSet('o1', 8, '13')] });
  t.deepEqual(
    plan.map(({ set, replicas }) => [set.metadata?.name, replicas]),
    [
      ['o1', 20],
      ['n2', 13],
    ],
  );
});

test('scaling to zero in the middle of a rollout empties every set', (t) => {
  const plan = planScale(deployment({ replicas: 0 }), {
    newest: replicaSet('n2', 5, '13', 0),
    old: [replicaSet('o1', 8, '13')],
  });
  t.deepEqual(
    plan.map(({ replicas }) => replicas),
    [0, 0],
  );
});
