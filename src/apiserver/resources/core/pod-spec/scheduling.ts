import type {
  Affinity,
  NodeSelector,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from '../../../../api/gen/types/core-v1.ts';
import type { LabelSelector } from '../../../../api/gen/types/meta-v1.ts';
import { duplicate, forbidden, invalid, notSupported, required } from '../../../field-error.ts';
import {
  at,
  checkFormat,
  checkLabelName,
  checkLabelSelector,
  checkOptionalEnum,
  checkPositive,
  child,
} from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { dnsLabel, dnsSubdomain, labelValue } from '../../validation/formats.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** Mirrors validateAffinity of pkg/apis/core/validation/validation.go. */
export function validateAffinity(errors: Errors, path: string, affinity: Affinity | undefined): void {
  const node = affinity?.nodeAffinity;
  const nodePath = child(path, 'nodeAffinity');
  if (node?.requiredDuringSchedulingIgnoredDuringExecution) {
    const field = child(nodePath, 'requiredDuringSchedulingIgnoredDuringExecution');
    validateNodeSelector(errors, field, node.requiredDuringSchedulingIgnoredDuringExecution);
  }
  (node?.preferredDuringSchedulingIgnoredDuringExecution ?? []).forEach((term, index) => {
    const here = at(child(nodePath, 'preferredDuringSchedulingIgnoredDuringExecution'), index);
    checkWeight(errors, here, term.weight);
    validateNodeTerm(errors, child(here, 'preference'), term.preference, false);
  });
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const pods = affinity?.[kind];
    const podsPath = child(path, kind);
    (pods?.requiredDuringSchedulingIgnoredDuringExecution ?? []).forEach((term, index) => {
      const field = child(podsPath, 'requiredDuringSchedulingIgnoredDuringExecution');
      validatePodTerm(errors, at(field, index), term);
    });
    (pods?.preferredDuringSchedulingIgnoredDuringExecution ?? []).forEach((term, index) => {
      const here = at(child(podsPath, 'preferredDuringSchedulingIgnoredDuringExecution'), index);
      checkWeight(errors, here, term.weight);
      validatePodTerm(errors, child(here, 'podAffinityTerm'), term.podAffinityTerm);
    });
  }
}

function checkWeight(errors: Errors, path: string, weight: number): void {
  if (weight <= 0 || weight > 100) {
    errors.push(invalid(child(path, 'weight'), weight, 'must be in the range 1-100'));
  }
}

export function validateNodeSelector(errors: Errors, path: string, selector: NodeSelector): void {
  const terms = child(path, 'nodeSelectorTerms');
  if (!selector.nodeSelectorTerms?.length) {
    errors.push(required(terms, 'must have at least one node selector term'));
    return;
  }
  selector.nodeSelectorTerms.forEach((term, index) => {
    validateNodeTerm(errors, at(terms, index), term, true);
  });
}

