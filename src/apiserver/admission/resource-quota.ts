import { RESOURCEQUOTAS } from '../../api/gen/resources.ts';
import type { ResourceQuota } from '../../api/gen/types/core-v1.ts';
import { chargeOf } from '../../api/quota/charge.ts';
import { evaluatorFor } from '../../api/quota/evaluators.ts';
import { uncoveredUse } from '../../api/quota/limited-resources.ts';
import type { LimitedResource } from '../../api/quota/limited-resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission-plugin.ts';
import type { ObjectStore } from '../object-store.ts';
import { failure, StatusError } from '../status-errors.ts';
import { refuse } from './review.ts';

/**
 * Refuses what the quotas of its namespace do not leave room for, and charges them for the rest. Must be the last
 * plugin: what another one refuses afterwards would stay charged until the quota's controller counts again. Mirrors
 * apiserver pkg/admission/plugin/resourcequota.
 */
export function resourceQuota(clock: Clock, limited: readonly LimitedResource[] = []): AdmissionPlugin {
  const turns = new Turns();
  return {
    name: 'ResourceQuota',
    handles: ({ operation, namespace, resource }) =>
      namespace !== '' &&
      (operation === 'CREATE' || operation === 'UPDATE') &&
      !(resource.group === '' && resource.resource === 'namespaces'),
    async validate(attributes, store) {
      const { resource, namespace } = attributes;
      const evaluator = evaluatorFor(resource.group, resource.resource);
      if (!evaluator?.handles(attributes) || !attributes.object) return;
      const quotas = await store.list(RESOURCEQUOTAS, namespace);
      if (quotas.length === 0 && limited.length === 0) return;
      const operation = { ...attributes, object: attributes.object };
      if (limited.length > 0) {
        const uncovered = uncoveredUse(limited, resource, quotas, evaluator, operation, clock.now());
        // Upstream forbids the one, and answers the other as an error without a reason.
        if (uncovered?.byScope) throw failure(500, '', uncovered.why);
        if (uncovered) throw refuse(attributes, uncovered.why);
      }
      const charge = (quota: ResourceQuota): Record<string, string> | undefined => {
        const cost = chargeOf(quota, evaluator, operation, clock.now());
        if (cost && 'refused' in cost) throw refuse(attributes, cost.refused);
        return cost?.used;
      };
      // In turns: this server's own requests need not lose races against each other.
      await turns.take(namespace, () => chargeAll(attributes, store, charge));
    },
  };
}

/** Each quota is changed only as it was when it was checked; what other servers charge meanwhile is seen. */
async function chargeAll(
  { namespace, context }: AdmissionAttributes,
  store: ObjectStore,
  charge: (quota: ResourceQuota) => Record<string, string> | undefined,
): Promise<void> {
  // All are asked before any is charged: one that refuses leaves the others as they are.
  const concerned = (await store.list(RESOURCEQUOTAS, namespace)).filter(
    (quota) => charge(quota) !== undefined,
  );
  if (context.dryRun) return;
  for (const { metadata } of concerned) {
    try {
      await store.update(RESOURCEQUOTAS, metadata?.name ?? '', namespace, (current) => {
        const used = charge(current);
        return used && { ...current, status: { ...current.status, used } };
      });
    } catch (error) {
      // A quota that is gone limits nothing.
      if (!(error instanceof StatusError && error.reason === 'NotFound')) throw error;
    }
  }
}

/** Runs tasks of the same key one after the other. */
class Turns {
  readonly #last = new Map<string, Promise<void>>();

  async take(key: string, task: () => Promise<void>): Promise<void> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(task);
    const settled = turn.catch(() => undefined);
    this.#last.set(key, settled);
    try {
      await turn;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }
}
