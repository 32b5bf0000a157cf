import { DEPLOYMENTS } from '../../../api/gen/resources.ts';
import type { Deployment, DeploymentSpec } from '../../../api/gen/types/apps-v1.ts';
import { forbidden, invalid, notSupported } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import {
  ageColumn,
  column,
  containerImages,
  containerNames,
  formatSelector,
  nameColumn,
} from '../columns.ts';
import { keepAllButStatus } from '../../registry/update.ts';
import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { checkImmutable, checkNonNegative, child, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import {
  checkAtMostAll,
  checkCounters,
  checkRollout,
  checkRunsForever,
  checkSelectorAndTemplate,
  isZero,
  scaleOf,
} from './workload.ts';
import { workloadWarnings } from '../core/workload-warnings.ts';

function defaults({ spec }: Deployment): void {
  if (!spec) return;
  spec.replicas ??= 1;
  spec.strategy ??= {};
  const { strategy } = spec;
  strategy.type ||= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate ??= {};
    strategy.rollingUpdate.maxUnavailable ??= '25%';
    strategy.rollingUpdate.maxSurge ??= '25%';
  }
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  spec.template ??= {};
  defaultPodTemplate(spec.template);
}

/** /status of a Deployment leaves its labels alone, unlike that of others. */
function keepLabelsAndSpec(object: Deployment, old: Deployment): void {
  keepAllButStatus(object, old);
  const metadata = (object.metadata ??= {});
  if (old.metadata?.labels) metadata.labels = old.metadata.labels;
  else delete metadata.labels;
}

/** Mirrors ValidateDeploymentSpec of pkg/apis/apps/validation/validation.go. */
function validate({ spec }: Deployment): FieldError[] {
  const errors: Errors = [];
  if (!spec) return errors;
  checkNonNegative(errors, 'spec.replicas', spec.replicas);
  checkSelectorAndTemplate(errors, 'spec', spec, 'deployment');
  checkRunsForever(errors, 'spec', spec.template, 'ReplicaSet');
  validateStrategy(errors, 'spec.strategy', spec.strategy);
  checkNonNegative(errors, 'spec.minReadySeconds', spec.minReadySeconds);
  checkNonNegative(errors, 'spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  const deadline = spec.progressDeadlineSeconds;
  checkNonNegative(errors, 'spec.progressDeadlineSeconds', deadline);
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
    errors.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
  }
  return errors;
}

function validateStrategy(errors: Errors, path: string, strategy: DeploymentSpec['strategy']): void {
  const rolling = strategy?.rollingUpdate;
  const field = child(path, 'rollingUpdate');
  if (strategy?.type === 'Recreate') {
    if (rolling) errors.push(forbidden(field, "may not be specified when strategy `type` is 'Recreate'"));
  } else if (strategy?.type !== 'RollingUpdate') {
    errors.push(notSupported(path, strategy, ['Recreate', 'RollingUpdate']));
  } else {
    checkRollout(errors, child(field, 'maxUnavailable'), rolling?.maxUnavailable);
    checkRollout(errors, child(field, 'maxSurge'), rolling?.maxSurge);
    if (isZero(rolling?.maxUnavailable) && isZero(rolling?.maxSurge)) {
      const why = 'may not be 0 when `maxSurge` is 0';
      errors.push(invalid(child(field, 'maxUnavailable'), rolling?.maxUnavailable, why));
    }
    checkAtMostAll(errors, child(field, 'maxUnavailable'), rolling?.maxUnavailable);
  }
}

function validateStatus({ status }: Deployment, old: Deployment): FieldError[] {
  const errors: Errors = [];
  const replicas = 'cannot be greater than status.replicas';
  checkCounters(
    errors,
    status as Record<string, unknown> | undefined,
    [
      'observedGeneration',
      'replicas',
      'updatedReplicas',
      'readyReplicas',
      'availableReplicas',
      'unavailableReplicas',
      'terminatingReplicas',
    ],
    [
      ['updatedReplicas', 'replicas', replicas],
      ['readyReplicas', 'replicas', replicas],
      ['availableReplicas', 'replicas', replicas],
      ['availableReplicas', 'readyReplicas', 'cannot be greater than readyReplicas'],
    ],
  );
  const collisions = status?.collisionCount ?? 0;
  if (collisions < (old.status?.collisionCount ?? 0)) {
    errors.push(invalid('status.collisionCount', collisions, 'cannot be decremented'));
  }
  return errors;
}

/** Mirrors pkg/registry/apps/deployment/strategy.go. */
export const deployments = define(DEPLOYMENTS, {
  shortNames: ['deploy'],
  categories: ['all'],
  strategy: {
    ...statusStrategy,
    ...workloadWarnings,
    // Annotations are what rollouts are told by.
    generation: (deployment, old) =>
      !sameJson(deployment.spec, old.spec) ||
      !sameJson(deployment.metadata?.annotations, old.metadata?.annotations),
    defaults,
    validateCreate: validate,
    validateUpdate(deployment, old) {
      const errors = validate(deployment);
      checkImmutable(errors, 'spec.selector', deployment.spec?.selector, old.spec?.selector);
      return errors;
    },
  },
  subresources: [{ ...statusOf(validateStatus), prepareForUpdate: keepLabelsAndSpec }, scaleOf<Deployment>()],
  columns: [
    nameColumn(),
    column('Ready', 'string', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    column('Up-to-date', 'string', ({ status }) => String(status?.updatedReplicas ?? 0)),
    column('Available', 'string', ({ status }) => String(status?.availableReplicas ?? 0)),
    ageColumn(),
    column('Containers', 'string', ({ spec }) => containerNames(spec?.template?.spec), 'wide'),
    column('Images', 'string', ({ spec }) => containerImages(spec?.template?.spec), 'wide'),
    column('Selector', 'string', ({ spec }) => formatSelector(spec?.selector), 'wide'),
  ],
});
