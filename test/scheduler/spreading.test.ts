import test from 'ava';
import type { Node } from '../../src/api/gen/types/core-v1.ts';
import { goes, node, pod } from './world.ts';

const zone = (name: string, z: string): Node => node(name, { labels: { zone: z } });
const spread = {
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'a' } },
    },
  ],
};
const app = { app: 'a' };
test(
  'a spread constraint sends a pod to the emptier zone',
  goes,
  pod('p', { labels: app, spec: spread }),
  [zone('a', '1'), zone('b', '2')],
  [pod('q', { labels: app, node: 'a' })],
  'b',
);
test(
  'a spread constraint refuses what would tip the balance',
  goes,
  pod('p', { labels: app, spec: spread }),
  [zone('a', '1'), node('b', { labels: { zone: '2' }, cpu: '0', pods: '0' })],
  [pod('q', { labels: app, node: 'a' })],
  "0/2 nodes are available: 1 Too many pods, 1 node(s) didn't match pod topology spread constraints.",
);
test(
  'a node without the label is no place for it',
  goes,
  pod('p', { labels: app, spec: spread }),
  [node('a')],
  [],
  "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label).",
);

const term = { topologyKey: 'zone', labelSelector: { matchLabels: app } };
const near = { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } };
const apart = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } };
test(
  'pod affinity goes where the others are',
  goes,
  pod('p', { spec: near }),
  [zone('a', '1'), zone('b', '2')],
  [pod('q', { labels: app, node: 'b' })],
  'b',
);
test(
  'the first of a group is let in',
  goes,
  pod('p', { labels: app, spec: near }),
  [zone('a', '1')],
  [],
  'a',
);
test(
  'a pod that wants others that are nowhere waits',
  goes,
  pod('p', { spec: near }),
  [zone('a', '1')],
  [],
  "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
);
test(
  'pod anti-affinity keeps apart',
  goes,
  pod('p', { spec: apart }),
  [zone('a', '1'), zone('b', '2')],
  [pod('q', { labels: app, node: 'a' })],
  'b',
);
test(
  'a pod that is there keeps others away',
  goes,
  pod('p', { labels: app }),
  [zone('a', '1')],
  [pod('q', { spec: { ...apart, nodeName: 'a' } })],
  "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
);
test(
  'a term can select namespaces',
  goes,
  pod('p', {
    spec: {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { ...term, namespaceSelector: { matchLabels: { team: 'y' } } },
          ],
        },
      },
    },
  }),
  [zone('a', '1')],
  [
    {
      ...pod('q', { labels: app, node: 'a' }),
      metadata: { name: 'q', namespace: 'y', uid: 'q', labels: app },
    },
  ],
  "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.",
);
