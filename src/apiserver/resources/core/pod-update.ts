import type { ContainerStatus, Container, Pod, PodSpec } from '../../../api/gen/types/core-v1.ts';
import { duplicate, forbidden, invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { at, checkFormat, checkImmutable, child, cloneJson, key, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsSubdomain, inRangeMessage, qualifiedName } from '../validation/formats.ts';
import { ipFamily, ipProblems } from '../validation/ip.ts';
import { describeDifference } from '../validation/difference.ts';
import { validatePodMetadataAndSpec } from './pod-validation.ts';
import { validateTolerations } from './pod-spec/scheduling.ts';

const MAX_SECONDS = 2147483647;
const UPDATABLE = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
];

/** What an update of a pod may change. Mirrors ValidatePodUpdate of pkg/apis/core/validation/validation.go. */
export function validatePodUpdate(pod: Pod, old: Pod): FieldError[] {
  const errors: Errors = [];
  validatePodMetadataAndSpec(errors, pod);
  checkAnnotationUpdates(errors, pod, old);
  const spec = pod.spec as PodSpec;
  const oldSpec = old.spec as PodSpec;
  for (const field of ['containers', 'initContainers'] as const) {
    const path = child('spec', field);
    if ((spec[field]?.length ?? 0) !== (oldSpec[field]?.length ?? 0)) {
      errors.push(forbidden(path, 'pod updates may not add or remove containers'));
      return errors;
    }
    (spec[field] ?? []).forEach((container, index) => {
      if (!container.image) errors.push(required(child(at(path, index), 'image')));
    });
  }
  checkDeadline(errors, spec, oldSpec);
  checkTolerations(errors, spec, oldSpec);
  const gates = new Set((oldSpec.schedulingGates ?? []).map((gate) => gate.name));
  (spec.schedulingGates ?? []).forEach((gate, index) => {
    if (gates.has(gate.name)) return;
    const why = `only deletion is allowed, but found new scheduling gate '${gate.name}'`;
    errors.push(forbidden(child(at('spec.schedulingGates', index), 'name'), why));
  });
  if (sameJson(spec, oldSpec)) return errors;
  const changed = withoutAllowedChanges(errors, spec, oldSpec);
  if (!sameJson(changed, oldSpec)) {
    const difference = describeDifference(oldSpec, changed);
    const why = `pod updates may not change fields other than ${UPDATABLE.join(',')}\n${difference}`;
    errors.push(forbidden('spec', why));
  }
  return errors;
}

/** The new spec with everything put back that may change: what still differs may not. */
function withoutAllowedChanges(errors: Errors, spec: PodSpec, old: PodSpec): PodSpec {
  const changed = cloneJson(spec);
  for (const field of ['containers', 'initContainers'] as const) {
    (changed[field] ?? []).forEach((container, index) => {
      container.image = old[field]?.[index]?.image;
    });
  }
  putBack(changed, old, 'activeDeadlineSeconds');
  putBack(changed, old, 'schedulingGates');
  putBack(changed, old, 'tolerations');
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && changed.terminationGracePeriodSeconds === 1) {
    putBack(changed, old, 'terminationGracePeriodSeconds');
  }
  if (old.schedulingGates?.length) narrowGatedPod(errors, changed, old);
  return changed;
}

function putBack(changed: PodSpec, old: PodSpec, field: keyof PodSpec): void {
  if (old[field] === undefined) delete changed[field];
  else Object.assign(changed, { [field]: old[field] });
}

/** A pod that waits at a gate may still be narrowed: its node selector and required node affinity may gain terms. */
function narrowGatedPod(errors: Errors, changed: PodSpec, old: PodSpec): void {
  if (!sameJson(changed.nodeSelector, old.nodeSelector)) {
    const kept = Object.entries(old.nodeSelector ?? {}).every(
      ([name, value]) => changed.nodeSelector?.[name] === value,
    );
    if (!kept) {
      const why = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
      errors.push(invalid('spec.nodeSelector', changed.nodeSelector, why));
    }
    putBack(changed, old, 'nodeSelector');
  }
  const oldTerms = old.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const newTerms = changed.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (sameJson(changed.affinity?.nodeAffinity, old.affinity?.nodeAffinity)) return;
  const path = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution';
  if (oldTerms && newTerms) {
    const same = oldTerms.nodeSelectorTerms.length === newTerms.nodeSelectorTerms.length;
    const narrowed = oldTerms.nodeSelectorTerms.every((term, index) => {
      const other = newTerms.nodeSelectorTerms[index];
      const keeps = (field: 'matchExpressions' | 'matchFields') =>
        (term[field] ?? []).every((wanted) => other?.[field]?.some((given) => sameJson(given, wanted)));
      return keeps('matchExpressions') && keeps('matchFields');
    });
    if (!same || !narrowed) {
      const why = 'only additions are allowed (no mutations or deletions)';
      errors.push(invalid(child(path, 'nodeSelectorTerms'), newTerms.nodeSelectorTerms, why));
    }
  } else if (oldTerms) {
    errors.push(invalid(path, newTerms ?? null, 'only additions are allowed (no mutations or deletions)'));
  }
  const { podAffinity, podAntiAffinity } = changed.affinity ?? {};
  const affinity = { ...old.affinity, podAffinity, podAntiAffinity };
  if (sameJson(affinity, {}) && !old.affinity) delete changed.affinity;
  else changed.affinity = affinity;
}

