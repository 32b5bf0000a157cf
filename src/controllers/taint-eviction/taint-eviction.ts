import { NODES, PODS } from '../../api/gen/resources.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { isNotFound } from '../../client/errors.ts';
import { keyedLoop, recorderFor } from '../shared/controller.ts';
import type { ControllerDefinition } from '../shared/controller.ts';
import { equalJson, keyOf, metaOf, nameOf, splitKey } from '../shared/meta.ts';
import { evictionTime } from './eviction-time.ts';

/** Deletes pods from nodes whose NoExecute taints they do not tolerate, or not for any longer. */
export const taintEvictionController: ControllerDefinition = {
  name: 'taint-eviction',
  inputs: ['nodes', 'pods'],
  outputs: ['pods', 'pods/status', 'events'],
  start(context) {
    const { client, clock } = context;
    const nodes = context.informers.for(NODES);
    const pods = context.informers.for(PODS, { indexes: { node: (pod) => [pod.spec?.nodeName ?? ''] } });
    const recorder = recorderFor(context, 'taint-eviction-controller');
    /** Pods whose time runs, so that it can be told when it is called off. */
    const marked = new Set<string>();
    const { queue, loop } = keyedLoop(context, {
      name: 'taint-eviction',
      workers: 8,
      async sync(key) {
        const { namespace, name } = splitKey(key);
        const pod = pods.get(name, namespace);
        const node = pod?.spec?.nodeName ? nodes.get(pod.spec.nodeName) : undefined;
        if (!pod || metaOf(pod).deletionTimestamp) {
          marked.delete(key);
          return;
        }
        const atMs = node && evictionTime(pod, node.spec?.taints ?? []);
        if (atMs === undefined) {
          if (marked.delete(key))
            recorder.event(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`);
          return;
        }
        marked.add(key);
        const waitMs = atMs - clock.now();
        if (waitMs > 0) return queue.addAfter(key, Math.min(waitMs, 86_400_000));
        await evict(pod);
        marked.delete(key);
      },
    });
    const evict = async (pod: Pod): Promise<void> => {
      const { namespace, name = '', uid } = metaOf(pod);
      recorder.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${keyOf(pod)}`);
      const message = 'Taint manager: deleting due to NoExecute taint';
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'DeletionByTaintManager',
        message,
        lastTransitionTime: rfc3339(clock.now()),
      };
      try {
        const patch = { metadata: { uid }, status: { conditions: [condition] } };
        await client.patch(PODS, { namespace, name }, patch, { type: 'strategic', subresource: 'status' });
        await client.delete(PODS, { namespace, name }, { preconditions: { uid } });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    };
    const look = (pod: Pod): void => {
      if (pod.spec?.nodeName) queue.add(keyOf(pod));
    };
    pods.subscribe({
      added: look,
      updated(old, pod) {
        const same =
          old.spec?.nodeName === pod.spec?.nodeName &&
          equalJson(old.spec?.tolerations, pod.spec?.tolerations);
        if (!same) look(pod);
      },
      deleted: (pod) => marked.delete(keyOf(pod)),
    });
    nodes.subscribe({
      updated(old, node) {
        if (equalJson(old.spec?.taints, node.spec?.taints)) return;
        for (const pod of pods.byIndex('node', nameOf(node))) queue.add(keyOf(pod));
      },
    });
    return [loop];
  },
};
