import type { ResourceQuota, ScopedResourceSelectorRequirement } from '../gen/types/core-v1.ts';
import type { KubeObject } from '../resource.ts';
import { increase, withoutZeros } from './amounts.ts';
import { inScope, scopesOf } from './evaluator.ts';
import type { QuotaEvaluator, QuotaOperation } from './evaluator.ts';

/** What may be used only where a quota covers it. */
export interface LimitedResource {
  apiGroup: string;
  resource: string;
  /** Parts of names of amounts ('.storageclass.storage.k8s.io/requests.storage'). */
  matchContains: readonly string[];
  matchScopes: readonly ScopedResourceSelectorRequirement[];
}

/**
 * Why an operation may not be, as no quota covers what it uses; undefined where it may. Mirrors CheckRequest of apiserver
 * pkg/admission/plugin/resourcequota/controller.go.
 */
export function uncoveredUse(
  limited: readonly LimitedResource[],
  of: { group: string; resource: string },
  quotas: readonly ResourceQuota[],
  evaluator: QuotaEvaluator,
  operation: QuotaOperation & { object: KubeObject },
  nowMs: number,
): { why: string; byScope: boolean } | undefined {
  const { object, oldObject } = operation;
  const usage = evaluator.usage(object, nowMs);
  const matching = quotas.filter((quota) => inScope(quota, evaluator, object));
  // An update costs what it adds, unless it only now comes under one of its quotas.
  const isOld = operation.operation === 'UPDATE' && oldObject !== undefined;
  const comesIn = matching.some((quota) => !oldObject || !inScope(quota, evaluator, oldObject));
  const added = isOld && !comesIn ? increase(usage, evaluator.usage(oldObject, nowMs)) : usage;
  if (withoutZeros(added).size === 0) return undefined;
  const parts = limited
    .filter(({ apiGroup, resource }) => apiGroup === of.group && resource === of.resource)
    .flatMap(({ matchContains }) => matchContains);
  const names = [...usage]
    .filter(([name, { nanos }]) => nanos > 0n && parts.some((part) => name.includes(part)))
    .map(([name]) => name);
  const covered = new Set(matching.flatMap(({ status }) => Object.keys(status?.hard ?? {})));
  const missing = names.filter((name) => !covered.has(name)).sort();
  if (missing.length > 0) {
    return { why: `insufficient quota to consume: ${missing.join(',')}`, byScope: false };
  }
  const scopes = limited
    .flatMap(({ matchScopes }) => matchScopes)
    .filter((scope) => evaluator.matchesScope(scope, object));
  const known = new Set(
    quotas
      .flatMap(scopesOf)
      .filter((scope) => evaluator.matchesScope(scope, object))
      .map(({ scopeName }) => scopeName),
  );
  const open = scopes.filter(({ scopeName }) => !known.has(scopeName));
  if (open.length === 0) return undefined;
  const shown = open.map(
    ({ scopeName, operator, values = [] }) => `{${scopeName} ${operator} [${values.join(' ')}]}`,
  );
  return { why: `insufficient quota to match these scopes: [${shown.join(' ')}]`, byScope: true };
}
