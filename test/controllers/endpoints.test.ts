import test from 'ava';
import { ENDPOINTS, ENDPOINTSLICES, NODES, PODS, SERVICES } from '../../src/api/gen/resources.ts';
import type { Pod, Service } from '../../src/api/gen/types/core-v1.ts';
import { endpointSliceController } from '../../src/controllers/endpoint-slices/endpoint-slices.ts';
import { endpointsController } from '../../src/controllers/endpoints/endpoints.ts';
import { harness } from './harness.ts';
import type { Harness } from './harness.ts';

const service = (spec: object = {}, name = 'web'): Service => ({
  metadata: { name, namespace: 'x', uid: name, labels: { team: 'a' } },
  spec: {
    selector: { app: 'web' },
    clusterIP: '10.96.0.9',
    ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    ...spec,
  },
});
interface Options {
  ready?: boolean;
  node?: string;
  port?: number;
  app?: string;
  ip?: string;
  spec?: object;
}
const pod = (
  index: number,
  { ready = true, node = 'n1', port = 8080, app = 'web', ip = `10.244.0.${index}`, spec = {} }: Options = {},
): Pod => ({
  metadata: { name: `p${index}`, namespace: 'x', uid: `p${index}`, labels: { app } },
  spec: {
    nodeName: node,
    containers: [{ name: 'c', image: 'i', ports: [{ name: 'http', containerPort: port }] }],
    ...spec,
  },
  status: {
    phase: 'Running',
    podIP: ip,
    podIPs: ip ? [{ ip }] : [],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
});
const both = (h: Parameters<typeof harness>[1] = []): Harness =>
  harness((context) => [...endpointSliceController.start(context), ...endpointsController.start(context)], h);
const slices = async (h: Harness) => (await h.client.list(ENDPOINTSLICES)).items;

test('a slice holds the pods of a service with their state, node and zone', async (t) => {
  const h = both([
    [NODES, { metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'z1' } } }],
    [SERVICES, service()],
    [PODS, pod(1)],
    [PODS, pod(2, { ready: false })],
    [PODS, pod(3, { app: 'other' })],
    [PODS, pod(4, { ip: '' })],
  ]);
  await h.settle();
  const [slice, ...others] = await slices(h);
  t.is(others.length, 0);
  t.deepEqual(slice?.metadata?.labels, {
    team: 'a',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  });
  t.true(slice?.metadata?.name?.startsWith('web-'));
  t.like(slice?.metadata?.ownerReferences?.[0], {
    kind: 'Service',
    name: 'web',
    controller: true,
    blockOwnerDeletion: true,
  });
  t.is(slice?.addressType, 'IPv4');
  t.deepEqual(slice?.ports, [{ name: 'http', protocol: 'TCP', port: 8080 }]);
  const endpoint = (index: number, ready: boolean) => ({
    addresses: [`10.244.0.${index}`],
    conditions: { ready, serving: ready, terminating: false },
    targetRef: { kind: 'Pod', namespace: 'x', name: `p${index}`, uid: `p${index}` },
    nodeName: 'n1',
    zone: 'z1',
  });
  t.deepEqual(slice?.endpoints, [endpoint(1, true), endpoint(2, false)]);
  const { subsets, metadata } = await h.client.get(ENDPOINTS, { namespace: 'x', name: 'web' });
  t.is(metadata?.labels?.['endpoints.kubernetes.io/managed-by'], 'endpoint-controller');
  t.like(subsets?.[0], { ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] });
  t.deepEqual(
    subsets?.[0]?.addresses?.map(({ ip }) => ip),
    ['10.244.0.1'],
  );
  t.deepEqual(
    subsets?.[0]?.notReadyAddresses?.map(({ ip }) => ip),
    ['10.244.0.2'],
  );
  await h.stop();
});

test('a steady state writes nothing, and a pod that changes elsewhere neither', async (t) => {
  const h = both([
    [SERVICES, service()],
    [PODS, pod(1)],
  ]);
  await h.settle();
  h.writes();
  await h.client.patch(
    PODS,
    { namespace: 'x', name: 'p1' },
    { metadata: { annotations: { a: 'b' } } },
    { type: 'merge' },
  );
  await h.settle(3_600_000);
  t.deepEqual(h.took(), ['patch pods p1']);
  await h.stop();
});

