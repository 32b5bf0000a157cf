import { PODS } from '../../api/gen/resources.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { SlipwayError } from '../../base/errors.ts';
import type { Client } from '../../client/client.ts';
import { ApiError, isNotFound } from '../../client/errors.ts';
import { podName } from './plan-drain.ts';

export interface EvictOptions {
  client: Client;
  clock: Clock;
  signal: AbortSignal;
  /** All pods must be gone after so long. */
  timeoutMs: number;
  /** Told when a pod waits, with the reason in the API server's words; once for each reason. */
  waiting: (pod: string, reason: string) => void;
}

/** A budget that has no disruption left may have one at any moment. */
const PAUSE_MS = 500;

export const podsOn = async (client: Client, node: string): Promise<Pod[]> =>
  (await client.list(PODS, { fieldSelector: `spec.nodeName=${node}` })).items;

/**
 * Evicts pods, all at once, and waits until they are gone. Budgets decide how fast. Throws E_DRAIN, which names each
 * pod that is left and what holds it, the budget for one.
 */
export async function evictPods(pods: readonly Pod[], options: EvictOptions): Promise<void> {
  const deadlineMs = options.clock.monotonicMs() + options.timeoutMs;
  const left = await Promise.all(pods.map((pod) => evictOne(pod, options, deadlineMs)));
  const reasons = left.filter((reason) => reason !== undefined);
  if (reasons.length === 0) return;
  const seconds = Math.round(options.timeoutMs / 1000);
  throw new SlipwayError('E_DRAIN', `after ${seconds} s there are still pods:\n  ${reasons.join('\n  ')}`, {
    hint: 'give the workload more replicas or its budget more room, or wait longer (--drain-timeout), then run the same command again',
  });
}

/** Asks the API server whether it would evict the pod now, without doing it: undefined, or what holds it. */
export async function wouldEvict(client: Client, pod: Pod): Promise<string | undefined> {
  return await requestEviction(client, pod, true);
}

/** Resolves with nothing when the pod is gone, and with what holds it when time is up. */
async function evictOne(
  pod: Pod,
  { client, clock, signal, waiting }: EvictOptions,
  deadlineMs: number,
): Promise<string | undefined> {
  const ref = { namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '' };
  let evicted = pod.metadata?.deletionTimestamp !== undefined;
  let reason = '';
  for (;;) {
    if (!evicted) {
      const held = await requestEviction(client, pod, false);
      evicted = held === undefined;
      if (held !== undefined && held !== reason) waiting(podName(pod), held);
      reason = held ?? 'it is being stopped';
    }
    if (evicted && (await isGone(client, ref, pod))) return undefined;
    if (clock.monotonicMs() > deadlineMs) return `${podName(pod)}: ${reason || 'it is being stopped'}`;
    await clock.sleep(PAUSE_MS, signal);
  }
}

async function isGone(client: Client, ref: { namespace: string; name: string }, pod: Pod): Promise<boolean> {
  try {
    // Of a stateful set there may be a new one of the same name elsewhere.
    return (await client.get(PODS, ref)).metadata?.uid !== pod.metadata?.uid;
  } catch (error) {
    if (isNotFound(error)) return true;
    throw error;
  }
}

/** Undefined where the pod is evicted or gone, else why not, for now. */
async function requestEviction(client: Client, pod: Pod, dryRun: boolean): Promise<string | undefined> {
  const { namespace = '', name = '', uid } = pod.metadata ?? {};
  const eviction = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { namespace, name },
    deleteOptions: {
      ...(uid === undefined ? {} : { preconditions: { uid } }),
      ...(dryRun ? { dryRun: ['All'] } : {}),
    },
  };
  try {
    await client.createSubresource(PODS, { namespace, name }, 'eviction', eviction);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { code, details, message = '' } = error.status;
    // 409: the pod of that name is another one by now.
    if (code === 404 || code === 409) return undefined;
    if (code !== 429 && code !== 500) throw error;
    const causes = (details?.causes ?? []) as Array<{ message?: string }>;
    return causes.map((cause) => cause.message).find((text) => text) ?? message;
  }
}
