import type { ResourceQuota, ScopedResourceSelectorRequirement } from '../gen/types/core-v1.ts';
import type { KubeObject } from '../resource.ts';
import type { Amounts } from './amounts.ts';

export interface QuotaOperation {
  readonly operation: string;
  readonly subresource: string;
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
}

/** How objects of one resource count. Mirrors Evaluator of apiserver pkg/quota/v1/interfaces.go. */
export interface QuotaEvaluator {
  /** Whether the operation may change what is used. */
  handles(operation: QuotaOperation): boolean;
  /** Whether a quota on this name counts objects of this resource. */
  counts(name: string): boolean;
  matchesScope(scope: ScopedResourceSelectorRequirement, object: KubeObject): boolean;
  usage(object: KubeObject, nowMs: number): Amounts;
  /** Why the object cannot be counted against these names; undefined where it can. */
  missing?(names: readonly string[], object: KubeObject): string | undefined;
}

export function scopesOf({ spec }: ResourceQuota): ScopedResourceSelectorRequirement[] {
  return [
    ...(spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' as const })),
    ...(spec?.scopeSelector?.matchExpressions ?? []),
  ];
}

/** Whether the quota's scopes take the object in. */
export function inScope(quota: ResourceQuota, evaluator: QuotaEvaluator, object: KubeObject): boolean {
  return scopesOf(quota).every((scope) => evaluator.matchesScope(scope, object));
}

/** Whether one of `values` (or, where there is none, its absence) meets the requirement. */
export function meets(scope: ScopedResourceSelectorRequirement, values: readonly string[]): boolean {
  const wanted = scope.values ?? [];
  switch (scope.operator) {
    case 'Exists':
      return values.length > 0;
    case 'DoesNotExist':
      return values.length === 0;
    case 'In':
      return values.some((value) => wanted.includes(value));
    default:
      return values.length === 0 || values.some((value) => !wanted.includes(value));
  }
}
