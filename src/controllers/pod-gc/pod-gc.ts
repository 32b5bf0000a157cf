import { NODES, PODS } from '../../api/gen/resources.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { isNotFound } from '../../client/errors.ts';
import { keyedLoop } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition } from '../shared/controller.ts';
import { byCreation, keyOf, metaOf, nameOf, splitKey, uidOf } from '../shared/meta.ts';
import { isPodTerminal } from '../shared/pod-status.ts';

/** A node that is missing may be about to come back: its pods are left alone for so long. */
const QUARANTINE_MS = 40_000;
/** Finished pods beyond this number go, oldest first; upstream's --terminated-pod-gc-threshold. */
const MAX_TERMINATED = 12_500;

/**
 * Removes pods that nobody else will: on nodes that are gone, deleted before they had a node, and finished
 * ones beyond a number. Mirrors pkg/controller/podgc/gc_controller.go, by events in place of its timer.
 */
export const podGcController: ControllerDefinition = {
  name: 'pod-gc',
  inputs: ['pods', 'nodes'],
  outputs: ['pods', 'pods/status'],
  start(context) {
    const nodes = context.informers.for(NODES);
    const pods = context.informers.for(PODS, { indexes: { node: (pod) => [pod.spec?.nodeName ?? ''] } });
    let terminated = 0;
    const { queue, loop } = keyedLoop(context, {
      name: 'pod-gc',
      async sync(key) {
        if (key === TERMINATED) {
          const finished = pods.list().filter(isPodTerminal).sort(byCreation);
          for (const pod of finished.slice(0, Math.max(0, finished.length - MAX_TERMINATED)))
            await remove(context, pod);
          return;
        }
        const { namespace, name } = splitKey(key);
        const pod = pods.get(name, namespace);
        if (!pod) return;
        const node = pod.spec?.nodeName;
        if (node === undefined || node === '') {
          if (metaOf(pod).deletionTimestamp) await remove(context, pod);
        } else if (!nodes.get(node) && !(await exists(context, node))) {
          await markFailed(context, pod);
          await remove(context, pod);
        }
      },
    });
    const look = (pod: Pod): void => {
      const node = pod.spec?.nodeName;
      if (!node) {
        if (metaOf(pod).deletionTimestamp) queue.add(keyOf(pod));
      } else if (!nodes.get(node)) queue.addAfter(keyOf(pod), QUARANTINE_MS);
    };
    const count = (pod: Pod | undefined, change: number): void => {
      if (!pod || !isPodTerminal(pod)) return;
      terminated += change;
      if (terminated > MAX_TERMINATED) queue.add(TERMINATED);
    };
    pods.subscribe({
      added: (pod) => {
        look(pod);
        count(pod, 1);
      },
      updated: (old, pod) => {
        look(pod);
        count(old, -1);
        count(pod, 1);
      },
      deleted: (pod) => count(pod, -1),
    });
    nodes.subscribe({
      deleted: (node) => {
        for (const pod of pods.byIndex('node', nameOf(node))) queue.addAfter(keyOf(pod), QUARANTINE_MS);
      },
    });
    return [loop];
  },
};

/** No pod has a key without a namespace. */
const TERMINATED = 'terminated';

/** Asks the server itself: a cache that is behind must not cost a pod its life. */
async function exists({ client }: ControllerContext, node: string): Promise<boolean> {
  try {
    await client.get(NODES, { name: node });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** So that whoever owns the pod counts it as failed, whatever state its node left it in. */
async function markFailed({ client, clock }: ControllerContext, pod: Pod): Promise<void> {
  if (isPodTerminal(pod)) return;
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByPodGC',
    message: 'PodGC: node no longer exists',
    lastTransitionTime: rfc3339(clock.now()),
  };
  const ref = { namespace: metaOf(pod).namespace, name: nameOf(pod) };
  const patch = { metadata: { uid: uidOf(pod) }, status: { phase: 'Failed', conditions: [condition] } };
  await client.patch(PODS, ref, patch, { type: 'strategic', subresource: 'status' });
}

async function remove({ client, log }: ControllerContext, pod: Pod): Promise<void> {
  const ref = { namespace: metaOf(pod).namespace, name: nameOf(pod) };
  log.info({ pod: keyOf(pod), node: pod.spec?.nodeName }, 'removing a pod that nobody looks after');
  await client
    .delete(PODS, ref, { gracePeriodSeconds: 0, preconditions: { uid: uidOf(pod) } })
    .catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
}
