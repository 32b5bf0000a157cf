import { array, assert, boolean, integer, property, record } from 'fast-check';
import test from 'ava';
import { NODES } from '../../src/api/gen/resources.ts';
import type { Node } from '../../src/api/gen/types/core-v1.ts';
import { podRangesController } from '../../src/controllers/pod-ranges/pod-ranges.ts';
import { RangeSet } from '../../src/controllers/pod-ranges/range-set.ts';
import { harness } from './harness.ts';

const node = (name: string, podCIDR?: string): Node => ({ metadata: { name, uid: name }, spec: { podCIDR } });
const controller = podRangesController({ clusterCidr: '10.244.0.0/22', nodeCidrMaskSize: 24 });
const ranges = async (h: ReturnType<typeof harness>) =>
  Object.fromEntries(
    (await h.client.list(NODES)).items.map((item) => [item.metadata?.name, item.spec?.podCIDR]),
  );

test('each node gets a range of its own, and none that is in use', async (t) => {
  const h = harness(controller, [
    [NODES, node('a')],
    [NODES, node('b', '10.244.0.0/24')],
    [NODES, node('c')],
  ]);
  await h.settle();
  t.deepEqual(await ranges(h), { a: '10.244.1.0/24', b: '10.244.0.0/24', c: '10.244.2.0/24' });
  t.deepEqual((await h.client.get(NODES, { name: 'a' })).spec?.podCIDRs, ['10.244.1.0/24']);
  await h.stop();
});

test('a node without a range waits until one comes free', async (t) => {
  const h = harness(
    controller,
    ['a', 'b', 'c', 'd', 'e'].map((name) => [NODES, node(name)]),
  );
  await h.settle();
  t.is((await ranges(h)).e, undefined);
  await h.client.delete(NODES, { name: 'b' });
  await h.settle();
  t.is((await ranges(h)).e, '10.244.1.0/24');
  await h.stop();
});

test('a write that failed does not lose its range', async (t) => {
  const h = harness(controller, [[NODES, node('a')]]);
  let failures = 3;
  h.client.onWrite = () => {
    if (failures-- > 0) throw new Error('down');
  };
  await h.settle(1_000);
  t.is((await ranges(h)).a, '10.244.0.0/24');
  await h.stop();
});

test('no two owners ever hold the same range', (t) => {
  const step = record({ owner: integer({ min: 0, max: 9 }), take: boolean() });
  assert(
    property(array(step, { maxLength: 200 }), (steps) => {
      const set = new RangeSet('10.0.0.0/29', 32);
      const held = new Map<number, string>();
      for (const { owner, take } of steps) {
        if (!take) {
          set.release(String(owner));
          held.delete(owner);
          continue;
        }
        const range = set.take(String(owner));
        if (range === undefined) {
          if (held.size < 8) return false;
          continue;
        }
        held.set(owner, range);
        if (new Set(held.values()).size !== held.size) return false;
      }
      return true;
    }),
    { seed: 1 },
  );
  t.pass();
});

test('IPv6 ranges are written short', (t) => {
  const set = new RangeSet('fd00:10::/56', 64);
  t.is(set.take('a'), 'fd00:10::/64');
  t.is(set.take('b'), 'fd00:10:0:1::/64');
});

test('a mask that does not divide the network is refused', (t) => {
  t.throws(() => new RangeSet('10.0.0.0/24', 16), { code: 'E_POD_RANGE' });
  t.throws(() => new RangeSet('10.0.0.0/8', 30), { code: 'E_POD_RANGE' });
  t.throws(() => new RangeSet('ten', 24), { code: 'E_POD_RANGE' });
});
