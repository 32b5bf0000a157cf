import { PODDISRUPTIONBUDGETS, PODS } from '../../api/gen/resources.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../api/gen/types/policy-v1.ts';
import { messageOf } from '../../base/errors.ts';
import { isConflict, isNotFound } from '../../client/errors.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Informer } from '../../client/informer.ts';
import { selectorMatches } from '../../client/selectors.ts';
import { keyedLoop, recorderFor } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition } from '../shared/controller.ts';
import { keyOf, metaOf, sameStatus, splitKey } from '../shared/meta.ts';
import { isPodTerminal } from '../shared/pod-status.ts';
import { countsOwners, expectedOf, failedStatus, planStatus } from './budget-status.ts';
import { Owners } from './owners.ts';

/** A pod that was to be disrupted and was not loses that mark after so long. */
const STALE_TARGET_MS = 2 * 60_000;

/**
 * Says in the status of each PodDisruptionBudget how many pods may be evicted now; the API server counts down from
 * there. Mirrors pkg/controller/disruption/disruption.go.
 */
export const disruptionController: ControllerDefinition = {
  name: 'disruption',
  inputs: [
    'poddisruptionbudgets',
    'pods',
    'deployments',
    'replicasets',
    'replicationcontrollers',
    'statefulsets',
  ],
  outputs: ['poddisruptionbudgets/status', 'pods/status'],
  start(context) {
    const budgets = context.informers.for(PODDISRUPTIONBUDGETS);
    const pods = context.informers.for(PODS);
    const syncer = new BudgetSync(context, budgets, pods);
    const { queue, loop } = keyedLoop(context, {
      name: 'disruption',
      async sync(key) {
        const recheckInMs = await syncer.sync(key);
        if (recheckInMs !== undefined) queue.addAfter(key, recheckInMs);
      },
    });
    const stale = keyedLoop(context, {
      name: 'stale-disruption-targets',
      async sync(key) {
        const { namespace, name } = splitKey(key);
        const pod = pods.get(name, namespace);
        const leftMs = pod && staleInMs(pod, context.clock.now());
        if (!pod || leftMs === undefined) return;
        if (leftMs > 0) return stale.queue.addAfter(key, leftMs);
        await clearTarget(context, pod);
      },
    });
    const enqueue = (budget: PodDisruptionBudget): void => queue.add(keyOf(budget));
    budgets.subscribe({ added: enqueue, updated: (_, budget) => enqueue(budget), deleted: enqueue });
    const look = (pod: Pod): void => {
      for (const budget of budgets.list(metaOf(pod).namespace)) if (selects(budget, pod)) enqueue(budget);
      const leftMs = staleInMs(pod, context.clock.now());
      if (leftMs !== undefined) stale.queue.addAfter(keyOf(pod), Math.max(0, leftMs));
    };
    pods.subscribe({
      added: look,
      updated: (old, pod) => {
        look(old);
        look(pod);
      },
      deleted: look,
    });
    return [loop, stale.loop];
  },
};

/** An empty selector is every pod of the namespace, an absent one none (policy/v1). */
const selects = ({ spec }: PodDisruptionBudget, pod: Pod): boolean =>
  spec?.selector !== undefined && selectorMatches(spec.selector, metaOf(pod).labels ?? {});

class BudgetSync {
  readonly #context: ControllerContext;
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #pods: Informer<Pod>;
  readonly #owners: Owners;
  readonly #events: EventRecorder;

  constructor(context: ControllerContext, budgets: Informer<PodDisruptionBudget>, pods: Informer<Pod>) {
    this.#context = context;
    this.#budgets = budgets;
    this.#pods = pods;
    this.#owners = new Owners(context);
    this.#events = recorderFor(context, 'controllermanager');
  }

  /** Brings a budget's status up to date; in how many milliseconds it must be looked at again. */
  async sync(key: string): Promise<number | undefined> {
    const { namespace, name } = splitKey(key);
    const budget = this.#budgets.get(name, namespace);
    if (!budget) return undefined;
    try {
      return await this.#trySync(budget, namespace);
    } catch (error) {
      if (isConflict(error)) throw error;
      if (isNotFound(error)) return undefined;
      // Nothing may be evicted while the sizes are not known.
      await this.#write(budget, failedStatus(budget, messageOf(error), this.#context.clock.now()));
      return undefined;
    }
  }

  async #trySync(budget: PodDisruptionBudget, namespace: string): Promise<number | undefined> {
    const pods = this.#pods.list(namespace).filter((pod) => selects(budget, pod));
    if (pods.length === 0) this.#events.event(budget, 'Normal', 'NoPods', 'No matching pods found');
    const { scale, unmanaged } = countsOwners(budget)
      ? await this.#owners.scaleOf(pods)
      : { scale: 0, unmanaged: [] };
    if (unmanaged.length > 0) {
      const message =
        'Pods selected by this PodDisruptionBudget were found to be unmanaged: their number cannot be known. Set ' +
        '".spec.minAvailable" to an integer to account for them.';
      this.#events.event(budget, 'Warning', 'UnmanagedPods', message);
    }
    const plan = planStatus(budget, pods, expectedOf(budget, pods, scale), this.#context.clock.now());
    for (const pod of plan.notDeleted) {
      const message = `Pod was expected by PDB ${keyOf(budget)} to be deleted but it wasn't`;
      this.#events.event(pod, 'Warning', 'NotDeleted', message);
    }
    await this.#write(budget, plan.status);
    return plan.recheckInMs;
  }

  async #write(budget: PodDisruptionBudget, status: PodDisruptionBudgetStatus): Promise<void> {
    if (sameStatus(budget.status, status)) return;
    await this.#context.client.update(PODDISRUPTIONBUDGETS, { ...budget, status }, { subresource: 'status' });
  }
}

/** In how long a pod's mark of being disrupted is stale; undefined where it has none. */
function staleInMs(pod: Pod, nowMs: number): number | undefined {
  if (metaOf(pod).deletionTimestamp || isPodTerminal(pod)) return undefined;
  const target = pod.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  if (target?.status !== 'True' || target.reason === 'TerminationByKubelet') return undefined;
  return Date.parse(target.lastTransitionTime ?? '') + STALE_TARGET_MS - nowMs || 0;
}

async function clearTarget({ client }: ControllerContext, pod: Pod): Promise<void> {
  const patch = {
    metadata: { uid: metaOf(pod).uid },
    status: { conditions: [{ type: 'DisruptionTarget', status: 'False', reason: null, message: null }] },
  };
  const { namespace = '', name = '' } = metaOf(pod);
  await client
    .patch(PODS, { namespace, name }, patch, { type: 'strategic', subresource: 'status' })
    .catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
}
