import test from 'ava';
import {
  CONFIGMAPS,
  DAEMONSETS,
  DEPLOYMENTS,
  ENDPOINTSLICES,
  EVENTS,
  JOBS,
  NAMESPACES,
  NODES,
  PODDISRUPTIONBUDGETS,
  PODS,
  REPLICASETS,
  SERVICEACCOUNTS,
  SERVICES,
  STATEFULSETS,
} from '../../src/api/gen/resources.ts';
import type { Deployment } from '../../src/api/gen/types/apps-v1.ts';
import type { Pod } from '../../src/api/gen/types/core-v1.ts';
import { systemClock } from '../../src/base/clock.ts';
import { createLogger, silentLogger } from '../../src/base/log.ts';
import { controllerBindings } from '../../src/bootstrap/objects/controller-bindings.ts';
import { ApiError, isNotFound } from '../../src/client/errors.ts';
import type { RestClient } from '../../src/client/rest-client.ts';
import { runControllerManager } from '../../src/controllers/manager.ts';
import { runScheduler } from '../../src/scheduler/scheduler.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { TestControlPlane } from '../helpers/control-plane.ts';
import { runFakeKubelet } from '../helpers/fake-kubelet.ts';
import { waitFor } from '../helpers/wait-for.ts';

const log = process.env.SLIPWAY_TEST_LOG ? createLogger('test', 'debug') : silentLogger;
const clock = systemClock;
const stop = new AbortController();
let plane: TestControlPlane;
let client: RestClient;
let running: Array<Promise<void>>;

test.before(async () => {
  plane = await startControlPlane();
  client = plane.client();
  const manager = plane.identity('system:kube-controller-manager');
  const scheduler = plane.identity('system:kube-scheduler');
  for (const { resource, object } of controllerBindings()) await client.create(resource, object);
  running = [
    runControllerManager(
      {
        client: plane.client(manager),
        clock,
        log,
        identity: 'm',
        clusterCidr: '10.244.0.0/16',
        signing: plane.ca,
        rootCaPem: plane.ca.certPem,
      },
      stop.signal,
    ),
    runScheduler({ client: plane.client(scheduler), clock, log, identity: 's' }, stop.signal),
    runFakeKubelet({ client: plane.client(), nodes: ['n1', 'n2', 'n3'], clock, log }, stop.signal),
  ];
  await waitFor('nodes', async () => (await client.list(NODES)).items.length === 3);
});

test.after.always(async () => {
  stop.abort();
  await Promise.all(running);
  await plane.close();
});

async function namespace(name: string): Promise<string> {
  await client.create(NAMESPACES, { metadata: { name } });
  await waitFor('the default ServiceAccount', () =>
    client.get(SERVICEACCOUNTS, { namespace: name, name: 'default' }),
  );
  return name;
}

const deployment = (ns: string, image = 'v1'): Deployment => ({
  metadata: { name: 'web', namespace: ns, labels: { app: 'web' } },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'c', image, ports: [{ containerPort: 80 }] }] },
    },
  },
});
const pods = async (ns: string): Promise<Pod[]> => (await client.list(PODS, { namespace: ns })).items;
const available = (ns: string, images: string) =>
  waitFor(`3 available pods of ${images}`, async () => {
    const { status, metadata } = await client.get(DEPLOYMENTS, { namespace: ns, name: 'web' });
    const done =
      status?.availableReplicas === 3 &&
      status.updatedReplicas === 3 &&
      status.replicas === 3 &&
      status.observedGeneration === metadata?.generation;
    return done && (await pods(ns)).every((pod) => pod.spec?.containers[0]?.image === images);
  });

test('each node gets a pod range of its own', async (t) => {
  const nodes = await waitFor('pod ranges', async () => {
    const { items } = await client.list(NODES);
    return items.every((node) => node.spec?.podCIDR) && items;
  });
  t.is(new Set(nodes.map((node) => node.spec?.podCIDR)).size, 3);
});

test('a new namespace gets its ServiceAccount and root CA', async (t) => {
  const ns = await namespace('fresh');
  const map = await waitFor('the root CA', () =>
    client.get(CONFIGMAPS, { namespace: ns, name: 'kube-root-ca.crt' }),
  );
  t.is(map.data?.['ca.crt'], plane.ca.certPem);
});

