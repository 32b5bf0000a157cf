import test from 'ava';
import { EVENTS, NODES, PODS } from '../../src/api/gen/resources.ts';
import type { Node, Pod } from '../../src/api/gen/types/core-v1.ts';
import { silentLogger } from '../../src/base/log.ts';
import { ApiError } from '../../src/client/errors.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { runScheduler } from '../../src/scheduler/scheduler.ts';
import { createClock } from '../helpers/fake-clock.ts';
import type { FakeClock } from '../helpers/fake-clock.ts';

const node = (name: string, cpu = '1', labels: Record<string, string> = {}): Node => ({
  metadata: { name, labels },
  status: { allocatable: { cpu, memory: '1Gi', pods: '110' } },
});
const pod = (name: string, cpu = '500m', extra: object = {}): Pod => ({
  metadata: { name, namespace: 'x', uid: name },
  spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }], ...extra },
});

interface Lab {
  clock: FakeClock;
  client: MemoryClient;
  settle(ms?: number): Promise<void>;
  where(name: string): Promise<string | undefined>;
  condition(name: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

function lab(nodes: Node[], pods: Pod[] = []): Lab {
  const clock = createClock();
  const client = new MemoryClient(clock, [
    ...nodes.map((object) => [NODES, object] as [typeof NODES, Node]),
    ...pods.map((object) => [PODS, object] as [typeof PODS, Pod]),
  ]);
  const stop = new AbortController();
  const running = runScheduler(
    { client, clock, log: silentLogger, identity: 'unit', leaderElect: false, random: () => 0 },
    stop.signal,
  );
  const read = (name: string): Promise<Pod> => client.get(PODS, { namespace: 'x', name });
  return {
    clock,
    client,
    settle: (ms = 50) => clock.advance(ms),
    where: async (name) => (await read(name)).spec?.nodeName,
    condition: async (name) =>
      (await read(name)).status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message,
    async stop() {
      stop.abort();
      await clock.advance(10);
      await running;
    },
  };
}

test('a pod is bound and its event written', async (t) => {
  const h = lab([node('a')], [pod('p')]);
  await h.settle();
  t.is(await h.where('p'), 'a');
  const [event] = (await h.client.list(EVENTS)).items;
  t.like(event, {
    reason: 'Scheduled',
    message: 'Successfully assigned x/p to a',
    source: { component: 'default-scheduler' },
  });
  await h.stop();
});

test('nothing is promised twice while bindings are under way', async (t) => {
  const h = lab(
    [node('a'), node('b')],
    ['p', 'q', 'r', 's', 'u'].map((name) => pod(name)),
  );
  await h.settle();
  const places = await Promise.all(['p', 'q', 'r', 's', 'u'].map((name) => h.where(name)));
  t.deepEqual(places.map((place) => place ?? '').sort(), ['', 'a', 'a', 'b', 'b']);
  await h.stop();
});

test('the more important pod goes first', async (t) => {
  const h = lab([], [pod('low', '1', { priority: 1 }), pod('high', '1', { priority: 2 })]);
  await h.settle();
  h.client.seed(NODES, node('a'));
  await h.settle(20_000);
  t.deepEqual([await h.where('high'), await h.where('low')], ['a', undefined]);
  await h.stop();
});

test('a pod that fits nowhere is told once, and placed when another one leaves', async (t) => {
  const h = lab([node('a')], [pod('p', '1'), pod('q', '1')]);
  await h.settle();
  t.is(
    await h.condition('q'),
    '0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
  );
  const before = h.client.writes.length;
  await h.settle(200_000);
  t.is(h.client.writes.length, before, 'nothing changed, nothing is tried');
  await h.client.delete(PODS, { namespace: 'x', name: 'p' }, { gracePeriodSeconds: 0 });
  await h.settle();
  t.is(await h.where('q'), 'a');
  await h.stop();
});

test('events that cannot help wake nobody', async (t) => {
  const h = lab([node('a')], [pod('p', '2')]);
  await h.settle();
  const before = h.client.writes.length;
  h.client.seed(NODES, node('b', '1'));
  await h.client.patch(NODES, { name: 'a' }, { metadata: { annotations: { beat: '1' } } }, { type: 'merge' });
  await h.settle(60_000);
  t.is(h.client.writes.length, before + 1);
  h.client.seed(NODES, node('c', '2'));
  await h.settle(60_000);
  t.is(await h.where('p'), 'c');
  await h.stop();
});

test('a binding that fails is tried again after its back-off, elsewhere if need be', async (t) => {
  const h = lab([node('a')], [pod('p')]);
  let failures = 2;
  h.client.onWrite = ({ subresource }) => {
    if (subresource === 'binding' && failures-- > 0)
      throw new ApiError({ code: 500, reason: 'InternalError', message: 'no' });
  };
  await h.settle(500);
  t.is(await h.where('p'), undefined);
  await h.settle(10_000);
  t.is(await h.where('p'), 'a');
  await h.stop();
});

test('a pod of another scheduler, a gated and a deleted one are left alone', async (t) => {
  const h = lab(
    [node('a')],
    [pod('other', '1m', { schedulerName: 'mine' }), pod('gated', '1m', { schedulingGates: [{ name: 'g' }] })],
  );
  await h.settle();
  t.deepEqual([await h.where('other'), await h.where('gated')], [undefined, undefined]);
  t.is(await h.condition('gated'), 'Scheduling is blocked due to non-empty scheduling gates');
  await h.client.patch(
    PODS,
    { namespace: 'x', name: 'gated' },
    { spec: { schedulingGates: null } },
    { type: 'merge' },
  );
  await h.settle();
  t.is(await h.where('gated'), 'a');
  await h.stop();
});

test('a more important pod pushes a lesser one out and gets its place', async (t) => {
  const h = lab([node('a')], [pod('low', '1')]);
  await h.settle();
  h.client.seed(PODS, pod('high', '1', { priority: 100 }));
  await h.settle();
  const low = await h.client.get(PODS, { namespace: 'x', name: 'low' });
  t.truthy(low.metadata?.deletionTimestamp);
  t.like(
    low.status?.conditions?.find(({ type }) => type === 'DisruptionTarget'),
    { reason: 'PreemptionByScheduler' },
  );
  t.is((await h.client.get(PODS, { namespace: 'x', name: 'high' })).status?.nominatedNodeName, 'a');
  h.client.seed(PODS, pod('cutter', '1'));
  await h.client.delete(PODS, { namespace: 'x', name: 'low' }, { gracePeriodSeconds: 0 });
  await h.settle(20_000);
  t.deepEqual([await h.where('high'), await h.where('cutter')], ['a', undefined]);
  await h.stop();
});

test('a pod that may not preempt waits', async (t) => {
  const h = lab([node('a')], [pod('low', '1')]);
  await h.settle();
  h.client.seed(PODS, pod('high', '1', { priority: 100, preemptionPolicy: 'Never' }));
  await h.settle();
  t.is(
    await h.condition('high'),
    '0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.',
  );
  t.is(await h.where('low'), 'a');
  await h.stop();
});

test('a restarted scheduler counts what is bound', async (t) => {
  const h = lab([node('a')], [pod('p', '1', { nodeName: 'a' }), pod('q', '1')]);
  await h.settle();
  t.is(await h.where('q'), undefined);
  await h.stop();
});
