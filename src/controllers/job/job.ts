import { JOBS, PODS } from '../../api/gen/resources.ts';
import type { Job, JobCondition, JobStatus } from '../../api/gen/types/batch-v1.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Informer } from '../../client/informer.ts';
import { selectorMatches } from '../../client/selectors.ts';
import { BY_CONTROLLER, claim, controllerIndex } from '../shared/claim.ts';
import { isNamespaceGone, keyedLoop, recorderFor } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition, Loop } from '../shared/controller.ts';
import { Expectations } from '../shared/expectations.ts';
import type { KeyQueue } from '../shared/key-queue.ts';
import { controllerOf, keyOf, metaOf, nameOf, sameStatus, splitKey, uidOf } from '../shared/meta.ts';
import { deletionOrder } from '../shared/pod-status.ts';
import { slowStart } from '../shared/slow-start.ts';
import { isTracked, tally, TRACKING } from './counting.ts';
import type { Tally } from './counting.ts';
import { freeIndexes, jobPod, occupied, wantedActive } from './job-pods.ts';
import { JobBackoff } from './job-backoff.ts';
import { deadlineMs, isJobFinished, verdictOf } from './verdict.ts';
import type { Verdict } from './verdict.ts';

const BURST = 500;
const OURS = 'kubernetes.io/job-controller';

export const jobController: ControllerDefinition = {
  name: 'job',
  inputs: ['jobs', 'pods'],
  outputs: ['pods', 'jobs/status', 'events'],
  start: (context) => new JobController(context).loops,
};

