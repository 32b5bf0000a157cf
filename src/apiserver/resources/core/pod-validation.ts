import type { Pod } from '../../../api/gen/types/core-v1.ts';
import { forbidden } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { at, child } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { checkAnnotationsMatchFields, checkPodAnnotations } from './pod-spec/annotations.ts';
import { checkImageSpace } from './pod-spec/containers.ts';
import { validatePodSpec } from './pod-spec/pod-spec.ts';

/** Mirrors validatePodMetadataAndSpec of pkg/apis/core/validation/validation.go. */
export function validatePodMetadataAndSpec(errors: Errors, pod: Pod): void {
  const spec = pod.spec ?? { containers: [] };
  checkPodAnnotations(errors, 'metadata.annotations', pod);
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

/** Mirrors ValidatePodCreate. */
export function validatePodCreate(pod: Pod): FieldError[] {
  const errors: Errors = [];
  validatePodMetadataAndSpec(errors, pod);
  checkAnnotationsMatchFields(errors, 'spec', pod);
  if (pod.spec?.ephemeralContainers?.length) {
    errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'));
  }
  if (pod.spec?.nodeName && pod.spec.schedulingGates?.length) {
    errors.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'));
  }
  return errors;
}
