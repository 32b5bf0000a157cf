import type { Container, Pod, PodSpec, ResourceRequirements } from '../../../api/gen/types/core-v1.ts';
import { forbidden, invalid } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { StatusSubresource } from '../../resource-definition.ts';
import { at, child, cloneJson, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { describeDifference } from '../validation/difference.ts';
import { keepMetadata } from './pod-actions.ts';
import { qosClass } from './pod-qos.ts';
import { checkAnnotationUpdates } from './pod-update.ts';
import { validatePodMetadataAndSpec } from './pod-validation.ts';

const MIRROR = 'kubernetes.io/config.mirror';

/** Debugging containers: they may be added, and neither changed nor removed. */
export const ephemeralContainers: StatusSubresource<Pod> = {
  type: 'part',
  name: 'ephemeralcontainers',
  bumpsGeneration: true,
  prepareForUpdate(pod, old) {
    const wanted = pod.spec?.ephemeralContainers;
    pod.spec = { ...(old.spec as PodSpec) };
    if (wanted) pod.spec.ephemeralContainers = wanted;
    else delete pod.spec.ephemeralContainers;
    if (old.status) pod.status = old.status;
    keepMetadata(pod, old);
  },
  validateUpdate(pod, old) {
    const errors: Errors = [];
    validatePodMetadataAndSpec(errors, pod);
    checkAnnotationUpdates(errors, pod, old);
    if (old.metadata?.annotations?.[MIRROR] !== undefined) {
      return [forbidden('', 'static pods do not support ephemeral containers')];
    }
    for (const before of old.spec?.ephemeralContainers ?? []) {
      const now = pod.spec?.ephemeralContainers?.find((one) => one.name === before.name);
      const what = `existing ephemeral containers ${JSON.stringify(before.name)}`;
      if (!now) errors.push(forbidden('spec.ephemeralContainers', `${what} may not be removed\n`));
      else if (!sameJson(now, before)) {
        const why = `${what} may not be changed\n${describeDifference(before, now)}`;
        errors.push(forbidden('spec.ephemeralContainers', why));
      }
    }
    return errors;
  },
};

/** CPU and memory of a running pod. Mirrors ValidatePodResize of pkg/apis/core/validation/validation.go. */
export const resize: StatusSubresource<Pod> = {
  type: 'part',
  name: 'resize',
  bumpsGeneration: true,
  prepareForUpdate(pod, old) {
    const sameShape = (['containers', 'initContainers'] as const).every(
      (field) => (pod.spec?.[field]?.length ?? 0) === (old.spec?.[field]?.length ?? 0),
    );
    // Validation says what is wrong where containers were added, removed or renamed.
    if (!sameShape || !pod.spec || !old.spec) return;
    const wanted = pod.spec;
    pod.spec = { ...old.spec };
    if (wanted.resources) pod.spec.resources = wanted.resources;
    for (const field of ['containers', 'initContainers'] as const) {
      const containers = old.spec[field];
      if (!containers) continue;
      pod.spec[field] = containers.map((container, index) => resized(container, wanted[field]?.[index]));
    }
    if (old.status) pod.status = old.status;
    keepMetadata(pod, old);
  },
  validateUpdate: validateResize,
};

/** The old container with the new one's resources; a renamed one keeps its new name, for validation to refuse. */
function resized(old: Container, wanted: Container | undefined): Container {
  const container = { ...old, name: wanted?.name ?? old.name };
  if (wanted?.resources) container.resources = wanted.resources;
  if (wanted?.resizePolicy) container.resizePolicy = wanted.resizePolicy;
  return container;
}

function validateResize(pod: Pod, old: Pod): FieldError[] {
  const errors: Errors = [];
  validatePodMetadataAndSpec(errors, pod);
  if (old.metadata?.annotations?.[MIRROR] !== undefined) {
    return [forbidden('', 'static pods cannot be resized')];
  }
  if (old.spec?.os?.name === 'windows') return [forbidden('', 'windows pods cannot be resized')];
  if ((old.status?.qosClass ?? qosClass(old)) !== qosClass(pod)) {
    const why = 'Pod QOS Class may not change as a result of resizing';
    errors.push(invalid('spec', pod.status?.qosClass ?? '', why));
  }
  const running = old.status?.containerStatuses?.find((one) => one.state?.running);
  if (running && !running.resources) {
    errors.push(forbidden('spec', 'Pod running on node without support for resize'));
  }
  for (const field of ['containers', 'initContainers'] as const) {
    const path = child('spec', field);
    const now = pod.spec?.[field] ?? [];
    const before = old.spec?.[field] ?? [];
    if (now.length !== before.length) {
      errors.push(forbidden(path, `${field} may not be added or removed on resize`));
      return errors;
    }
    now.forEach((container, index) => {
      if (container.name !== before[index]?.name) {
        const why = `${field} may not be renamed or reordered on resize`;
        errors.push(forbidden(child(at(path, index), 'name'), why));
      }
      const resources = child(at(path, index), 'resources');
      checkRemoved(errors, resources, container.resources, before[index]?.resources);
    });
  }
  if (errors.length === 0 && !sameJson(withoutComputeChanges(pod, old), old.spec)) {
    errors.push(forbidden('spec', 'only cpu and memory resources are mutable'));
  }
  return errors;
}

function checkRemoved(
  errors: Errors,
  path: string,
  now: ResourceRequirements | undefined,
  before: ResourceRequirements | undefined,
): void {
  for (const kind of ['requests', 'limits'] as const) {
    const gone = Object.keys(before?.[kind] ?? {}).some((name) => now?.[kind]?.[name] === undefined);
    if (gone) errors.push(forbidden(child(path, kind), `resource ${kind} cannot be removed`));
  }
}

/** The new spec with cpu and memory as they were: what still differs may not. */
function withoutComputeChanges(pod: Pod, old: Pod): PodSpec {
  const spec = cloneJson(pod.spec as PodSpec);
  const restore = (
    now: { resources?: ResourceRequirements },
    before: { resources?: ResourceRequirements } | undefined,
  ) => {
    for (const kind of ['requests', 'limits'] as const) {
      const kept = { ...now.resources?.[kind] };
      for (const name of ['cpu', 'memory']) {
        const was = before?.resources?.[kind]?.[name];
        if (was === undefined) delete kept[name];
        else kept[name] = was;
      }
      now.resources = { ...now.resources, [kind]: kept };
    }
  };
  if (spec.resources || old.spec?.resources) restore(spec, old.spec);
  for (const field of ['containers', 'initContainers'] as const) {
    (spec[field] ?? []).forEach((container, index) => restore(container, old.spec?.[field]?.[index]));
  }
  return spec;
}
