import type {
  AppArmorProfile,
  Container,
  PodSpec,
  PodTemplateSpec,
  SeccompProfile,
  Toleration,
} from '../../../../api/gen/types/core-v1.ts';
import { forbidden, invalid } from '../../../field-error.ts';
import { jsonQuote } from '../../../json-quote.ts';
import { at, checkLocalPath, child, key } from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { validateTolerations } from './scheduling.ts';

const MIRROR = 'kubernetes.io/config.mirror';
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
const TOLERATIONS = 'scheduler.alpha.kubernetes.io/tolerations';
const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod';
const SECCOMP_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/';
export const APPARMOR_CONTAINER = 'container.apparmor.security.beta.kubernetes.io/';

/** Annotations that mean something to the API server. Mirrors ValidatePodSpecificAnnotations of pkg/apis/core/validation/validation.go. */
export function checkPodAnnotations(errors: Errors, path: string, pod: PodTemplateSpec): void {
  const annotations = pod.metadata?.annotations ?? {};
  const spec = pod.spec ?? { containers: [] };
  if (annotations[MIRROR] !== undefined && !spec.nodeName) {
    const why = 'must set spec.nodeName if mirror pod annotation is set';
    errors.push(invalid(key(path, MIRROR), annotations[MIRROR], why));
  }
  checkTolerations(errors, path, annotations[TOLERATIONS]);
  const cost = annotations[DELETION_COST];
  if (cost !== undefined && !isInt32(cost)) {
    errors.push(invalid(key(path, DELETION_COST), cost, 'must be a 32bit integer'));
  }
  const names = new Set(containersOf(spec).map(({ container }) => container.name));
  for (const [name, value] of Object.entries(annotations)) {
    if (name === SECCOMP_POD || name.startsWith(SECCOMP_CONTAINER)) {
      checkSeccomp(errors, child(path, name), value);
    }
    if (!name.startsWith(APPARMOR_CONTAINER)) continue;
    const container = name.slice(APPARMOR_CONTAINER.length);
    if (!names.has(container)) errors.push(invalid(key(path, name), container, 'container not found'));
    if (value === '' || value === 'runtime/default' || value === 'unconfined') continue;
    if (value.startsWith('localhost/')) continue;
    errors.push(invalid(key(path, name), value, `invalid AppArmor profile name: ${jsonQuote(value)}`));
  }
}

function isInt32(text: string): boolean {
  if (!/^(-?[1-9][0-9]*|0)$/.test(text)) return false;
  const value = Number(text);
  return value >= -2147483648 && value <= 2147483647;
}

function checkTolerations(errors: Errors, path: string, text: string | undefined): void {
  if (!text) return;
  try {
    const tolerations = JSON.parse(text) as Toleration[];
    validateTolerations(errors, child(path, TOLERATIONS), Array.isArray(tolerations) ? tolerations : []);
  } catch (error) {
    errors.push(invalid(path, TOLERATIONS, error instanceof Error ? error.message : ''));
  }
}

function checkSeccomp(errors: Errors, path: string, profile: string): void {
  if (profile === 'runtime/default' || profile === 'docker/default' || profile === 'unconfined') return;
  if (profile.startsWith('localhost/')) checkLocalPath(errors, path, profile.slice('localhost/'.length));
  else errors.push(invalid(path, profile, 'must be a valid seccomp profile'));
}

interface PlacedContainer {
  container: Container;
  path: string;
}

function containersOf(spec: PodSpec, path = ''): PlacedContainer[] {
  return (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).map((container, index) => ({
      container,
      path: at(child(path, list), index),
    })),
  );
}

/** Annotations that say the same as a field must say just that. Mirrors validateSeccompAnnotationsAndFields and validateAppArmorAnnotationsAndFieldsMatchOnCreate. */
export function checkAnnotationsMatchFields(errors: Errors, path: string, pod: PodTemplateSpec): void {
  const annotations = pod.metadata?.annotations ?? {};
  const spec = pod.spec ?? { containers: [] };
  const ofPod = spec.securityContext;
  const profile = (
    here: string,
    field: SeccompProfile | AppArmorProfile,
    text: string,
    kind: string,
  ): void => {
    const said =
      text === 'unconfined'
        ? 'Unconfined'
        : text === 'runtime/default' || (kind === 'seccomp' && text === 'docker/default')
          ? 'RuntimeDefault'
          : text.startsWith('localhost/')
            ? 'Localhost'
            : '';
    if (!['Unconfined', 'RuntimeDefault', 'Localhost'].includes(field.type)) return;
    if (said !== field.type) {
      errors.push(forbidden(child(here, 'type'), `${kind} type in annotation and field must match`));
    } else if (said === 'Localhost' && field.localhostProfile !== text.slice('localhost/'.length)) {
      const why = `${kind} profile in annotation and field must match`;
      errors.push(forbidden(child(here, 'localhostProfile'), why));
    }
  };
  const podSeccomp = annotations[SECCOMP_POD];
  if (ofPod?.seccompProfile && podSeccomp !== undefined) {
    profile(child(path, 'securityContext', 'seccompProfile'), ofPod.seccompProfile, podSeccomp, 'seccomp');
  }
  const containers = containersOf(spec, path);
  for (const { container, path: here } of containers) {
    const field = container.securityContext?.seccompProfile;
    const text = annotations[SECCOMP_CONTAINER + container.name];
    if (!field || text === undefined) continue;
    profile(child(here, 'securityContext', 'seccompProfile'), field, text, 'seccomp');
  }
  if (spec.os?.name === 'windows') return;
  for (const { container, path: here } of containers) {
    const field = container.securityContext?.appArmorProfile ?? ofPod?.appArmorProfile;
    const text = annotations[APPARMOR_CONTAINER + container.name];
    if (!field || text === undefined) continue;
    profile(child(here, 'securityContext', 'appArmorProfile'), field, text, 'apparmor');
  }
}