function validateNodeTerm(
  errors: Errors,
  path: string,
  given: NodeSelectorTerm | undefined,
  checkValues: boolean,
): void {
  const term = given ?? {};
  (term.matchExpressions ?? []).forEach((expression, index) => {
    const here = at(child(path, 'matchExpressions'), index);
    const values = expression.values ?? [];
    const field = child(here, 'values');
    switch (expression.operator) {
      case 'In':
      case 'NotIn':
        if (values.length === 0) {
          errors.push(required(field, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0) {
          const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
          errors.push(forbidden(field, why));
        }
        break;
      case 'Gt':
      case 'Lt':
        if (values.length !== 1) {
          errors.push(required(field, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
        }
        break;
      default:
        errors.push(invalid(child(here, 'operator'), expression.operator, 'not a valid selector operator'));
    }
    checkLabelName(errors, child(here, 'key'), expression.key);
    if (!checkValues) return;
    values.forEach((value, number) => checkFormat(errors, at(field, number), value, labelValue(value)));
  });
  (term.matchFields ?? []).forEach((requirement, index) => {
    const here = at(child(path, 'matchFields'), index);
    const values = requirement.values ?? [];
    if (requirement.operator !== 'In' && requirement.operator !== 'NotIn') {
      errors.push(invalid(child(here, 'operator'), requirement.operator, 'not a valid selector operator'));
    } else if (values.length !== 1) {
      const why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
      errors.push(required(child(here, 'values'), why));
    }
    if (requirement.key !== 'metadata.name') {
      errors.push(invalid(child(here, 'key'), requirement.key, 'not a valid field selector key'));
      return;
    }
    values.forEach((value, number) => {
      checkFormat(errors, at(child(here, 'values'), number), value, dnsSubdomain(value));
    });
  });
}

function validatePodTerm(errors: Errors, path: string, given: PodAffinityTerm | undefined): void {
  const term = given ?? { topologyKey: '' };
  checkLabelSelector(errors, child(path, 'labelSelector'), term.labelSelector);
  checkLabelSelector(errors, child(path, 'namespaceSelector'), term.namespaceSelector);
  for (const name of term.namespaces ?? []) {
    checkFormat(errors, child(path, 'namespace'), name, dnsLabel(name));
  }
  validateLabelKeys(errors, path, term.matchLabelKeys, term.mismatchLabelKeys, term.labelSelector);
  if (!term.topologyKey) errors.push(required(child(path, 'topologyKey'), 'can not be empty'));
  checkLabelName(errors, child(path, 'topologyKey'), term.topologyKey);
}

function validateLabelKeys(
  errors: Errors,
  path: string,
  match: readonly string[] | undefined,
  mismatch: readonly string[] | undefined,
  selector: LabelSelector | undefined,
): void {
  for (const [name, keys] of [
    ['matchLabelKeys', match],
    ['mismatchLabelKeys', mismatch],
  ] as const) {
    if (!keys?.length) continue;
    const field = child(path, name);
    if (!selector) {
      errors.push(forbidden(field, 'must not be specified when labelSelector is not set'));
      continue;
    }
    keys.forEach((label, index) => checkLabelName(errors, at(field, index), label));
  }
  (match ?? []).forEach((label, index) => {
    if (mismatch?.includes(label)) {
      const why = 'exists in both matchLabelKeys and mismatchLabelKeys';
      errors.push(invalid(at(child(path, 'matchLabelKeys'), index), label, why));
    }
  });
}

/** Mirrors ValidateTolerations. */
export function validateTolerations(
  errors: Errors,
  path: string,
  tolerations: readonly Toleration[] | undefined,
): void {
  (tolerations ?? []).forEach((toleration, index) => {
    const here = at(path, index);
    const { key: label = '', operator = '', value = '', effect = '' } = toleration;
    const field = child(here, 'operator');
    if (label) checkLabelName(errors, child(here, 'key'), label);
    if (!label && operator !== 'Exists') {
      const why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      errors.push(invalid(field, operator, why));
    }
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute') {
      const why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
      errors.push(invalid(child(here, 'effect'), effect, why));
    }
    if (operator === '' || operator === 'Equal') {
      const problems = labelValue(value);
      if (problems.length > 0) errors.push(invalid(field, value, problems.join(';')));
    } else if (operator === 'Exists') {
      if (value) errors.push(invalid(field, value, "value must be empty when `operator` is 'Exists'"));
    } else {
      const known =
        operator === 'Lt' || operator === 'Gt' ? ['Equal', 'Exists', 'Lt', 'Gt'] : ['Equal', 'Exists'];
      errors.push(notSupported(field, operator, known));
    }
    if (effect && !EFFECTS.includes(effect)) {
      errors.push(notSupported(child(here, 'effect'), effect, EFFECTS));
    }
  });
}

/** Mirrors validateTopologySpreadConstraints. */
export function validateSpread(
  errors: Errors,
  path: string,
  constraints: readonly TopologySpreadConstraint[] | undefined,
): void {
  (constraints ?? []).forEach((constraint, index) => {
    const here = at(path, index);
    const { topologyKey, whenUnsatisfiable, minDomains } = constraint;
    checkPositive(errors, child(here, 'maxSkew'), constraint.maxSkew ?? 0);
    if (!topologyKey) errors.push(required(child(here, 'topologyKey'), 'can not be empty'));
    if (whenUnsatisfiable !== 'DoNotSchedule' && whenUnsatisfiable !== 'ScheduleAnyway') {
      const field = child(here, 'whenUnsatisfiable');
      errors.push(notSupported(field, whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']));
    }
    const id = `{${topologyKey}, ${whenUnsatisfiable}}`;
    // Upstream says it of the earlier one.
    for (const later of (constraints ?? []).slice(index + 1)) {
      if (`{${later.topologyKey}, ${later.whenUnsatisfiable}}` !== id) continue;
      errors.push(duplicate(child(here, '{topologyKey, whenUnsatisfiable}'), id));
    }
    if (minDomains !== undefined) {
      checkPositive(errors, child(here, 'minDomains'), minDomains);
      if (whenUnsatisfiable !== 'DoNotSchedule') {
        const why = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
        errors.push(invalid(child(here, 'minDomains'), minDomains, why));
      }
    }
    for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
      checkOptionalEnum(errors, child(here, field), constraint[field], ['Honor', 'Ignore']);
    }
    validateLabelKeys(errors, here, constraint.matchLabelKeys, undefined, constraint.labelSelector);
    checkLabelSelector(errors, child(here, 'labelSelector'), constraint.labelSelector);
  });
}