test('a Deployment becomes pods on different nodes, is rolled over, undone, scaled and collected', async (t) => {
  const ns = await namespace('rollout');
  await client.create(DEPLOYMENTS, deployment(ns));
  await available(ns, 'v1');
  t.deepEqual((await pods(ns)).map((pod) => pod.spec?.nodeName ?? '').sort(), ['n1', 'n2', 'n3']);
  const change = (spec: object) =>
    client.patch(DEPLOYMENTS, { namespace: ns, name: 'web' }, { spec }, { type: 'strategic' });
  const image = (name: string) => ({ template: { spec: { containers: [{ name: 'c', image: name }] } } });
  await change(image('v2'));
  await available(ns, 'v2');
  await change(image('v1'));
  await available(ns, 'v1');
  t.is((await client.list(REPLICASETS, { namespace: ns })).items.length, 2);
  await change({ replicas: 1 });
  await waitFor('one pod', async () => (await pods(ns)).length === 1);
  await client.delete(DEPLOYMENTS, { namespace: ns, name: 'web' }, { propagationPolicy: 'Background' });
  await waitFor(
    'nothing left',
    async () =>
      (await pods(ns)).length === 0 && (await client.list(REPLICASETS, { namespace: ns })).items.length === 0,
  );
  const events = (await client.list(EVENTS, { namespace: ns })).items.map(({ reason }) => reason);
  for (const reason of ['ScalingReplicaSet', 'SuccessfulCreate', 'Scheduled'])
    t.true(events.includes(reason), reason);
});

test('a foreground deletion takes the pods first', async (t) => {
  const ns = await namespace('foreground');
  await client.create(DEPLOYMENTS, deployment(ns));
  await available(ns, 'v1');
  await client.delete(DEPLOYMENTS, { namespace: ns, name: 'web' }, { propagationPolicy: 'Foreground' });
  await waitFor('the deployment to go', async () => {
    try {
      await client.get(DEPLOYMENTS, { namespace: ns, name: 'web' });
      return false;
    } catch (error) {
      return isNotFound(error);
    }
  });
  t.deepEqual(await pods(ns), []);
});

test('a service gets a slice with the ready pods, and keeps it true', async (t) => {
  const ns = await namespace('service');
  await client.create(SERVICES, {
    metadata: { name: 'web', namespace: ns },
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 80 }] },
  });
  await client.create(DEPLOYMENTS, deployment(ns));
  const ready = async () =>
    (
      await client.list(ENDPOINTSLICES, { namespace: ns, labelSelector: 'kubernetes.io/service-name=web' })
    ).items
      .flatMap(({ endpoints = [] }) => endpoints)
      .filter(({ conditions }) => conditions?.ready).length;
  await waitFor('three endpoints', async () => (await ready()) === 3);
  await available(ns, 'v1');
  const before = await client.list(ENDPOINTSLICES, { namespace: ns });
  // Nothing may go on writing once the state is reached.
  await waitFor('a quiet second', async () => {
    const { items } = await client.list(ENDPOINTSLICES, { namespace: ns });
    return items[0]?.metadata?.resourceVersion === before.items[0]?.metadata?.resourceVersion;
  });
  t.is(before.items.length, 1);
});

test('evictions respect a disruption budget, one at a time as replacements become ready', async (t) => {
  const ns = await namespace('budget');
  await client.create(DEPLOYMENTS, deployment(ns));
  await client.create(PODDISRUPTIONBUDGETS, {
    metadata: { name: 'guard', namespace: ns },
    spec: { minAvailable: 2, selector: { matchLabels: { app: 'web' } } },
  });
  await available(ns, 'v1');
  const allowed = async (): Promise<number | undefined> =>
    (await client.get(PODDISRUPTIONBUDGETS, { namespace: ns, name: 'guard' })).status?.disruptionsAllowed;
  await waitFor('one disruption is allowed', async () => (await allowed()) === 1);
  const evict = (pod: Pod) =>
    client.createSubresource(PODS, { namespace: ns, name: pod.metadata?.name ?? '' }, 'eviction', {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: pod.metadata?.name ?? '', namespace: ns },
    });
  const [first, second] = await pods(ns);
  await evict(first!);
  const refused = await t.throwsAsync(evict(second!), { instanceOf: ApiError });
  t.is(refused?.status.code, 429);
  t.regex(refused?.message ?? '', /Cannot evict pod as it would violate the pod's disruption budget\./);
  await waitFor('the replacement is ready', async () => (await allowed()) === 1);
  t.false((await pods(ns)).some((pod) => pod.metadata?.uid === first?.metadata?.uid));
  await evict(second!);
});

