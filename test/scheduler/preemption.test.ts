import test from 'ava';
import { explain, explainPreemption } from '../../src/scheduler/explain.ts';
import { podInfo } from '../../src/scheduler/node-info.ts';
import { findPreemption } from '../../src/scheduler/preemption.ts';
import { podRequests } from '../../src/scheduler/resources.ts';
import { node, pod, taint, world } from './world.ts';

const amounts = test.macro((t, spec: object, want: Record<string, number>) => {
  t.deepEqual(Object.fromEntries(podRequests({ spec: { containers: [], ...spec } })), want);
});
const c = (cpu: string, extra: object = {}): object => ({
  name: 'c',
  resources: { requests: { cpu } },
  ...extra,
});
test('containers add up', amounts, { containers: [c('100m'), c('1')] }, { cpu: 1100 });
test(
  'the largest init container counts if it is larger',
  amounts,
  { containers: [c('1')], initContainers: [c('3'), c('2')] },
  { cpu: 3000 },
);
test(
  'sidecars run beside all that follows',
  amounts,
  { containers: [c('1')], initContainers: [c('1', { restartPolicy: 'Always' }), c('3')] },
  { cpu: 4000 },
);
test(
  'overhead comes on top',
  amounts,
  { containers: [c('1')], overhead: { cpu: '250m', memory: '1Ki' } },
  { cpu: 1250, memory: 1024 },
);
test(
  'requests of the whole pod stand for its containers',
  amounts,
  { containers: [c('1')], resources: { requests: { cpu: '3' } } },
  { cpu: 3000 },
);

test('the least important pods make room, and no more than needed', (t) => {
  const { choose } = world(
    [node('a'), node('b')],
    [
      pod('a1', { cpu: '2', node: 'a', priority: 5 }),
      pod('a2', { cpu: '2', node: 'a', priority: 5 }),
      pod('b1', { cpu: '1', node: 'b', priority: 1 }),
      pod('b2', { cpu: '2', node: 'b', priority: 2 }),
      pod('b3', { cpu: '1', node: 'b', priority: 1 }),
    ],
  );
  const info = podInfo(pod('p', { cpu: '2', priority: 10 }));
  const { refusal } = choose(info.pod);
  const found = findPreemption(info, refusal!);
  t.is(found?.node.name, 'b');
  t.deepEqual(found?.victims.map(({ uid }) => uid).sort(), ['b1', 'b3']);
});

test('nobody makes room for an equal, and the text says so', (t) => {
  const { choose } = world(
    [node('a'), node('b', { taints: [taint] })],
    [pod('a1', { cpu: '4', node: 'a', priority: 10 })],
  );
  const info = podInfo(pod('p', { cpu: '2', priority: 10 }));
  const { refusal } = choose(info.pod);
  t.is(findPreemption(info, refusal!), undefined);
  t.is(
    explain(refusal!, explainPreemption(refusal!)),
    '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.',
  );
});

test('sums follow pods that come, move and go', (t) => {
  const { cache } = world([node('a')]);
  cache.assume(podInfo(pod('p', { cpu: '1' })), 'a');
  cache.setPod(pod('p', { cpu: '1', node: 'a' }));
  cache.forget('p');
  t.is(cache.node('a')?.requested.get('cpu'), 1000);
  cache.setPod(pod('p', { cpu: '2', node: 'a' }));
  t.is(cache.node('a')?.requested.get('cpu'), 2000);
  cache.removePod(pod('p'));
  t.is(cache.node('a')?.requested.get('cpu'), 0);
  cache.setPod(pod('q', { cpu: '3', node: 'late' }));
  cache.setNode(node('late'));
  t.is(cache.node('late')?.requested.get('cpu'), 3000);
});