test('a pod that stops is serving and terminating, and gone from the old object', async (t) => {
  const h = both([
    [SERVICES, service()],
    [PODS, pod(1)],
  ]);
  await h.settle();
  await h.client.delete(PODS, { namespace: 'x', name: 'p1' });
  await h.settle();
  t.deepEqual((await slices(h))[0]?.endpoints?.[0]?.conditions, {
    ready: false,
    serving: true,
    terminating: true,
  });
  t.deepEqual((await h.client.get(ENDPOINTS, { namespace: 'x', name: 'web' })).subsets, []);
  await h.client.delete(PODS, { namespace: 'x', name: 'p1' }, { gracePeriodSeconds: 0 });
  await h.settle();
  t.deepEqual(
    (await slices(h)).map(({ endpoints, ports }) => [endpoints, ports]),
    [[[], []]],
  );
  await h.stop();
});

test('slices hold a hundred endpoints at most, and growing touches one of them', async (t) => {
  const h = both([
    [SERVICES, service()],
    ...Array.from({ length: 250 }, (_, index) => [PODS, pod(index + 1)] as [typeof PODS, Pod]),
  ]);
  await h.settle();
  t.deepEqual(
    (await slices(h)).map(({ endpoints }) => endpoints?.length ?? 0).sort((a, b) => b - a),
    [100, 100, 50],
  );
  h.writes();
  h.client.seed(PODS, pod(251));
  await h.settle();
  t.deepEqual(
    h
      .took()
      .filter((write) => write.includes('slices'))
      .map((write) => write.split(' ')[0]),
    ['update'],
  );
  await h.stop();
});

test('pods that serve a named port by different numbers are in different slices', async (t) => {
  const h = both([
    [SERVICES, service()],
    [PODS, pod(1)],
    [PODS, pod(2, { port: 9090 })],
  ]);
  await h.settle();
  t.deepEqual(
    (await slices(h)).map(({ ports }) => ports?.[0]?.port ?? 0).sort((a, b) => a - b),
    [8080, 9090],
  );
  await h.stop();
});

test('a headless service gives names to its pods, publishes what is not ready if it wants to', async (t) => {
  const h = both([
    [SERVICES, service({ clusterIP: 'None', ports: undefined, publishNotReadyAddresses: true })],
    [PODS, pod(1, { ready: false, spec: { hostname: 'h1', subdomain: 'web' } })],
  ]);
  await h.settle();
  const [slice] = await slices(h);
  t.is(slice?.metadata?.labels?.['service.kubernetes.io/headless'], '');
  t.like(slice?.endpoints?.[0], { hostname: 'h1', conditions: { ready: true, serving: false } });
  await h.stop();
});

test('a service without a selector is left to its owner', async (t) => {
  const h = both([
    [SERVICES, service({ selector: undefined })],
    [SERVICES, service({ type: 'ExternalName', externalName: 'a.b' }, 'alias')],
  ]);
  await h.settle();
  t.deepEqual(h.took(), []);
  await h.stop();
});

test('a slice that the cache has not shown yet is not made again', async (t) => {
  const h = both([
    [SERVICES, service()],
    [PODS, pod(1)],
  ]);
  const watch = h.client.watch.bind(h.client);
  h.client.watch = async function* (resource, options) {
    for await (const event of watch(resource, options)) {
      if (resource.resource === 'endpointslices' && event.type === 'ADDED') await h.clock.sleep(500);
      yield event;
    }
  };
  await h.settle();
  for (let index = 2; index < 6; index++) {
    h.client.seed(PODS, pod(index));
    await h.settle();
  }
  t.is((await slices(h)).length, 1);
  await h.settle(5_000);
  t.is((await slices(h))[0]?.endpoints?.length, 5);
  await h.stop();
});

test('a forged or deleted slice is put right, and the old object goes with its service', async (t) => {
  const h = both([
    [SERVICES, service()],
    [PODS, pod(1)],
  ]);
  await h.settle();
  const [slice] = await slices(h);
  await h.client.update(ENDPOINTSLICES, { ...slice!, endpoints: [] });
  await h.settle(2_000);
  t.is((await slices(h))[0]?.endpoints?.length, 1);
  await h.client.delete(ENDPOINTSLICES, { namespace: 'x', name: slice!.metadata!.name! });
  await h.settle(2_000);
  t.is((await slices(h)).length, 1);
  await h.client.delete(SERVICES, { namespace: 'x', name: 'web' });
  await h.settle();
  t.is((await h.client.list(ENDPOINTS)).items.length, 0);
  await h.stop();
});
