import type { Pod } from '../../../api/gen/types/core-v1.ts';
import { forbidden, invalid } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { at, child, key } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { checkImageSpace } from './pod-spec/containers.ts';
import { validatePodSpec } from './pod-spec/pod-spec.ts';

const MIRROR = 'kubernetes.io/config.mirror';
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';

/** Mirrors validatePodMetadataAndSpec of pkg/apis/core/validation/validation.go. */
export function validatePodMetadataAndSpec(errors: Errors, pod: Pod): void {
  const spec = pod.spec ?? { containers: [] };
  const annotations = pod.metadata?.annotations ?? {};
  if (annotations[MIRROR] !== undefined && !spec.nodeName) {
    const why = 'must set spec.nodeName if mirror pod annotation is set';
    errors.push(invalid(key('metadata.annotations', MIRROR), annotations[MIRROR], why));
  }
  const cost = annotations[DELETION_COST];
  if (cost !== undefined && !isInt32(cost)) {
    errors.push(invalid(key('metadata.annotations', DELETION_COST), cost, 'must be a 32bit integer'));
  }
  const podName = pod.metadata?.name;
  validatePodSpec(errors, 'spec', spec, podName ? { isPod: true, podName } : { isPod: true });
  if (!spec.serviceAccountName) {
    (spec.volumes ?? []).forEach((volume, index) => {
      (volume.projected?.sources ?? []).forEach((source, number) => {
        if (!source.serviceAccountToken) return;
        const sources = child(at('spec.volumes', index), 'projected', 'sources');
        const why = 'must not be specified when serviceAccountName is not set';
        errors.push(forbidden(child(at(sources, number), 'serviceAccountToken'), why));
      });
    });
  }
  for (const field of ['containers', 'initContainers'] as const) {
    (spec[field] ?? []).forEach((container, index) => {
      checkImageSpace(errors, at(child('spec', field), index), container);
    });
  }
}

function isInt32(text: string): boolean {
  if (!/^(-?[1-9][0-9]*|0)$/.test(text)) return false;
  const value = Number(text);
  return value >= -2147483648 && value <= 2147483647;
}

/** Mirrors ValidatePodCreate. */
export function validatePodCreate(pod: Pod): FieldError[] {
  const errors: Errors = [];
  validatePodMetadataAndSpec(errors, pod);
  if (pod.spec?.ephemeralContainers?.length) {
    errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'));
  }
  if (pod.spec?.nodeName && pod.spec.schedulingGates?.length) {
    errors.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'));
  }
  return errors;
}
