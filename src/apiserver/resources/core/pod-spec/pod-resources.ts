import type { PodSpec } from '../../../../api/gen/types/core-v1.ts';
import { writeAmounts } from '../../../../api/quota/amounts.ts';
import { podRequests } from '../../../../api/quota/pod-amounts.ts';
import { forbidden, invalid, notSupported } from '../../../field-error.ts';
import { at, child, key } from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { canonicalQuantity, compareQuantities } from '../../validation/quantities.ts';
import { checkResourceName, validateResources } from './resource-requirements.ts';

const SHARED = ['cpu', 'memory'];
const isShared = (name: string): boolean => SHARED.includes(name) || name.startsWith('hugepages-');

/** What a pod as a whole may have. */
function checkPodResourceName(errors: Errors, path: string, name: string): void {
  const before = errors.length;
  checkResourceName(errors, path, name);
  if (errors.length === before && !isShared(name))
    errors.push(notSupported(path, name, ['cpu', 'hugepages-', 'memory']));
}

/** The requests of the pod itself follow from its containers', else from its limits. Mirrors setDefaultPodRequests of pkg/apis/core/v1/defaults.go. */
export function defaultPodResources(spec: PodSpec): void {
  const { resources } = spec;
  if (!resources) return;
  const { resources: _own, ...rest } = spec;
  const ofContainers = writeAmounts(podRequests({ spec: rest }, { fromStatus: false, overhead: false }));
  const requests = { ...resources.requests };
  for (const name of Object.keys(ofContainers)) {
    if (isShared(name)) requests[name] ??= ofContainers[name] ?? '0';
  }
  for (const [name, limit] of Object.entries(resources.limits ?? {})) {
    if (isShared(name)) requests[name] ??= limit;
  }
  if (Object.keys(requests).length > 0) resources.requests = requests;
}

/** Mirrors validatePodResources of pkg/apis/core/validation/validation.go. */
export function validatePodResources(errors: Errors, path: string, spec: PodSpec): void {
  const { resources } = spec;
  if (!resources) return;
  const here = child(path, 'resources');
  if (spec.os?.name === 'windows') {
    errors.push(forbidden(here, 'may not be set for a windows pod'));
    return;
  }
  if (resources.claims) {
    errors.push(forbidden(child(here, 'claims'), 'claims may not be set for Resources at pod-level'));
  }
  validateResources(errors, here, resources, spec, checkPodResourceName);
  const { resources: _own, ...rest } = spec;
  const ofContainers = writeAmounts(podRequests({ spec: rest }, { fromStatus: false, overhead: false }));
  for (const [name, request] of Object.entries(resources.requests ?? {})) {
    const sum = ofContainers[name];
    if (sum === undefined || compareQuantities(sum, request) <= 0) continue;
    const why = `must be greater than or equal to aggregate container requests of ${canonicalQuantity(sum)}`;
    errors.push(invalid(key(child(here, 'requests'), name), canonicalQuantity(request), why));
  }
  (spec.containers ?? []).forEach((container, index) => {
    for (const [name, limit] of Object.entries(container.resources?.limits ?? {})) {
      const most = resources.limits?.[name];
      if (most === undefined || compareQuantities(limit, most) <= 0) continue;
      const field = child(key(at(child(here, 'containers'), index), name), 'limits');
      const why = `must be less than or equal to pod limits of ${canonicalQuantity(most)}`;
      errors.push(invalid(field, canonicalQuantity(limit), why));
    }
  });
}