/** Runs pods until enough of them have succeeded. Mirrors pkg/controller/job/job_controller.go. */
class JobController {
  readonly loops: Loop[];
  readonly #context: ControllerContext;
  readonly #jobs: Informer<Job>;
  readonly #pods: Informer<Pod>;
  readonly #expectations: Expectations;
  readonly #recorder: EventRecorder;
  readonly #queue: KeyQueue;
  readonly #backoff: JobBackoff;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#expectations = new Expectations(context.clock);
    this.#backoff = new JobBackoff(context.clock);
    this.#recorder = recorderFor(context, 'job-controller');
    this.#jobs = context.informers.for(JOBS);
    this.#pods = context.informers.for(PODS, { indexes: { [BY_CONTROLLER]: controllerIndex } });
    const { queue, loop } = keyedLoop(context, { name: 'job', workers: 5, sync: (key) => this.#sync(key) });
    const orphans = keyedLoop(context, {
      name: 'job-orphans',
      workers: 2,
      sync: (key) => this.#freeOrphan(key),
    });
    this.#queue = queue;
    this.loops = [loop, orphans.loop];
    this.#jobs.subscribe({
      added: (job) => queue.add(keyOf(job)),
      updated: (_, job) => queue.add(keyOf(job)),
      deleted: (job) => {
        this.#expectations.forget(keyOf(job));
        this.#backoff.forget(uidOf(job));
        for (const pod of this.#pods.byIndex(BY_CONTROLLER, uidOf(job))) orphans.queue.add(keyOf(pod));
      },
    });
    const seen = (pod: Pod, isNew: boolean): void => {
      if (metaOf(pod).deletionTimestamp) this.#podGone(pod);
      const owner = this.#ownerOf(pod);
      if (owner && isNew) this.#expectations.created(keyOf(owner));
      if (owner) queue.add(keyOf(owner));
      else if (isTracked(pod)) orphans.queue.add(keyOf(pod));
    };
    this.#pods.subscribe({
      added: (pod) => seen(pod, true),
      updated: (_, pod) => seen(pod, false),
      deleted: (pod) => this.#podGone(pod),
    });
  }

  #podGone(pod: Pod): void {
    const owner = this.#ownerOf(pod);
    if (!owner) return;
    this.#expectations.deleted(keyOf(owner), uidOf(pod));
    this.#queue.add(keyOf(owner));
  }

  #ownerOf(pod: Pod): Job | undefined {
    const ref = controllerOf(pod);
    if (ref?.kind !== 'Job') return undefined;
    const owner = this.#jobs.get(ref.name, metaOf(pod).namespace);
    return owner && uidOf(owner) === ref.uid ? owner : undefined;
  }

  /** Nobody counts the pod any more: it must not wait for being counted. */
  async #freeOrphan(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const pod = this.#pods.get(name, namespace);
    if (pod && isTracked(pod) && !this.#ownerOf(pod)) await this.#untrack(pod);
  }

  async #sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const job = this.#jobs.get(name, namespace);
    if (!job || (job.spec?.managedBy ?? OURS) !== OURS) return;
    const pods = await this.#claimed(job);
    if (isJobFinished(job) || metaOf(job).deletionTimestamp) {
      await Promise.all(pods.filter(isTracked).map((pod) => this.#untrack(pod)));
      return;
    }
    const counts = tally(job, pods);
    this.#backoff.observe(job, pods);
    const verdict = verdictOf(job, pods, counts, this.#context.clock.now());
    let failure: unknown;
    if (this.#expectations.satisfied(key))
      failure = verdict ? await this.#stopAll(key, job, counts) : await this.#manage(key, job, counts);
    await this.#writeStatus(job, counts, verdict);
    await Promise.all(counts.settled.map((pod) => this.#untrack(pod)));
    const deadline = deadlineMs(job);
    if (!verdict && deadline !== undefined)
      this.#queue.addAfter(key, Math.max(1, deadline - this.#context.clock.now()));
    if (failure !== undefined) throw failure;
  }

  #claimed(job: Job): Promise<Pod[]> {
    const orphans = this.#pods.byIndex(BY_CONTROLLER, `/${metaOf(job).namespace ?? ''}`);
    const candidates = [...this.#pods.byIndex(BY_CONTROLLER, uidOf(job)), ...orphans];
    const matches = (pod: Pod): boolean => selectorMatches(job.spec?.selector, metaOf(pod).labels);
    return claim(candidates, {
      client: this.#context.client,
      resource: PODS,
      owner: job,
      ownerResource: JOBS,
      matches,
    });
  }

  async #manage(key: string, job: Job, counts: Tally): Promise<unknown> {
    const missing = wantedActive(job, counts) - occupied(job, counts);
    if (missing < 0) {
      const extra = [...counts.active]
        .sort(deletionOrder(new Map(), this.#context.clock.now()))
        .slice(0, Math.min(-missing, counts.active.length));
      return this.#delete(key, job, extra);
    }
    if (missing === 0) return undefined;
    const waitMs = this.#backoff.waitMs(job);
    if (waitMs > 0) {
      this.#queue.addAfter(key, waitMs);
      return undefined;
    }
    const indexes = freeIndexes(job, counts, Math.min(missing, BURST));
    return this.#create(
      key,
      job,
      job.spec?.completionMode === 'Indexed'
        ? indexes
        : Array.from({ length: Math.min(missing, BURST) }, () => undefined),
    );
  }

  #stopAll(key: string, job: Job, { active }: Tally): Promise<unknown> {
    return this.#delete(key, job, active);
  }

  async #create(key: string, job: Job, indexes: Array<number | undefined>): Promise<unknown> {
    const count = indexes.length;
    if (count === 0) return undefined;
    this.#expectations.expectCreations(key, count);
    const { successes, error } = await slowStart(count, async () => {
      try {
        const pod = await this.#context.client.create(PODS, jobPod(job, indexes.shift()));
        this.#recorder.event(job, 'Normal', 'SuccessfulCreate', `Created pod: ${nameOf(pod)}`);
      } catch (failure) {
        if (isNamespaceGone(failure)) return;
        this.#recorder.event(job, 'Warning', 'FailedCreate', `Error creating: ${messageOf(failure)}`);
        throw failure;
      }
    });
    if (successes < count) this.#expectations.created(key, count - successes);
    return error;
  }

  async #delete(key: string, job: Job, pods: readonly Pod[]): Promise<unknown> {
    if (pods.length === 0) return undefined;
    this.#expectations.expectDeletions(key, pods.map(uidOf));
    const results = await Promise.allSettled(
      pods.map(async (pod) => {
        const ref = { namespace: metaOf(pod).namespace, name: nameOf(pod) };
        try {
          await this.#context.client.delete(PODS, ref, { preconditions: { uid: uidOf(pod) } });
          this.#recorder.event(job, 'Normal', 'SuccessfulDelete', `Deleted pod: ${ref.name}`);
        } catch (failure) {
          this.#expectations.deleted(key, uidOf(pod));
          if (!isNotFound(failure)) throw failure;
        }
      }),
    );
    return results.find((result) => result.status === 'rejected')?.reason as unknown;
  }

  async #untrack(pod: Pod): Promise<void> {
    const { namespace, name = '', uid, resourceVersion, finalizers = [] } = metaOf(pod);
    const left = finalizers.filter((finalizer) => finalizer !== TRACKING);
    const patch = { metadata: { uid, resourceVersion, finalizers: left.length > 0 ? left : null } };
    await this.#context.client
      .patch(PODS, { namespace, name }, patch, { type: 'merge' })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  }

  async #writeStatus(job: Job, counts: Tally, verdict: Verdict | undefined): Promise<void> {
    const { client, clock } = this.#context;
    const now = rfc3339(clock.now());
    const status: JobStatus = { ...counts.status, conditions: [...(job.status?.conditions ?? [])] };
    this.#noteSuspension(job, status, now);
    const add = (type: string, reason: string, message: string): void => {
      if (!status.conditions?.some((condition) => condition.type === type))
        status.conditions?.push({
          type,
          status: 'True',
          reason,
          message,
          lastProbeTime: now,
          lastTransitionTime: now,
        });
    };
    if (verdict) {
      add(
        verdict.kind === 'failure' ? 'FailureTarget' : 'SuccessCriteriaMet',
        verdict.reason,
        verdict.message,
      );
      const uncounted = Object.keys(status.uncountedTerminatedPods ?? {}).length;
      // The end is told when the last pod is gone and counted.
      if (counts.active.length + counts.terminating.length + uncounted === 0)
        this.#end(job, status, verdict, add, now);
    }
    if (status.conditions?.length === 0) delete status.conditions;
    if (sameStatus(job.status, status)) return;
    await client.update(JOBS, { ...job, status }, { subresource: 'status' });
  }

  #end(
    job: Job,
    status: JobStatus,
    verdict: Verdict,
    add: (type: string, reason: string, message: string) => void,
    now: string,
  ): void {
    if (verdict.kind === 'failure') {
      add('Failed', verdict.reason, verdict.message);
      this.#recorder.event(job, 'Warning', verdict.reason, verdict.message);
    } else {
      add('Complete', verdict.reason, verdict.message);
      status.completionTime = now;
      this.#recorder.event(job, 'Normal', 'Completed', 'Job completed');
    }
  }

  #noteSuspension(job: Job, status: JobStatus, now: string): void {
    const old = status.conditions?.find(({ type }) => type === 'Suspended');
    const set = (value: string, reason: string, message: string): void => {
      const condition: JobCondition = {
        type: 'Suspended',
        status: value,
        reason,
        message,
        lastProbeTime: now,
        lastTransitionTime: now,
      };
      status.conditions = [
        ...(status.conditions ?? []).filter(({ type }) => type !== 'Suspended'),
        condition,
      ];
      this.#recorder.event(job, 'Normal', value === 'True' ? 'Suspended' : 'Resumed', message);
    };
    if (job.spec?.suspend) {
      if (old?.status !== 'True') set('True', 'JobSuspended', 'Job suspended');
      delete status.startTime;
    } else {
      if (old?.status === 'True') set('False', 'JobResumed', 'Job resumed');
      status.startTime ??= now;
    }
  }
}
