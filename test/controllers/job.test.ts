import test from 'ava';
import { JOBS, PODS } from '../../src/api/gen/resources.ts';
import type { Job } from '../../src/api/gen/types/batch-v1.ts';
import type { Pod } from '../../src/api/gen/types/core-v1.ts';
import { formatIndexes, parseIndexes } from '../../src/controllers/job/indexes.ts';
import { jobController } from '../../src/controllers/job/job.ts';
import { ttlAfterFinishedController } from '../../src/controllers/ttl-after-finished/ttl-after-finished.ts';
import { harness } from './harness.ts';
import type { Harness } from './harness.ts';

const TRACKING = 'batch.kubernetes.io/job-tracking';
const job = (spec: object = {}): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'j', namespace: 'x', uid: 'j' },
  spec: {
    completions: 1,
    parallelism: 1,
    selector: { matchLabels: { job: 'j' } },
    template: {
      metadata: { labels: { job: 'j' } },
      spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] },
    },
    ...spec,
  },
});

/** The controller and a kubelet that ends each pod after a second as `end` says; undefined lets it run. */
function lab(object: Job, end: (pod: Pod, count: number) => 'Succeeded' | 'Failed' | undefined): Harness {
  const h = harness(
    (context) => [...jobController.start(context), ...ttlAfterFinishedController.start(context)],
    [[JOBS, object]],
  );
  let count = 0;
  h.context.informers.for(PODS).subscribe({
    added(pod) {
      const phase = end(pod, count++);
      if (phase === undefined) return;
      const ref = { namespace: 'x', name: pod.metadata?.name ?? '' };
      h.clock.after(
        1_000,
        () =>
          void h.client
            .patch(PODS, ref, { status: { phase } }, { type: 'merge', subresource: 'status' })
            .catch(() => {}),
      );
    },
  });
  return h;
}
const read = (h: Harness) => h.client.get(JOBS, { namespace: 'x', name: 'j' });
const pods = async (h: Harness): Promise<Pod[]> => (await h.client.list(PODS)).items;
const conditions = async (h: Harness) =>
  Object.fromEntries(((await read(h)).status?.conditions ?? []).map(({ type, reason }) => [type, reason]));

test('a job runs until enough pods have succeeded, no more at once than it may', async (t) => {
  const h = lab(job({ completions: 5, parallelism: 2 }), () => 'Succeeded');
  for (let step = 0; step < 40; step++) {
    await h.settle(100);
    t.true((await pods(h)).filter((pod) => pod.status?.phase === undefined).length <= 2);
  }
  await h.settle(5_000);
  const { status } = await read(h);
  t.is(status?.succeeded, 5);
  t.truthy(status?.completionTime);
  t.is(status?.uncountedTerminatedPods, undefined);
  t.deepEqual(await conditions(h), {
    SuccessCriteriaMet: 'CompletionsReached',
    Complete: 'CompletionsReached',
  });
  t.is((await pods(h)).length, 5);
  t.true((await pods(h)).every((pod) => !pod.metadata?.finalizers?.length));
  h.writes();
  await h.settle(3_600_000);
  t.deepEqual(h.took(), []);
  await h.stop();
});

test('each end counts once although the controller is interrupted at every write', async (t) => {
  const h = lab(job({ completions: 4, parallelism: 4 }), () => 'Succeeded');
  let turn = 0;
  h.client.onWrite = ({ verb, resource, subresource }) => {
    // The kubelet's own writes arrive.
    if (resource === 'pods' && subresource === 'status') return;
    if (verb !== 'create' && turn++ % 2 === 0) throw new Error('cut off');
  };
  await h.settle(60_000);
  h.client.onWrite = undefined;
  await h.settle(120_000);
  t.is((await read(h)).status?.succeeded, 4);
  t.is((await pods(h)).length, 4);
  await h.stop();
});