function checkDeadline(errors: Errors, spec: PodSpec, old: PodSpec): void {
  const field = 'spec.activeDeadlineSeconds';
  const value = spec.activeDeadlineSeconds;
  const before = old.activeDeadlineSeconds;
  if (value === undefined) {
    if (before !== undefined) {
      errors.push(invalid(field, null, 'must not update from a positive integer to nil value'));
    }
    return;
  }
  if (value < 0 || value > MAX_SECONDS) errors.push(invalid(field, value, inRangeMessage(0, MAX_SECONDS)));
  else if (before !== undefined && before < value) {
    errors.push(invalid(field, value, 'must be less than or equal to previous value'));
  }
}

function checkTolerations(errors: Errors, spec: PodSpec, old: PodSpec): void {
  for (const before of old.tolerations ?? []) {
    const kept = (spec.tolerations ?? []).some((now) =>
      sameJson({ ...before, tolerationSeconds: now.tolerationSeconds }, now),
    );
    if (!kept) {
      const why = 'existing toleration can not be modified except its tolerationSeconds';
      errors.push(forbidden('spec.tolerations', why));
    }
  }
  validateTolerations(errors, 'spec.tolerations', spec.tolerations);
}

const MIRROR = 'kubernetes.io/config.mirror';

export function checkAnnotationUpdates(errors: Errors, pod: Pod, old: Pod): void {
  const now = pod.metadata?.annotations?.[MIRROR];
  const before = old.metadata?.annotations?.[MIRROR];
  if (now === before) return;
  const why =
    before === undefined
      ? 'may not add mirror pod annotation'
      : 'may not remove or update mirror pod annotation';
  errors.push(forbidden(key('metadata.annotations', MIRROR), why));
}

function checkClaimStatuses(errors: Errors, { status }: Pod, old: Pod): void {
  const statuses = status?.resourceClaimStatuses ?? [];
  statuses.forEach(({ name, resourceClaimName }, index) => {
    const here = at('status.resourceClaimStatuses', index);
    if (!old.spec?.resourceClaims?.some((claim) => claim.name === name)) {
      const why = 'must match the name of an entry in `spec.resourceClaims`';
      errors.push(invalid(child(here, 'name'), name, why));
    }
    if (statuses.findIndex((one) => one.name === name) < index) {
      errors.push(duplicate(child(here, 'name'), name));
    }
    if (resourceClaimName === undefined) return;
    checkFormat(errors, child(here, 'resourceClaimName'), resourceClaimName, dnsSubdomain(resourceClaimName));
  });
}

/** What an update of a pod's status may say. Mirrors ValidatePodStatusUpdate. */
export function validatePodStatusUpdate(pod: Pod, old: Pod): FieldError[] {
  const errors: Errors = [];
  const status = pod.status ?? {};
  checkAnnotationUpdates(errors, pod, old);
  (status.conditions ?? []).forEach((condition, index) => {
    if (['PodScheduled', 'Ready', 'Initialized'].includes(condition.type)) return;
    const field = child(at('status.conditions', index), 'Type');
    checkFormat(errors, field, condition.type, qualifiedName(condition.type));
  });
  const nominated = status.nominatedNodeName;
  if (nominated && nominated !== old.status?.nominatedNodeName) {
    checkFormat(errors, 'status.nominatedNodeName', nominated, dnsSubdomain(nominated));
    if (old.spec?.nodeName) {
      const why = 'may not be set on pods that are already bound to a node';
      errors.push(forbidden('status.nominatedNodeName', why));
    }
  }
  checkClaimStatuses(errors, pod, old);
  if ((status.observedGeneration ?? 0) < 0) {
    const why = 'must be a non-negative integer';
    errors.push(invalid('status.observedGeneration', status.observedGeneration, why));
  }
  checkImmutable(errors, 'status.qosClass', status.qosClass, old.status?.qosClass);
  const policyOf = (container: Container | undefined) => container?.restartPolicy ?? old.spec?.restartPolicy;
  checkTransitions(
    errors,
    'status.containerStatuses',
    status.containerStatuses,
    old.status?.containerStatuses,
    (name) => policyOf(old.spec?.containers?.find((one) => one.name === name)),
  );
  checkTransitions(
    errors,
    'status.initContainerStatuses',
    status.initContainerStatuses,
    old.status?.initContainerStatuses,
    (name) => policyOf(old.spec?.initContainers?.find((one) => one.name === name)),
  );
  checkIps(
    errors,
    'status.podIPs',
    (status.podIPs ?? []).map((one) => one.ip),
  );
  checkIps(
    errors,
    'status.hostIPs',
    (status.hostIPs ?? []).map((one) => one.ip),
  );
  return errors;
}

/** A container that has ended and is not to be restarted stays ended. */
function checkTransitions(
  errors: Errors,
  path: string,
  now: readonly ContainerStatus[] | undefined,
  before: readonly ContainerStatus[] | undefined,
  restartPolicy: (name: string) => string | undefined,
): void {
  (before ?? []).forEach((old, index) => {
    const ended = old.state?.terminated;
    if (!ended) return;
    const policy = restartPolicy(old.name);
    if (policy === 'Always' || (policy === 'OnFailure' && ended.exitCode !== 0)) return;
    const current = now?.find((status) => status.name === old.name);
    if (current && !current.state?.terminated) {
      const why = 'may not be transitioned to non-terminated state';
      errors.push(forbidden(child(at(path, index), 'state'), why));
    }
  });
}

function checkIps(errors: Errors, path: string, addresses: readonly string[]): void {
  addresses.forEach((address, index) => checkFormat(errors, at(path, index), address, ipProblems(address)));
  const families = new Set(addresses.map(ipFamily));
  if (addresses.length > 1 && (addresses.length > 2 || families.size < 2)) {
    const shown = addresses.map((ip) => ({ ip }));
    errors.push(invalid(path, shown, 'may specify no more than one IP for each IP family'));
  }
}
