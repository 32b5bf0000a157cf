import { DAEMONSETS } from '../../../api/gen/resources.ts';
import type { DaemonSet } from '../../../api/gen/types/apps-v1.ts';
import { invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import {
  ageColumn,
  column,
  containerImages,
  containerNames,
  formatLabels,
  formatSelector,
  nameColumn,
} from '../columns.ts';
import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { checkImmutable, checkNonNegative, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import {
  checkAtMostAll,
  checkCounters,
  checkRollout,
  checkRunsForever,
  checkSelectorAndTemplate,
  isZero,
} from './workload.ts';
import { templateWarnings } from '../core/workload-warnings.ts';

function defaults({ spec }: DaemonSet): void {
  if (!spec) return;
  spec.updateStrategy ??= {};
  const { updateStrategy } = spec;
  updateStrategy.type ||= 'RollingUpdate';
  if (updateStrategy.type === 'RollingUpdate') {
    updateStrategy.rollingUpdate ??= {};
    updateStrategy.rollingUpdate.maxUnavailable ??= 1;
    updateStrategy.rollingUpdate.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= 10;
  spec.template ??= {};
  defaultPodTemplate(spec.template);
}

/** Mirrors ValidateDaemonSetSpec of pkg/apis/apps/validation/validation.go. */
function validate({ spec }: DaemonSet): FieldError[] {
  const errors: Errors = [];
  if (!spec) return errors;
  checkSelectorAndTemplate(errors, 'spec', spec, 'daemonset');
  checkRunsForever(errors, 'spec', spec.template, 'DaemonSet');
  checkNonNegative(errors, 'spec.minReadySeconds', spec.minReadySeconds);
  validateStrategy(errors, 'spec.updateStrategy', spec.updateStrategy);
  checkNonNegative(errors, 'spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  return errors;
}

function validateStrategy(
  errors: Errors,
  path: string,
  strategy: NonNullable<DaemonSet['spec']>['updateStrategy'],
): void {
  if (strategy?.type === 'OnDelete') return;
  if (strategy?.type !== 'RollingUpdate') {
    errors.push(notSupported(path, strategy, ['RollingUpdate', 'OnDelete']));
    return;
  }
  const { maxUnavailable, maxSurge } = strategy.rollingUpdate ?? {};
  const field = `${path}.rollingUpdate`;
  checkRollout(errors, `${field}.maxUnavailable`, maxUnavailable);
  checkRollout(errors, `${field}.maxSurge`, maxSurge);
  checkAtMostAll(errors, `${field}.maxUnavailable`, maxUnavailable);
  checkAtMostAll(errors, `${field}.maxSurge`, maxSurge);
  if (!isZero(maxUnavailable) && !isZero(maxSurge)) {
    errors.push(invalid(`${field}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  } else if (isZero(maxUnavailable) && isZero(maxSurge)) {
    errors.push(required(`${field}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  }
}

function validateStatus({ status }: DaemonSet, old: DaemonSet): FieldError[] {
  const errors: Errors = [];
  const names = [
    'currentNumberScheduled',
    'numberMisscheduled',
    'desiredNumberScheduled',
    'numberReady',
    'observedGeneration',
    'updatedNumberScheduled',
    'numberAvailable',
    'numberUnavailable',
  ];
  checkCounters(errors, status as Record<string, unknown> | undefined, names, []);
  const collisions = status?.collisionCount ?? 0;
  if (collisions < (old.status?.collisionCount ?? 0)) {
    errors.push(invalid('status.collisionCount', collisions, 'cannot be decremented'));
  }
  return errors;
}

const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

/** Counts changes of the template, for clients of versions that are gone. */
function markTemplate(set: DaemonSet, generation: number): void {
  const metadata = (set.metadata ??= {});
  metadata.annotations = { ...metadata.annotations, [TEMPLATE_GENERATION]: String(generation) };
}

/** Mirrors pkg/registry/apps/daemonset/strategy.go. */
export const daemonsets = define(DAEMONSETS, {
  shortNames: ['ds'],
  categories: ['all'],
  strategy: {
    warningsOnCreate: templateWarnings.warningsOnCreate,
    warningsOnUpdate: (set, old) =>
      set.metadata?.annotations?.[TEMPLATE_GENERATION] === old.metadata?.annotations?.[TEMPLATE_GENERATION]
        ? []
        : templateWarnings.warningsOnCreate(set),
    prepareForCreate(set) {
      statusStrategy.prepareForCreate(set);
      markTemplate(set, 1);
    },
    prepareForUpdate(set, old) {
      statusStrategy.prepareForUpdate(set, old);
      const before = Number(old.metadata?.annotations?.[TEMPLATE_GENERATION] ?? 0);
      markTemplate(set, sameJson(set.spec?.template, old.spec?.template) ? before : before + 1);
    },
    defaults,
    validateCreate: validate,
    validateUpdate(set, old) {
      const errors = validate(set);
      checkImmutable(errors, 'spec.selector', set.spec?.selector, old.spec?.selector);
      return errors;
    },
  },
  subresources: [
    {
      ...statusOf(validateStatus),
      prepareForUpdate(set, old) {
        if (old.spec) set.spec = old.spec;
        markTemplate(set, Number(old.metadata?.annotations?.[TEMPLATE_GENERATION] ?? 0));
      },
    },
  ],
  columns: [
    nameColumn(),
    column('Desired', 'integer', ({ status }) => status?.desiredNumberScheduled ?? 0),
    column('Current', 'integer', ({ status }) => status?.currentNumberScheduled ?? 0),
    column('Ready', 'integer', ({ status }) => status?.numberReady ?? 0),
    column('Up-to-date', 'integer', ({ status }) => status?.updatedNumberScheduled ?? 0),
    column('Available', 'integer', ({ status }) => status?.numberAvailable ?? 0),
    column('Node Selector', 'string', ({ spec }) => formatLabels(spec?.template?.spec?.nodeSelector)),
    ageColumn(),
    column('Containers', 'string', ({ spec }) => containerNames(spec?.template?.spec), 'wide'),
    column('Images', 'string', ({ spec }) => containerImages(spec?.template?.spec), 'wide'),
    column('Selector', 'string', ({ spec }) => formatSelector(spec?.selector), 'wide'),
  ],
});
