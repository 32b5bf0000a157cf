import type { PodSpec, ResourceRequirements } from '../../../../api/gen/types/core-v1.ts';
import { duplicate, forbidden, invalid, required } from '../../../field-error.ts';
import type { FieldError } from '../../../field-error.ts';
import { at, checkFormat, child, key } from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { dnsLabel, qualifiedName } from '../../validation/formats.ts';
import {
  canonicalQuantity,
  compareQuantities,
  isQuantity,
  isWholeQuantity,
  quantityMultipleOf,
} from '../../validation/quantities.ts';

const CONTAINER_RESOURCES = new Set(['cpu', 'memory', 'ephemeral-storage']);
const STANDARD_RESOURCES = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'storage',
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
]);

const isHugePage = (name: string): boolean => name.startsWith('hugepages-');
const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
/** Native resources may be promised more often than they are there; devices and huge pages may not. */
export const mayOvercommit = (name: string): boolean => isNative(name) && !isHugePage(name);

export function isExtendedResource(name: string): boolean {
  if (isNative(name) || name.startsWith('requests.')) return false;
  return qualifiedName(`requests.${name}`).length === 0;
}

export const isStandardResource = (name: string): boolean =>
  STANDARD_RESOURCES.has(name) || isHugePage(name) || name.startsWith('requests.hugepages-');

/** A resource name anywhere: qualified, or one of the well-known ones. */
export function checkResourceName(errors: Errors, path: string, name: string): void {
  const problems = qualifiedName(name);
  checkFormat(errors, path, name, problems);
  if (problems.length === 0 && !name.includes('/') && !isStandardResource(name)) {
    errors.push(invalid(path, name, 'must be a standard resource type or fully qualified'));
  }
}

export function checkContainerResourceName(errors: Errors, path: string, name: string): void {
  checkResourceName(errors, path, name);
  if (!name.includes('/')) {
    if (!CONTAINER_RESOURCES.has(name) && !isHugePage(name)) {
      errors.push(invalid(path, name, 'must be a standard resource for containers'));
    }
  } else if (!isNative(name) && !isExtendedResource(name)) {
    errors.push(invalid(path, name, "doesn't follow extended resource name standard"));
  }
}

/** Not negative; whole numbers for what cannot be split. Mirrors ValidateResourceQuantityValue. */
export function checkResourceQuantity(errors: Errors, path: string, name: string, quantity: string): void {
  if (!isQuantity(quantity)) return;
  if (compareQuantities(quantity, '0') < 0) {
    errors.push(invalid(path, canonicalQuantity(quantity), 'must be greater than or equal to 0'));
  }
  const integer = ['pods', 'services', 'secrets', 'configmaps', 'replicationcontrollers', 'resourcequotas'];
  if ((integer.includes(name) || isExtendedResource(name)) && !isWholeQuantity(quantity)) {
    errors.push(invalid(path, canonicalQuantity(quantity), 'must be an integer'));
  }
}

/** Mirrors validateResourceRequirements of pkg/apis/core/validation/validation.go. */
export function validateResources(
  errors: Errors,
  path: string,
  resources: ResourceRequirements | undefined,
  spec: PodSpec | undefined,
  checkName: typeof checkContainerResourceName = checkContainerResourceName,
): void {
  if (!resources) return;
  const { limits = {}, requests = {} } = resources;
  const limitsPath = child(path, 'limits');
  const requestsPath = child(path, 'requests');
  for (const [name, quantity] of Object.entries(limits)) {
    checkName(errors, key(limitsPath, name), name);
    checkResourceQuantity(errors, key(limitsPath, name), name, quantity);
    checkHugePage(errors, key(limitsPath, name), name, quantity);
  }
  for (const [name, quantity] of Object.entries(requests)) {
    checkName(errors, key(requestsPath, name), name);
    checkResourceQuantity(errors, key(requestsPath, name), name, quantity);
    checkAgainstLimit(errors, path, name, quantity, limits[name]);
    checkHugePage(errors, key(requestsPath, name), name, quantity);
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  const hasCompute = names.includes('cpu') || names.includes('memory');
  if (!hasCompute && names.some(isHugePage)) {
    errors.push(forbidden(path, 'HugePages require cpu or memory'));
  }
  validateClaims(errors, child(path, 'claims'), resources, spec);
}

function checkAgainstLimit(
  errors: Errors,
  path: string,
  name: string,
  quantity: string,
  limit: string | undefined,
): void {
  if (limit === undefined) {
    if (!mayOvercommit(name)) {
      errors.push(required(child(path, 'limits'), 'Limit must be set for non overcommitable resources'));
    }
    return;
  }
  if (!isQuantity(quantity) || !isQuantity(limit)) return;
  const order = compareQuantities(quantity, limit);
  const text = `${name} limit of ${canonicalQuantity(limit)}`;
  const field = child(path, 'requests');
  if (order !== 0 && !mayOvercommit(name)) {
    errors.push(invalid(field, canonicalQuantity(quantity), `must be equal to ${text}`));
  } else if (order > 0) {
    errors.push(invalid(field, canonicalQuantity(quantity), `must be less than or equal to ${text}`));
  }
}

function checkHugePage(errors: Errors, path: string, name: string, quantity: string): void {
  if (!isHugePage(name) || !isQuantity(quantity)) return;
  const size = name.slice('hugepages-'.length);
  if (isQuantity(size) && quantityMultipleOf(quantity, size)) return;
  const shown = canonicalQuantity(quantity);
  errors.push(invalid(path, shown, `${shown} is not positive integer multiple of ${name}`));
}

function validateClaims(
  errors: Errors,
  path: string,
  resources: ResourceRequirements,
  spec: PodSpec | undefined,
): void {
  const known = (spec?.resourceClaims ?? []).map((claim) => claim.name).sort();
  const seen = new Set<string>();
  (resources.claims ?? []).forEach((claim, index) => {
    const here = at(path, index);
    if (!claim.name) {
      errors.push(required(here));
      return;
    }
    const id = claim.request ? `${claim.name}/${claim.request}` : claim.name;
    if (seen.has(claim.name) || seen.has(id)) errors.push(duplicate(here, id));
    seen.add(id);
    if (claim.request) {
      checkFormat(errors, child(here, 'request'), claim.request, dnsLabel(claim.request));
    }
    if (known.includes(claim.name)) return;
    const list = known.length === 0 ? ' which is empty' : `: ${known.join(', ')}`;
    const missing: FieldError = {
      type: 'FieldValueNotFound',
      field: here,
      badValue: claim.name,
      detail: `must be one of the names in pod.spec.resourceClaims${list}`,
    };
    errors.push(missing);
  });
}