test('failed pods are replaced after longer and longer waits until the limit ends the job', async (t) => {
  const h = lab(job({ backoffLimit: 2 }), () => 'Failed');
  await h.settle(8_000);
  t.is((await pods(h)).length, 1);
  await h.settle(10_000);
  t.is((await pods(h)).length, 2);
  await h.settle(120_000);
  t.is((await pods(h)).length, 3);
  t.deepEqual(await conditions(h), { FailureTarget: 'BackoffLimitExceeded', Failed: 'BackoffLimitExceeded' });
  t.is((await read(h)).status?.failed, 3);
  await h.stop();
});

test('the deadline ends a job and its pods', async (t) => {
  const h = lab(job({ activeDeadlineSeconds: 30 }), () => undefined);
  await h.settle(29_000);
  t.is((await pods(h)).length, 1);
  await h.settle(5_000);
  t.is((await conditions(h)).Failed, 'DeadlineExceeded');
  t.is((await pods(h)).length, 0);
  await h.stop();
});

test('an indexed job runs each index until it has succeeded', async (t) => {
  const failed = new Set<string>();
  const h = lab(job({ completions: 3, parallelism: 3, completionMode: 'Indexed' }), (pod) => {
    const index = pod.metadata?.annotations?.['batch.kubernetes.io/job-completion-index'] ?? '';
    if (index !== '1' || failed.has(index)) return 'Succeeded';
    failed.add(index);
    return 'Failed';
  });
  await h.settle(100);
  const [pod] = (await pods(h)).filter((each) => each.spec?.hostname === 'j-0');
  t.is(pod?.spec?.containers[0]?.env?.[0]?.name, 'JOB_COMPLETION_INDEX');
  await h.settle(60_000);
  t.like((await read(h)).status, { succeeded: 3, failed: 1, completedIndexes: '0-2' });
  t.is((await conditions(h)).Complete, 'CompletionsReached');
  await h.stop();
});

test('a success policy ends the job early and its other pods with it', async (t) => {
  const policy = { successPolicy: { rules: [{ succeededIndexes: '0' }] } };
  const h = lab(job({ completions: 3, parallelism: 3, completionMode: 'Indexed', ...policy }), (pod) =>
    pod.spec?.hostname === 'j-0' ? 'Succeeded' : undefined,
  );
  await h.settle(10_000);
  t.deepEqual(await conditions(h), { SuccessCriteriaMet: 'SuccessPolicy', Complete: 'SuccessPolicy' });
  t.deepEqual(
    (await pods(h)).map((pod) => pod.spec?.hostname),
    ['j-0'],
  );
  await h.stop();
});

test('a suspended job has no pods, and goes on when it is resumed', async (t) => {
  const h = lab(job({ suspend: true }), () => 'Succeeded');
  await h.settle(5_000);
  t.is((await pods(h)).length, 0);
  t.deepEqual(await conditions(h), { Suspended: 'JobSuspended' });
  await h.client.patch(JOBS, { namespace: 'x', name: 'j' }, { spec: { suspend: false } }, { type: 'merge' });
  await h.settle(5_000);
  t.like(await conditions(h), { Suspended: 'JobResumed', Complete: 'CompletionsReached' });
  await h.stop();
});

test('pods whose job is gone are let go', async (t) => {
  const h = lab(job(), () => undefined);
  await h.settle(1_000);
  t.deepEqual((await pods(h))[0]?.metadata?.finalizers, [TRACKING]);
  await h.client.delete(JOBS, { namespace: 'x', name: 'j' });
  await h.settle(1_000);
  t.is((await pods(h))[0]?.metadata?.finalizers, undefined);
  await h.stop();
});

test('a finished job goes when its time to live is over', async (t) => {
  const h = lab(job({ ttlSecondsAfterFinished: 60 }), () => 'Succeeded');
  await h.settle(30_000);
  t.is((await conditions(h)).Complete, 'CompletionsReached');
  await h.settle(40_000);
  t.truthy((await read(h)).metadata?.deletionTimestamp);
  await h.stop();
});

test('indexes are written as intervals and read back', (t) => {
  const text = '0-1,4,7-9';
  t.is(formatIndexes(parseIndexes(text)), text);
  t.is(formatIndexes(new Set()), '');
  t.deepEqual([...parseIndexes('')], []);
});
