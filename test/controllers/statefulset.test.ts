import test from 'ava';
import {
  CONTROLLERREVISIONS,
  PERSISTENTVOLUMECLAIMS,
  PODS,
  STATEFULSETS,
} from '../../src/api/gen/resources.ts';
import type { StatefulSet } from '../../src/api/gen/types/apps-v1.ts';
import type { Pod } from '../../src/api/gen/types/core-v1.ts';
import { statefulSetController } from '../../src/controllers/statefulset/statefulset.ts';
import { harness } from './harness.ts';
import type { Harness } from './harness.ts';

const statefulSet = (spec: object = {}): StatefulSet => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 's', namespace: 'x', uid: 's' },
  spec: {
    replicas: 3,
    serviceName: 'svc',
    selector: { matchLabels: { app: 'a' } },
    template: { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'v1' }] } },
    ...spec,
  },
});

/** The controller and a kubelet that makes each pod ready a second after `ready` allows it. */
function lab(object: StatefulSet, ready: (pod: Pod) => boolean = () => true): Harness {
  const h = harness(statefulSetController, [[STATEFULSETS, object]]);
  h.context.informers.for(PODS).subscribe({
    added(pod) {
      if (!ready(pod)) return;
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
const names = async (h: Harness) =>
  (await h.client.list(PODS)).items.map(({ metadata }) => metadata?.name ?? '').sort();
const images = async (h: Harness) =>
  (await h.client.list(PODS)).items.map(({ spec }) => spec?.containers[0]?.image);
const change = (h: Harness, spec: object) =>
  h.client.patch(STATEFULSETS, { namespace: 'x', name: 's' }, { spec }, { type: 'merge' });
const image = (name: string) => ({ template: { spec: { containers: [{ name: 'c', image: name }] } } });
const status = async (h: Harness) => (await h.client.get(STATEFULSETS, { namespace: 'x', name: 's' })).status;

test('pods come one after the other, each when the one before is ready, with name and claim', async (t) => {
  const h = lab(statefulSet({ volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: {} }] }));
  await h.settle(500);
  t.deepEqual(await names(h), ['s-0']);
  await h.settle(1_000);
  t.deepEqual(await names(h), ['s-0', 's-1']);
  await h.settle(3_000);
  t.deepEqual(await names(h), ['s-0', 's-1', 's-2']);
  const pod = await h.client.get(PODS, { namespace: 'x', name: 's-1' });
  t.like(pod.spec, {
    hostname: 's-1',
    subdomain: 'svc',
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data-s-1' } }],
  });
  t.is(pod.metadata?.labels?.['apps.kubernetes.io/pod-index'], '1');
  t.is((await h.client.list(PERSISTENTVOLUMECLAIMS)).items.length, 3);
  t.like(await status(h), { replicas: 3, readyReplicas: 3, currentReplicas: 3, updatedReplicas: 3 });
  h.writes();
  await h.settle(3_600_000);
  t.deepEqual(h.took(), []);
  await h.stop();
});

test('one that does not become ready holds up those after it, unless the set is Parallel', async (t) => {
  const h = lab(statefulSet(), () => false);
  await h.settle(60_000);
  t.deepEqual(await names(h), ['s-0']);
  await h.stop();
  const parallel = lab(statefulSet({ podManagementPolicy: 'Parallel' }), () => false);
  await parallel.settle(500);
  t.deepEqual(await names(parallel), ['s-0', 's-1', 's-2']);
  await parallel.stop();
});

test('scaling down takes the last first and leaves the claims', async (t) => {
  const h = lab(statefulSet({ volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: {} }] }));
  await h.settle(5_000);
  h.writes();
  await change(h, { replicas: 1 });
  await h.settle(5_000);
  t.deepEqual(
    h.took().filter((write) => write.startsWith('delete')),
    ['delete pods s-2', 'delete pods s-1'],
  );
  t.is((await h.client.list(PERSISTENTVOLUMECLAIMS)).items.length, 3);
  await h.stop();
});

test('an update goes from the last to the first and can be undone', async (t) => {
  const h = lab(statefulSet());
  await h.settle(5_000);
  const before = (await status(h))?.currentRevision;
  h.writes();
  await change(h, image('v2'));
  await h.settle(20_000);
  t.deepEqual(
    h.took().filter((write) => write.startsWith('delete')),
    ['delete pods s-2', 'delete pods s-1', 'delete pods s-0'],
  );
  t.deepEqual(await images(h), ['v2', 'v2', 'v2']);
  const after = await status(h);
  t.not(after?.currentRevision, before);
  t.is(after?.currentRevision, after?.updateRevision);
  await change(h, image('v1'));
  await h.settle(20_000);
  t.deepEqual(await images(h), ['v1', 'v1', 'v1']);
  t.is((await h.client.list(CONTROLLERREVISIONS)).items.length, 2);
  t.is((await status(h))?.currentRevision, before);
  await h.stop();
});

test('a partition keeps the first as they are, also when they have to be made again', async (t) => {
  const h = lab(statefulSet({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } }));
  await h.settle(5_000);
  await change(h, image('v2'));
  await h.settle(10_000);
  t.deepEqual(await images(h), ['v1', 'v1', 'v2']);
  await h.client.delete(PODS, { namespace: 'x', name: 's-0' });
  await h.settle(10_000);
  t.deepEqual(await images(h), ['v1', 'v1', 'v2']);
  await h.stop();
});

test('a pod that still stops keeps its name: no second one is made', async (t) => {
  const h = lab(statefulSet({ replicas: 1 }));
  await h.settle(5_000);
  const pod = await h.client.get(PODS, { namespace: 'x', name: 's-0' });
  await h.client.patch(
    PODS,
    { namespace: 'x', name: 's-0' },
    { spec: { nodeName: 'lost' } },
    { type: 'merge' },
  );
  await h.client.delete(PODS, { namespace: 'x', name: 's-0' });
  h.writes();
  await h.settle(600_000);
  t.is((await h.client.get(PODS, { namespace: 'x', name: 's-0' })).metadata?.uid, pod.metadata?.uid);
  t.false(h.took().some((write) => write.startsWith('create pods')));
  await h.stop();
});
