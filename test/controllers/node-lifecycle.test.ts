import test from 'ava';
import { LEASES, NODES, PODS } from '../../src/api/gen/resources.ts';
import type { Node, Pod, Toleration } from '../../src/api/gen/types/core-v1.ts';
import { isNotFound } from '../../src/client/errors.ts';
import { nodeLifecycleController } from '../../src/controllers/node-lifecycle/node-lifecycle.ts';
import { podGcController } from '../../src/controllers/pod-gc/pod-gc.ts';
import { taintEvictionController } from '../../src/controllers/taint-eviction/taint-eviction.ts';
import { harness } from './harness.ts';
import type { Harness } from './harness.ts';

const CONDITIONS = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => ({
  type,
  status: type === 'Ready' ? 'True' : 'False',
  lastHeartbeatTime: '2026-01-01T00:00:00Z',
}));
const node = (name: string): Node => ({
  metadata: { name, uid: name },
  spec: {},
  status: { conditions: CONDITIONS },
});
const forever: Toleration[] = [{ operator: 'Exists' }];
const fiveMinutes: Toleration[] = ['not-ready', 'unreachable'].map((key) => ({
  key: `node.kubernetes.io/${key}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 300,
}));
const pod = (name: string, nodeName: string, tolerations: Toleration[] = fiveMinutes): Pod => ({
  metadata: { name, namespace: 'x', uid: name },
  spec: { nodeName, containers: [], tolerations },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
});

interface Lab extends Harness {
  /** Renews the leases of these nodes every ten seconds for so long. */
  live(ms: number, ...names: string[]): Promise<void>;
}

function lab(nodes: string[], pods: Pod[] = []): Lab {
  const h = harness(
    (context) => [...nodeLifecycleController().start(context), ...taintEvictionController.start(context)],
    [
      ...nodes.map((name) => [NODES, node(name)] as [typeof NODES, Node]),
      ...pods.map((object) => [PODS, object] as [typeof PODS, Pod]),
    ],
  );
  for (const name of nodes)
    h.client.seed(LEASES, { metadata: { name, namespace: 'kube-node-lease' }, spec: { renewTime: '0' } });
  let beat = 0;
  const live = async (ms: number, ...names: string[]): Promise<void> => {
    for (let at = 0; at < ms; at += 10_000) {
      for (const name of names)
        await h.client.patch(
          LEASES,
          { namespace: 'kube-node-lease', name },
          { spec: { renewTime: String(++beat) } },
          { type: 'merge' },
        );
      await h.settle(10_000);
    }
  };
  return { ...h, live };
}
const read = (h: Harness, name: string) => h.client.get(NODES, { name });
const taints = async (h: Harness, name: string) =>
  ((await read(h, name)).spec?.taints ?? [])
    .map(({ key, effect }) => `${key.split('/')[1]}:${effect}`)
    .sort();
const ready = async (h: Harness, name: string) =>
  (await read(h, name)).status?.conditions?.find(({ type }) => type === 'Ready');
const gone = async (h: Harness, name: string): Promise<boolean> => {
  try {
    return Boolean((await h.client.get(PODS, { namespace: 'x', name })).metadata?.deletionTimestamp);
  } catch (error) {
    return isNotFound(error);
  }
};

test('nodes that renew their leases are left alone', async (t) => {
  const h = lab(['a', 'b']);
  await h.live(3_600_000, 'a', 'b');
  t.deepEqual(
    h.took().filter((write) => !write.includes('leases')),
    [],
  );
  await h.stop();
});

test('a node that falls silent is unknown after 40 seconds, tainted, and its pods are not ready', async (t) => {
  const h = lab(['a', 'b', 'c'], [pod('p', 'a')]);
  await h.live(30_000, 'b', 'c');
  t.is((await ready(h, 'a'))?.status, 'True');
  await h.live(20_000, 'b', 'c');
  t.like(await ready(h, 'a'), {
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
  });
  t.deepEqual(await taints(h, 'a'), ['unreachable:NoExecute', 'unreachable:NoSchedule']);
  t.deepEqual(await taints(h, 'b'), []);
  t.like((await h.client.get(PODS, { namespace: 'x', name: 'p' })).status?.conditions?.[0], {
    status: 'False',
    reason: 'NodeNotReady',
  });
  await h.stop();
});

test('pods leave an unreachable node when their time is up, those that tolerate it never', async (t) => {
  const h = lab(['a', 'b', 'c'], [pod('p', 'a'), pod('daemon', 'a', forever), pod('bare', 'a', [])]);
  await h.live(60_000, 'b', 'c');
  t.deepEqual([await gone(h, 'p'), await gone(h, 'daemon'), await gone(h, 'bare')], [false, false, true]);
  await h.live(320_000, 'b', 'c');
  t.deepEqual([await gone(h, 'p'), await gone(h, 'daemon')], [true, false]);
  await h.stop();
});

test('a node that comes back in time keeps its pods', async (t) => {
  const h = lab(['a', 'b', 'c'], [pod('p', 'a')]);
  await h.live(200_000, 'b', 'c');
  await h.client.patch(
    NODES,
    { name: 'a' },
    {
      status: {
        conditions: CONDITIONS.map((condition) => ({
          ...condition,
          lastHeartbeatTime: '2026-01-01T00:03:20Z',
        })),
      },
    },
    { type: 'merge', subresource: 'status' },
  );
  await h.live(1_000_000, 'a', 'b', 'c');
  t.deepEqual(await taints(h, 'a'), []);
  t.false(await gone(h, 'p'));
  await h.stop();
});

test('when every node is silent none is emptied: the fault may be ours', async (t) => {
  const h = lab(['a', 'b'], [pod('p', 'a'), pod('q', 'b')]);
  await h.live(2_000_000);
  t.deepEqual(await taints(h, 'a'), ['unreachable:NoSchedule']);
  t.deepEqual([await gone(h, 'p'), await gone(h, 'q')], [false, false]);
  await h.stop();
});

test('nodes are emptied one in ten seconds', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const h = lab(names);
  await h.live(50_000, ...names.slice(3));
  const emptied = async () =>
    (await Promise.all(names.map((name) => taints(h, name)))).filter((all) =>
      all.includes('unreachable:NoExecute'),
    ).length;
  t.true((await emptied()) <= 2);
  await h.live(30_000, ...names.slice(3));
  t.is(await emptied(), 3);
  await h.stop();
});

test('a kubelet that says it is not ready gets the other taint; pressure and cordon keep pods away', async (t) => {
  const h = lab(['a', 'b', 'c']);
  const says = (type: string, status: string) =>
    CONDITIONS.map((condition) => (condition.type === type ? { ...condition, status } : condition));
  await h.client.patch(
    NODES,
    { name: 'a' },
    { status: { conditions: says('Ready', 'False') } },
    { type: 'merge', subresource: 'status' },
  );
  await h.client.patch(
    NODES,
    { name: 'b' },
    { status: { conditions: says('DiskPressure', 'True') } },
    { type: 'merge', subresource: 'status' },
  );
  await h.client.patch(
    NODES,
    { name: 'c' },
    { spec: { unschedulable: true, taints: [{ key: 'own', effect: 'NoSchedule' }] } },
    { type: 'merge' },
  );
  await h.live(10_000, 'a', 'b', 'c');
  t.deepEqual(await taints(h, 'a'), ['not-ready:NoExecute', 'not-ready:NoSchedule']);
  t.deepEqual(await taints(h, 'b'), ['disk-pressure:NoSchedule']);
  t.deepEqual(
    (await read(h, 'c')).spec?.taints?.map(({ key }) => key),
    ['own', 'node.kubernetes.io/unschedulable'],
  );
  await h.stop();
});

test('a jump of the clock loses no node', async (t) => {
  const h = lab(['a', 'b']);
  await h.live(20_000, 'a', 'b');
  h.clock.jump(86_400_000);
  await h.live(60_000, 'a', 'b');
  t.is((await ready(h, 'a'))?.status, 'True');
  await h.stop();
});

test('pods of a node that is gone are removed after a quarantine, others stay', async (t) => {
  const h = harness(podGcController, [
    [NODES, node('a')],
    [NODES, node('b')],
    [PODS, pod('p', 'a')],
    [PODS, pod('q', 'b')],
  ]);
  await h.settle();
  await h.client.delete(NODES, { name: 'a' });
  await h.settle(30_000);
  t.false(await gone(h, 'p'));
  await h.settle(15_000);
  t.deepEqual([await gone(h, 'p'), await gone(h, 'q')], [true, false]);
  t.deepEqual(h.took(), ['delete nodes a', 'patch pods/status p', 'delete pods p']);
  await h.stop();
});

test('a pod that was deleted before it had a node is removed', async (t) => {
  const deleted = {
    ...pod('p', ''),
    metadata: {
      name: 'p',
      namespace: 'x',
      deletionTimestamp: '2026-01-01T00:00:00Z',
      deletionGracePeriodSeconds: 30,
    },
  };
  const h = harness(podGcController, [[PODS, deleted]]);
  await h.settle();
  t.deepEqual(h.took(), ['delete pods p']);
  await h.stop();
});
