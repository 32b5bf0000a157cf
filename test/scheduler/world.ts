import test from 'ava';
import type { Node, Pod, Taint } from '../../src/api/gen/types/core-v1.ts';
import { SchedulerCache } from '../../src/scheduler/cache.ts';
import { defaultPlugins } from '../../src/scheduler/default-plugins.ts';
import { explain } from '../../src/scheduler/explain.ts';
import { podInfo } from '../../src/scheduler/node-info.ts';
import { NodeSelector } from '../../src/scheduler/select-node.ts';
import type { Choice } from '../../src/scheduler/select-node.ts';

interface NodeOptions {
  cpu?: string;
  memory?: string;
  pods?: string;
  labels?: Record<string, string>;
  taints?: Taint[];
  unschedulable?: boolean;
  images?: Array<{ names: string[]; sizeBytes: number }>;
  extra?: Record<string, string>;
}
export const node = (name: string, options: NodeOptions = {}): Node => ({
  metadata: { name, labels: { 'kubernetes.io/hostname': name, ...options.labels } },
  spec: { taints: options.taints, unschedulable: options.unschedulable },
  status: {
    allocatable: {
      cpu: options.cpu ?? '4',
      memory: options.memory ?? '8Gi',
      pods: options.pods ?? '110',
      ...options.extra,
    },
    images: options.images,
  },
});
interface PodOptions {
  cpu?: string;
  memory?: string;
  node?: string;
  labels?: Record<string, string>;
  owner?: string;
  priority?: number;
  spec?: object;
  requests?: Record<string, string>;
}
export const pod = (name: string, options: PodOptions = {}): Pod => ({
  metadata: {
    name,
    namespace: 'x',
    uid: name,
    labels: options.labels,
    ownerReferences: options.owner
      ? [{ apiVersion: 'v1', kind: 'ReplicaSet', name: 'o', uid: options.owner, controller: true }]
      : undefined,
  },
  spec: {
    nodeName: options.node,
    priority: options.priority,
    containers: [
      {
        name: 'c',
        image: 'i',
        resources: {
          requests: {
            ...(options.cpu ? { cpu: options.cpu } : {}),
            ...(options.memory ? { memory: options.memory } : {}),
            ...options.requests,
          },
        },
      },
    ],
    ...options.spec,
  },
});

export function world(
  nodes: Node[],
  pods: Pod[] = [],
): { cache: SchedulerCache; choose: (pod: Pod) => Choice } {
  const cache = new SchedulerCache();
  for (const object of nodes) cache.setNode(object);
  for (const object of pods) cache.setPod(object);
  const labels = (name: string) => ({ team: name });
  const selector = new NodeSelector(
    defaultPlugins(labels),
    cache,
    () => [],
    () => 0,
  );
  return { cache, choose: (object) => selector.choose(podInfo(object)) };
}

export const taint: Taint = { key: 'k', value: 'v', effect: 'NoSchedule' };

/** Where the pod goes: a node's name, or the text of the event. */
export const goes = test.macro((t, object: Pod, nodes: Node[], pods: Pod[], want: string) => {
  const choice = world(nodes, pods).choose(object);
  t.is(choice.node?.name ?? explain(choice.refusal!, undefined), want);
});
