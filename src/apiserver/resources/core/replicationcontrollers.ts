import { REPLICATIONCONTROLLERS } from '../../../api/gen/resources.ts';
import type { ReplicationController } from '../../../api/gen/types/core-v1.ts';
import { invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { checkRunsForever, validateReplicaCounters } from '../apps/workload.ts';
import { ageColumn, column, containerImages, containerNames, formatLabels, nameColumn } from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { checkNonNegative } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { selectorMatches } from '../validation/selectors.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/pod-spec.ts';
import { longName } from '../validation/formats.ts';
import { workloadWarnings } from './workload-warnings.ts';

function defaults(controller: ReplicationController): void {
  const { spec } = controller;
  if (!spec) return;
  const labels = spec.template?.metadata?.labels;
  if (labels) {
    if (!Object.keys(spec.selector ?? {}).length) spec.selector = { ...labels };
    if (controller.metadata && !Object.keys(controller.metadata.labels ?? {}).length) {
      controller.metadata.labels = { ...labels };
    }
  }
  spec.replicas ??= 1;
  defaultPodTemplate(spec.template);
}

/** Mirrors ValidateReplicationControllerSpec of pkg/apis/core/validation/validation.go. */
function validate({ spec }: ReplicationController): FieldError[] {
  const errors: Errors = [];
  checkNonNegative(errors, 'spec.minReadySeconds', spec?.minReadySeconds);
  const selector = spec?.selector ?? {};
  const empty = Object.keys(selector).length === 0;
  if (empty) errors.push(required('spec.selector'));
  checkNonNegative(errors, 'spec.replicas', spec?.replicas);
  const template = spec?.template;
  if (!template) {
    errors.push(required('spec.template'));
    return errors;
  }
  const labels = template.metadata?.labels;
  if (!empty && !selectorMatches({ matchLabels: selector }, labels)) {
    const why = '`selector` does not match template `labels`';
    errors.push(invalid('spec.template.metadata.labels', labels ?? {}, why));
  }
  validatePodTemplate(errors, 'spec.template', template);
  checkRunsForever(errors, 'spec', template, 'ReplicationController');
  return errors;
}

/** Mirrors pkg/registry/core/replicationcontroller/strategy.go. */
export const replicationcontrollers = define(REPLICATIONCONTROLLERS, {
  shortNames: ['rc'],
  categories: ['all'],
  strategy: {
    ...statusStrategy,
    validateName: longName,
    warningsOnCreate: workloadWarnings.warningsOnCreate,
    // Upstream looks at the template that was.
    warningsOnUpdate: (controller, old) => workloadWarnings.warningsOnUpdate(old, controller),
    defaults,
    validateCreate: validate,
    validateUpdate: validate,
    // The oldest controller: clients that know no propagation expect its pods to stay.
    defaultPropagation: 'orphan',
  },
  subresources: [
    statusOf(({ status }) => validateReplicaCounters(status)),
    {
      type: 'scale',
      name: 'scale',
      read: ({ spec, status }) => ({
        specReplicas: spec?.replicas ?? 0,
        statusReplicas: status?.replicas ?? 0,
        selector: formatLabels(spec?.selector),
      }),
      write(controller, replicas) {
        if (controller.spec) controller.spec.replicas = replicas;
      },
    },
  ],
  fields: ({ status }) => ({ 'status.replicas': String(status?.replicas ?? 0) }),
  selectableFields: ['status.replicas'],
  columns: [
    nameColumn(),
    column('Desired', 'integer', ({ spec }) => spec?.replicas ?? 0),
    column('Current', 'integer', ({ status }) => status?.replicas ?? 0),
    column('Ready', 'integer', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn(),
    column('Containers', 'string', ({ spec }) => containerNames(spec?.template?.spec), 'wide'),
    column('Images', 'string', ({ spec }) => containerImages(spec?.template?.spec), 'wide'),
    column('Selector', 'string', ({ spec }) => formatLabels(spec?.selector), 'wide'),
  ],
});
