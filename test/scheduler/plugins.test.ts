import test from 'ava';
import { goes, node, pod, taint } from './world.ts';

const aff = (requirements: object[]): object => ({
  affinity: {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: requirements } },
  },
});

test(
  'cpu that is left is enough',
  goes,
  pod('p', { cpu: '2' }),
  [node('a')],
  [pod('q', { cpu: '2', node: 'a' })],
  'a',
);
test(
  'cpu that is taken is not',
  goes,
  pod('p', { cpu: '2100m' }),
  [node('a')],
  [pod('q', { cpu: '2', node: 'a' })],
  '0/1 nodes are available: 1 Insufficient cpu.',
);
test(
  'every resource that lacks is named',
  goes,
  pod('p', { cpu: '5', memory: '9Gi' }),
  [node('a')],
  [],
  '0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.',
);
test(
  'an extended resource must be there',
  goes,
  pod('p', { requests: { 'example.com/gpu': '1' } }),
  [node('a'), node('b', { extra: { 'example.com/gpu': '2' } })],
  [],
  'b',
);
test(
  'the number of pods is limited',
  goes,
  pod('p'),
  [node('a', { pods: '1' })],
  [pod('q', { node: 'a' })],
  '0/1 nodes are available: 1 Too many pods.',
);
test(
  'a taint keeps a pod away',
  goes,
  pod('p'),
  [node('a', { taints: [taint] })],
  [],
  '0/1 nodes are available: 1 node(s) had untolerated taint(s).',
);
test(
  'a tolerated taint does not',
  goes,
  pod('p', { spec: { tolerations: [{ key: 'k', operator: 'Exists' }] } }),
  [node('a', { taints: [taint] })],
  [],
  'a',
);
test(
  'a soft taint is the last choice',
  goes,
  pod('p'),
  [node('a', { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] }), node('b', { cpu: '2' })],
  [],
  'b',
);
test(
  'a cordoned node takes nothing',
  goes,
  pod('p'),
  [node('a', { unschedulable: true })],
  [],
  '0/1 nodes are available: 1 node(s) were unschedulable.',
);
test(
  'a nodeSelector must match',
  goes,
  pod('p', { spec: { nodeSelector: { disk: 'ssd' } } }),
  [node('a'), node('b', { labels: { disk: 'ssd' } })],
  [],
  'b',
);
test(
  'node affinity terms are alternatives',
  goes,
  pod('p', {
    spec: aff([
      { matchExpressions: [{ key: 'x', operator: 'Exists' }] },
      { matchExpressions: [{ key: 'n', operator: 'Gt', values: ['3'] }] },
    ]),
  }),
  [node('a', { labels: { n: '3' } }), node('b', { labels: { n: '4' } })],
  [],
  'b',
);
test(
  'an empty term matches nothing',
  goes,
  pod('p', { spec: aff([{}]) }),
  [node('a')],
  [],
  "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
);
test(
  'matchFields names a node',
  goes,
  pod('p', { spec: aff([{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }]) }),
  [node('a'), node('b', { cpu: '1' })],
  [],
  'b',
);
test(
  'preferred node affinity decides',
  goes,
  pod('p', {
    spec: {
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 10, preference: { matchExpressions: [{ key: 'x', operator: 'In', values: ['1'] }] } },
          ],
        },
      },
    },
  }),
  [node('a'), node('b', { labels: { x: '1' } })],
  [],
  'b',
);
test(
  'a host port is taken once a node',
  goes,
  pod('p', {
    spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 1, hostPort: 80 }] }] },
  }),
  [node('a')],
  [
    pod('q', {
      node: 'a',
      spec: {
        containers: [
          { name: 'c', image: 'i', ports: [{ containerPort: 1, hostPort: 80, hostIP: '10.0.0.1' }] },
        ],
      },
    }),
  ],
  "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
);
test(
  'a host port of another protocol is free',
  goes,
  pod('p', {
    spec: {
      containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 1, hostPort: 80, protocol: 'UDP' }] }],
    },
  }),
  [node('a')],
  [
    pod('q', {
      node: 'a',
      spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 1, hostPort: 80 }] }] },
    }),
  ],
  'a',
);
test(
  'the emptier node is chosen',
  goes,
  pod('p', { cpu: '1' }),
  [node('a'), node('b')],
  [pod('q', { cpu: '2', memory: '4Gi', node: 'a' })],
  'b',
);
test(
  'a node with the image is chosen',
  goes,
  pod('p', { spec: { containers: [{ name: 'c', image: 'big' }] } }),
  [node('a'), node('b', { images: [{ names: ['big:latest'], sizeBytes: 9e8 }] })],
  [],
  'b',
);
test(
  'siblings spread over nodes',
  goes,
  pod('p', { owner: 'o' }),
  [node('a'), node('b'), node('c')],
  [pod('q', { owner: 'o', node: 'a' }), pod('r', { owner: 'o', node: 'c' })],
  'b',
);
test('no nodes at all', goes, pod('p'), [], [], 'no nodes available to schedule pods');
test(
  'reasons are counted',
  goes,
  pod('p', { cpu: '5' }),
  [node('a'), node('b', { taints: [taint] }), node('c', { taints: [taint] })],
  [],
  '0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).',
);
