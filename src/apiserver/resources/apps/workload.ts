import type { PodTemplateSpec } from '../../../api/gen/types/core-v1.ts';
import type { LabelSelector } from '../../../api/gen/types/meta-v1.ts';
import type { KubeObject } from '../../../api/resource.ts';
import { forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { ScaleSubresource } from '../../resource-definition.ts';
import { formatSelector } from '../columns.ts';
import { validatePodTemplate } from '../core/pod-spec/pod-spec.ts';
import { checkCountOrPercent, checkLabelSelector, checkNonNegative, child } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { selectorMatches } from '../validation/selectors.ts';

/** A selector that is there, well-formed, not empty, and that finds the template's own pods. `kind` completes upstream's sentence. */
export function checkSelectorAndTemplate(
  errors: Errors,
  path: string,
  spec: { selector?: LabelSelector; template?: PodTemplateSpec },
  kind: 'daemonset' | 'deployment' | 'statefulset',
): void {
  const { selector, template } = spec;
  const field = child(path, 'selector');
  if (!selector && kind !== 'daemonset') errors.push(required(field));
  const problems: Errors = [];
  checkLabelSelector(problems, field, selector);
  errors.push(...problems);
  const empty = !Object.keys(selector?.matchLabels ?? {}).length && !selector?.matchExpressions?.length;
  if (selector && empty) errors.push(invalid(field, selector, `empty selector is invalid for ${kind}`));
  else if (problems.length > 0) {
    // A daemon set's that cannot be read is not complained about twice.
    const why = kind === 'deployment' ? 'invalid label selector' : '';
    if (kind !== 'daemonset') errors.push(invalid(field, selector, why));
  } else if (!selector || !selectorMatches(selector, template?.metadata?.labels)) {
    const why = '`selector` does not match template `labels`';
    const labels = template?.metadata?.labels ?? null;
    errors.push(invalid(child(path, 'template', 'metadata', 'labels'), labels, why));
  }
  if (template) validatePodTemplate(errors, child(path, 'template'), template);
}

/** Pods of a controller run for ever: they restart always and have no deadline. */
export function checkRunsForever(
  errors: Errors,
  path: string,
  template: PodTemplateSpec | undefined,
  kind: string,
): void {
  const spec = child(path, 'template', 'spec');
  const policy = template?.spec?.restartPolicy;
  if (policy !== 'Always') {
    errors.push(notSupported(child(spec, 'restartPolicy'), policy, ['Always']));
  }
  if (template?.spec?.activeDeadlineSeconds !== undefined) {
    const why = `activeDeadlineSeconds in ${kind} is not Supported`;
    errors.push(forbidden(child(spec, 'activeDeadlineSeconds'), why));
  }
}

/** maxSurge or maxUnavailable. */
export function checkRollout(errors: Errors, path: string, value: number | string | undefined): void {
  if (value !== undefined) checkCountOrPercent(errors, path, value);
}

export function checkAtMostAll(errors: Errors, path: string, value: number | string | undefined): void {
  if (percentOf(value) > 100) errors.push(invalid(path, value, 'must not be greater than 100%'));
}

function percentOf(value: number | string | undefined): number {
  return typeof value === 'string' && /^[0-9]+%$/.test(value) ? Number(value.slice(0, -1)) : 0;
}

/** Whether a count or percentage is zero. */
export function isZero(value: number | string | undefined): boolean {
  // What is no number counts as none.
  const count = Number(String(value ?? 0).replace(/%$/, ''));
  return count === 0 || Number.isNaN(count);
}

/** Counters of a status: none negative, and none above the one that they are part of. */
export function checkCounters(
  errors: Errors,
  status: Readonly<Record<string, unknown>> | undefined,
  names: readonly string[],
  limits: ReadonlyArray<readonly [name: string, limit: string, message: string]>,
): void {
  const count = (name: string) => Number(status?.[name] ?? 0);
  for (const name of names) checkNonNegative(errors, child('status', name), count(name));
  for (const [name, limit, message] of limits) {
    if (count(name) > count(limit)) errors.push(invalid(child('status', name), count(name), message));
  }
}

/** The counters of a ReplicaSet's status, and of a ReplicationController's: the two count alike. */
export function validateReplicaCounters(status: object | undefined): FieldError[] {
  const errors: Errors = [];
  const replicas = 'cannot be greater than status.replicas';
  checkCounters(
    errors,
    status as Record<string, unknown> | undefined,
    ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration'],
    [
      ['fullyLabeledReplicas', 'replicas', replicas],
      ['readyReplicas', 'replicas', replicas],
      ['availableReplicas', 'replicas', replicas],
      ['availableReplicas', 'readyReplicas', 'cannot be greater than readyReplicas'],
    ],
  );
  return errors;
}

interface Scalable extends KubeObject {
  spec?: { replicas?: number; selector?: LabelSelector };
  status?: { replicas?: number };
}

/** `/scale` over spec.replicas. */
export function scaleOf<T extends Scalable>(): ScaleSubresource<T> {
  return {
    type: 'scale',
    name: 'scale',
    read: ({ spec, status }) => ({
      specReplicas: spec?.replicas ?? 0,
      statusReplicas: status?.replicas ?? 0,
      selector: spec?.selector ? formatSelector(spec.selector) : '',
    }),
    write(object, replicas) {
      if (object.spec) object.spec.replicas = replicas;
    },
  };
}
