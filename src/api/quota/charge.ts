import type { ResourceQuota } from '../gen/types/core-v1.ts';
import type { KubeObject } from '../resource.ts';
import { compareQuantities } from '../quantity.ts';
import { addTo, increase, masked, readAmounts, showAmounts, withoutZeros, writeAmounts } from './amounts.ts';
import type { Amounts } from './amounts.ts';
import { inScope } from './evaluator.ts';
import type { QuotaEvaluator, QuotaOperation } from './evaluator.ts';

/** What the quota would use after the operation; `refused` says why it may not be. */
export type Charge = { used: Record<string, string> } | { refused: string } | undefined;

/**
 * What an operation costs a quota as it stands; undefined where it costs nothing. Mirrors CheckRequest of
 * apiserver pkg/admission/plugin/resourcequota/controller.go.
 */
export function chargeOf(
  quota: ResourceQuota,
  evaluator: QuotaEvaluator,
  operation: QuotaOperation & { object: KubeObject },
  nowMs: number,
): Charge {
  const name = quota.metadata?.name ?? '';
  const hard = readAmounts(quota.status?.hard);
  const limited = [...hard.keys()].filter((resource) => evaluator.counts(resource));
  if (limited.length === 0 || !inScope(quota, evaluator, operation.object)) return undefined;
  const missing = evaluator.missing?.(limited, operation.object);
  if (missing !== undefined) return { refused: `failed quota: ${name}: ${missing}` };
  const used = readAmounts(quota.status?.used);
  if (limited.some((resource) => !used.has(resource))) {
    return { refused: `status unknown for quota: ${name}, resources: ${limited.sort().join(',')}` };
  }
  const usage = evaluator.usage(operation.object, nowMs);
  const negative = [...usage].filter(([, { nanos }]) => nanos < 0n).map(([resource]) => resource);
  if (negative.length > 0) {
    return { refused: `quota usage is negative for resource(s): ${negative.sort().join(',')}` };
  }
  const requested = masked(withoutZeros(delta(quota, evaluator, operation, usage, nowMs)), hard.keys());
  if (requested.size === 0) return undefined;
  const now: Amounts = new Map(used);
  addTo(now, requested);
  const exceeded = [...requested.keys()].filter((resource) => {
    const [limit, wanted] = [hard.get(resource), now.get(resource)];
    return limit && wanted && compareQuantities(wanted, limit) > 0;
  });
  // The status of a claim follows what happened to its volume: refusing it would change nothing.
  if (exceeded.length > 0 && operation.subresource !== 'status') {
    const [asked, before, most] = [requested, used, hard].map((all) => showAmounts(masked(all, exceeded)));
    return { refused: `exceeded quota: ${name}, requested: ${asked}, used: ${before}, limited: ${most}` };
  }
  return { used: writeAmounts(now) };
}

/** An update costs what it adds, unless the object only now comes under this quota. */
function delta(
  quota: ResourceQuota,
  evaluator: QuotaEvaluator,
  { operation, oldObject }: QuotaOperation,
  usage: Amounts,
  nowMs: number,
): Amounts {
  if (operation !== 'UPDATE' || !oldObject || !inScope(quota, evaluator, oldObject)) return usage;
  return increase(usage, evaluator.usage(oldObject, nowMs));
}
