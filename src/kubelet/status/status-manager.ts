import { PODS } from '../../api/gen/resources.ts';
import type { Pod, PodStatus } from '../../api/gen/types/core-v1.ts';
import { messageOf } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { WorkQueue } from '../../base/work-queue.ts';
import type { Client } from '../../client/client.ts';
import { isConflict, isNotFound } from '../../client/errors.ts';
import { isStaticPod, nameOf, namespaceOf, uidOf } from '../pods/pod-spec.ts';
import { sameStatus, statusPatch } from './status-patch.ts';

interface Entry {
  pod: Pod;
  status: PodStatus;
  /** What the API holds, as far as known: the base of the next patch. */
  reported: PodStatus;
  /** All is ended and cleaned up: the object may be removed. */
  finished: boolean;
}

/**
 * Carries pod statuses to the API: one patch at a time for each pod, always of the newest status, retried
 * until it is acknowledged. Removes pods that are being deleted once they are finished.
 */
export class StatusManager {
  readonly #client: Client;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #queue: WorkQueue;

  constructor(options: { client: Client; clock: Clock; log: Logger }) {
    this.#client = options.client;
    this.#log = options.log;
    this.#queue = new WorkQueue({
      clock: options.clock,
      workers: 8,
      initialMs: 100,
      maxMs: 10_000,
      process: (uid) => this.#sync(uid),
      onError: (uid, error) => {
        this.#log.warn({ uid, error: messageOf(error) }, 'pod status not reported, will retry');
      },
    });
  }

  /** The newest status, reported or not. */
  get(uid: string): PodStatus | undefined {
    return this.#entries.get(uid)?.status;
  }

  set(pod: Pod, status: PodStatus): void {
    const uid = uidOf(pod);
    const known = this.#entries.get(uid);
    const entry = known ?? { pod, status, reported: pod.status ?? {}, finished: false };
    entry.pod = pod;
    entry.status = status;
    this.#entries.set(uid, entry);
    if (!sameStatus(entry.reported, status)) this.#queue.add(uid);
  }

  /** The API's object changed: where its status is not ours, ours is sent again. */
  observe(pod: Pod): void {
    const entry = this.#entries.get(uidOf(pod));
    if (!entry || this.#isStatic(pod)) return;
    entry.pod = pod;
    entry.reported = pod.status ?? {};
    if (!sameStatus(entry.reported, entry.status)) this.#queue.add(uidOf(pod));
    else if (entry.finished && pod.metadata?.deletionTimestamp) this.#queue.add(uidOf(pod));
  }

  /** Everything of the pod is gone from this node; the object is removed if it is being deleted. */
  finish(pod: Pod): void {
    const entry = this.#entries.get(uidOf(pod));
    if (!entry) return;
    entry.finished = true;
    entry.pod = pod;
    this.#queue.add(uidOf(pod));
  }

  forget(uid: string): void {
    this.#entries.delete(uid);
  }

  whenIdle(): Promise<void> {
    return this.#queue.whenIdle();
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  #isStatic(pod: Pod): boolean {
    return isStaticPod(pod);
  }

  async #sync(uid: string): Promise<void> {
    const entry = this.#entries.get(uid);
    if (!entry) return;
    const ref = { namespace: namespaceOf(entry.pod), name: nameOf(entry.pod) };
    const status = entry.status;
    const target = this.#targetUid(entry.pod);
    if (target === undefined) return;
    try {
      if (!sameStatus(entry.reported, status)) {
        const patch = statusPatch(target, entry.reported, status);
        const updated = await this.#client.patch(PODS, ref, patch, {
          type: 'strategic',
          subresource: 'status',
        });
        entry.reported = updated.status ?? {};
        if (!this.#isStatic(entry.pod)) entry.pod = updated;
      }
      if (entry.finished && entry.pod.metadata?.deletionTimestamp && !this.#isStatic(entry.pod)) {
        await this.#client.delete(PODS, ref, { gracePeriodSeconds: 0, preconditions: { uid } });
      }
    } catch (error) {
      // Gone, or another pod of the same name: there is nothing to report to any more.
      if (isNotFound(error) || (isConflict(error) && (await this.#replaced(ref, target)))) {
        this.#entries.delete(uid);
        return;
      }
      throw error;
    }
  }

  /** The uid of the API's object: of a static pod, that of its mirror. */
  #targetUid(pod: Pod): string | undefined {
    return this.#isStatic(pod) ? this.mirrorUid(pod) : uidOf(pod);
  }

  /** Set by the static pod source; undefined while a static pod has no mirror in the API. */
  mirrorUid: (pod: Pod) => string | undefined = () => undefined;

  async #replaced(ref: { namespace: string; name: string }, uid: string): Promise<boolean> {
    try {
      return uidOf(await this.#client.get(PODS, ref)) !== uid;
    } catch (error) {
      return isNotFound(error);
    }
  }
}
