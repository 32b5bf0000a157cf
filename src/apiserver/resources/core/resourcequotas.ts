import { RESOURCEQUOTAS } from '../../../api/gen/resources.ts';
import type { ResourceQuota, ResourceQuotaSpec } from '../../../api/gen/types/core-v1.ts';
import { invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { key, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import {
  checkResourceName,
  checkResourceQuantity,
  isStandardResource,
} from './pod-spec/resource-requirements.ts';

const SCOPES = [
  'Terminating',
  'NotTerminating',
  'BestEffort',
  'NotBestEffort',
  'PriorityClass',
  'CrossNamespacePodAffinity',
  'VolumeAttributesClass',
];
const CONFLICTING = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;
const COMPUTE = /^(requests\.|limits\.)?(cpu|memory|ephemeral-storage|hugepages-.*)$/;

/** Best-effort pods have no amounts to count; the others' scopes count pods and amounts. */
function scopeCounts(scope: string, resource: string): boolean {
  if (resource === 'pods') return scope !== 'VolumeAttributesClass';
  if (scope === 'BestEffort') return false;
  if (scope === 'VolumeAttributesClass') return /^(persistentvolumeclaims|requests\.storage)$/.test(resource);
  return COMPUTE.test(resource);
}

function isQuotaResource(name: string): boolean {
  return name !== 'storage' && isStandardResource(name);
}

function checkAmounts(errors: Errors, path: string, amounts: Record<string, string> | undefined): void {
  for (const [name, quantity] of Object.entries(amounts ?? {})) {
    checkResourceName(errors, key(path, name), name);
    if (!name.includes('/') && !isQuotaResource(name)) {
      errors.push(invalid(key(path, name), name, 'must be a standard resource for quota'));
    }
    checkResourceQuantity(errors, key(path, name), name, quantity);
  }
}

/** Mirrors ValidateResourceQuotaSpec of pkg/apis/core/validation/validation.go. */
function validate({ spec }: ResourceQuota): FieldError[] {
  const errors: Errors = [];
  if (!spec) return errors;
  checkAmounts(errors, 'spec.hard', spec.hard);
  const scopes = spec.scopes ?? [];
  for (const scope of scopes) {
    if (!SCOPES.includes(scope)) errors.push(invalid('spec.scopes', scopes, 'unsupported scope'));
    checkScopeResources(errors, 'spec.scopes', scopes, scope, spec);
  }
  checkConflicts(errors, 'spec.scopes', scopes, scopes);
  validateSelector(errors, spec);
  return errors;
}

function checkScopeResources(
  errors: Errors,
  path: string,
  shown: unknown,
  scope: string,
  spec: ResourceQuotaSpec,
): void {
  for (const name of Object.keys(spec.hard ?? {}).sort()) {
    if (name.includes('/') || scopeCounts(scope, name) || !SCOPES.includes(scope)) continue;
    errors.push(invalid(path, shown, 'unsupported scope applied to resource'));
  }
}

function checkConflicts(errors: Errors, path: string, shown: unknown, scopes: readonly string[]): void {
  for (const [a, b] of CONFLICTING) {
    if (scopes.includes(a) && scopes.includes(b)) errors.push(invalid(path, shown, 'conflicting scopes'));
  }
}

function validateSelector(errors: Errors, spec: ResourceQuotaSpec): void {
  const selector = spec.scopeSelector;
  if (!selector) return;
  const path = 'spec.scopeSelector.matchExpressions';
  for (const { scopeName, operator, values = [] } of selector.matchExpressions ?? []) {
    if (!SCOPES.includes(scopeName))
      errors.push(invalid(`${path}.scopeName`, scopeName, 'unsupported scope'));
    checkScopeResources(errors, path, selector, scopeName, spec);
    const plain = !['PriorityClass', 'VolumeAttributesClass'].includes(scopeName);
    if (plain && SCOPES.includes(scopeName) && operator !== 'Exists') {
      const why =
        "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, " +
        'ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity';
      errors.push(invalid(`${path}.operator`, operator, why));
    }
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) {
        const why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
        errors.push(required(`${path}.values`, why));
      }
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0) {
        const why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
        errors.push(invalid(`${path}.values`, values, why));
      }
    } else {
      errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'));
    }
  }
  const names = (selector.matchExpressions ?? []).map((one) => one.scopeName);
  checkConflicts(errors, path, {}, names);
}

function usage({ spec, status }: ResourceQuota, kind: 'limits' | 'requests'): string {
  const names = Object.keys(status?.hard ?? spec?.hard ?? {}).sort();
  return names
    .filter((name) => name.startsWith('limits.') === (kind === 'limits'))
    .map((name) => `${name}: ${status?.used?.[name] ?? 0}/${status?.hard?.[name] ?? spec?.hard?.[name]}`)
    .join(', ');
}

/** Mirrors pkg/registry/core/resourcequota/strategy.go. */
export const resourcequotas = define(RESOURCEQUOTAS, {
  shortNames: ['quota'],
  strategy: {
    ...statusStrategy,
    returnsDeletedObject: true,
    generation: false,
    validateCreate: validate,
    validateUpdate(quota, old) {
      const errors = validate(quota);
      const sorted = (list: readonly string[] | undefined) => [...(list ?? [])].sort();
      if (!sameJson(sorted(quota.spec?.scopes), sorted(old.spec?.scopes))) {
        errors.push(invalid('spec.scopes', quota.spec?.scopes ?? [], 'field is immutable'));
      }
      return errors;
    },
  },
  subresources: [
    statusOf(({ status }: ResourceQuota) => {
      const errors: Errors = [];
      checkAmounts(errors, 'status.hard', status?.hard);
      checkAmounts(errors, 'status.used', status?.used);
      return errors;
    }),
  ],
  columns: [
    nameColumn(),
    column('Request', 'string', (quota) => usage(quota, 'requests')),
    column('Limit', 'string', (quota) => usage(quota, 'limits')),
    ageColumn(),
  ],
});