test('a namespace goes with all that is in it', async (t) => {
  const ns = await namespace('doomed');
  await client.create(DEPLOYMENTS, deployment(ns));
  await available(ns, 'v1');
  await client.delete(NAMESPACES, { name: ns });
  await waitFor('the namespace to go', async () => {
    try {
      await client.get(NAMESPACES, { name: ns });
      return false;
    } catch (error) {
      return isNotFound(error);
    }
  });
  t.deepEqual(await pods(ns), []);
});

test('a Job, a DaemonSet and a StatefulSet run, and their status is the real server’s to accept', async (t) => {
  const ns = await namespace('others');
  const template = (labels: Record<string, string>, restartPolicy: string) => ({
    metadata: { labels },
    spec: { restartPolicy, containers: [{ name: 'c', image: 'i' }] },
  });
  await client.create(JOBS, {
    metadata: { name: 'j', namespace: ns },
    spec: { completions: 2, parallelism: 2, template: template({}, 'Never') },
  });
  await client.create(DAEMONSETS, {
    metadata: { name: 'd', namespace: ns },
    spec: { selector: { matchLabels: { app: 'd' } }, template: template({ app: 'd' }, 'Always') },
  });
  await client.create(STATEFULSETS, {
    metadata: { name: 's', namespace: ns },
    spec: {
      replicas: 2,
      serviceName: 's',
      selector: { matchLabels: { app: 's' } },
      template: template({ app: 's' }, 'Always'),
    },
  });
  await waitFor('two stateful pods', async () => {
    const { status } = await client.get(STATEFULSETS, { namespace: ns, name: 's' });
    return status?.availableReplicas === 2 && status.currentReplicas === 2;
  });
  await waitFor('three daemons', async () => {
    const { status } = await client.get(DAEMONSETS, { namespace: ns, name: 'd' });
    return status?.numberAvailable === 3 && status.updatedNumberScheduled === 3;
  });
  const running = await waitFor('two pods of the job', async () => {
    const { items } = await client.list(PODS, { namespace: ns, labelSelector: 'job-name=j' });
    return items.length === 2 && items.every(({ status }) => status?.phase === 'Running') && items;
  });
  for (const { metadata } of running)
    await client.patch(
      PODS,
      { namespace: ns, name: metadata?.name ?? '' },
      { status: { phase: 'Succeeded' } },
      { type: 'merge', subresource: 'status' },
    );
  const done = await waitFor('the job to complete', async () => {
    const { status } = await client.get(JOBS, { namespace: ns, name: 'j' });
    return status?.conditions?.some(({ type }) => type === 'Complete') && status;
  });
  t.is(done.succeeded, 2);
  await client.delete(JOBS, { namespace: ns, name: 'j' }, { propagationPolicy: 'Background' });
  await waitFor(
    'the pods of the job to go',
    async () => (await client.list(PODS, { namespace: ns, labelSelector: 'job-name=j' })).items.length === 0,
  );
});

test('a pod that fits nowhere says why, and is placed when a node can take it', async (t) => {
  const ns = await namespace('unfit');
  const needs = (name: string): Pod => ({
    metadata: { name, namespace: ns },
    spec: { containers: [{ name: 'c', image: 'i' }], nodeSelector: { disk: 'ssd' } },
  });
  await client.create(PODS, needs('p'));
  const condition = await waitFor('the condition', async () =>
    (await client.get(PODS, { namespace: ns, name: 'p' })).status?.conditions?.find(
      ({ type }) => type === 'PodScheduled',
    ),
  );
  t.like(condition, { status: 'False', reason: 'Unschedulable' });
  t.true(
    condition.message?.startsWith(
      "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
    ),
    condition.message,
  );
  await waitFor('the event', async () =>
    (await client.list(EVENTS, { namespace: ns })).items.some(({ reason }) => reason === 'FailedScheduling'),
  );
  await client.patch(NODES, { name: 'n2' }, { metadata: { labels: { disk: 'ssd' } } }, { type: 'merge' });
  await waitFor(
    'the pod to be placed',
    async () => (await client.get(PODS, { namespace: ns, name: 'p' })).spec?.nodeName === 'n2',
  );
});
