import { REPLICASETS } from '../../../api/gen/resources.ts';
import type { ReplicaSet } from '../../../api/gen/types/apps-v1.ts';
import type { FieldError } from '../../field-error.ts';
import {
  ageColumn,
  column,
  containerImages,
  containerNames,
  formatSelector,
  nameColumn,
} from '../columns.ts';
import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { checkImmutable, checkNonNegative } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { checkRunsForever, checkSelectorAndTemplate, scaleOf, validateReplicaCounters } from './workload.ts';
import { workloadWarnings } from '../core/workload-warnings.ts';

/** Mirrors ValidateReplicaSetSpec; upstream says "deployment" of an empty selector here, too. */
function validate({ spec }: ReplicaSet): FieldError[] {
  const errors: Errors = [];
  if (!spec) return errors;
  checkNonNegative(errors, 'spec.replicas', spec.replicas);
  checkNonNegative(errors, 'spec.minReadySeconds', spec.minReadySeconds);
  checkSelectorAndTemplate(errors, 'spec', spec, 'deployment');
  checkRunsForever(errors, 'spec', spec.template, 'ReplicaSet');
  return errors;
}

/** Mirrors pkg/registry/apps/replicaset/strategy.go. */
export const replicasets = define(REPLICASETS, {
  shortNames: ['rs'],
  categories: ['all'],
  strategy: {
    ...statusStrategy,
    ...workloadWarnings,
    defaults({ spec }) {
      if (!spec) return;
      spec.replicas ??= 1;
      spec.template ??= {};
      defaultPodTemplate(spec.template);
    },
    validateCreate: validate,
    validateUpdate(set, old) {
      const errors = validate(set);
      checkImmutable(errors, 'spec.selector', set.spec?.selector, old.spec?.selector);
      return errors;
    },
  },
  subresources: [statusOf(({ status }) => validateReplicaCounters(status)), scaleOf<ReplicaSet>()],
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
    column('Selector', 'string', ({ spec }) => formatSelector(spec?.selector), 'wide'),
  ],
});
