import { JOBS } from '../../api/gen/resources.ts';
import type { Job } from '../../api/gen/types/batch-v1.ts';
import { isNotFound } from '../../client/errors.ts';
import { keyedLoop } from '../shared/controller.ts';
import type { ControllerDefinition } from '../shared/controller.ts';
import { keyOf, metaOf, splitKey, uidOf } from '../shared/meta.ts';

/** Deletes finished Jobs when spec.ttlSecondsAfterFinished has passed. Mirrors pkg/controller/ttlafterfinished. */
export const ttlAfterFinishedController: ControllerDefinition = {
  name: 'ttl-after-finished',
  inputs: ['jobs'],
  outputs: ['jobs'],
  start(context) {
    const { client, clock } = context;
    const jobs = context.informers.for(JOBS);
    const { queue, loop } = keyedLoop(context, {
      name: 'ttl-after-finished',
      async sync(key) {
        const { namespace, name } = splitKey(key);
        const job = jobs.get(name, namespace);
        const endMs = job && endOf(job);
        if (!job || endMs === undefined) return;
        const waitMs = endMs - clock.now();
        if (waitMs > 0) return queue.addAfter(key, Math.min(waitMs, 86_400_000));
        // Asked for again: the time to live may just have been made longer.
        const { uid, resourceVersion } = metaOf(await client.get(JOBS, { namespace, name }));
        if (uid !== uidOf(job) || resourceVersion !== metaOf(job).resourceVersion)
          return queue.addAfter(key, 1_000);
        await client
          .delete(
            JOBS,
            { namespace, name },
            { propagationPolicy: 'Foreground', preconditions: { uid, resourceVersion } },
          )
          .catch((error: unknown) => {
            if (!isNotFound(error)) throw error;
          });
      },
    });
    const look = (job: Job): void => {
      if (endOf(job) !== undefined) queue.add(keyOf(job));
    };
    jobs.subscribe({ added: look, updated: (_, job) => look(job) });
    return [loop];
  },
};

/** When the job may go; undefined where it has not ended, has no time to live, or goes already. */
function endOf(job: Job): number | undefined {
  const ttl = job.spec?.ttlSecondsAfterFinished;
  const ended = job.status?.conditions?.find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
  if (ttl === undefined || metaOf(job).deletionTimestamp || !ended?.lastTransitionTime) return undefined;
  return Date.parse(ended.lastTransitionTime) + ttl * 1000;
}
