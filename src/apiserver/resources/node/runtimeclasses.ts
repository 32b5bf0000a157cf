import { RUNTIMECLASSES } from '../../../api/gen/resources.ts';
import type { RuntimeClass } from '../../../api/gen/types/node-v1.ts';
import { duplicate, required } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { checkContainerResourceName, checkResourceQuantity } from '../core/pod-spec/resource-requirements.ts';
import { validateTolerations } from '../core/pod-spec/scheduling.ts';
import { define } from '../define.ts';
import { checkFormat, checkImmutable, checkLabels, key, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel } from '../validation/formats.ts';
import { nodeLabelWarning } from '../core/pod-spec/node-label-warnings.ts';

/** Mirrors ValidateRuntimeClass of pkg/apis/node/validation/validation.go. */
function validate({ handler, overhead, scheduling }: RuntimeClass): Errors {
  const errors: Errors = [];
  if (!handler) errors.push(required('handler'));
  else checkFormat(errors, 'handler', handler, dnsLabel(handler));
  for (const [name, quantity] of Object.entries(overhead?.podFixed ?? {})) {
    checkContainerResourceName(errors, key('overhead.limits', name), name);
    checkResourceQuantity(errors, key('overhead.limits', name), name, quantity);
  }
  checkLabels(errors, 'scheduling.nodeSelector', scheduling?.nodeSelector);
  validateTolerations(errors, 'scheduling.tolerations', scheduling?.tolerations);
  const tolerations = scheduling?.tolerations ?? [];
  for (const [index, toleration] of tolerations.entries()) {
    if (tolerations.slice(0, index).some((before) => sameJson(before, toleration))) {
      errors.push(duplicate(`scheduling.tolerations[${index}]`, toleration));
    }
  }
  return errors;
}

function warnings({ scheduling }: RuntimeClass): string[] {
  return Object.keys(scheduling?.nodeSelector ?? {}).flatMap((label) => {
    const text = nodeLabelWarning(label);
    return text === undefined ? [] : [`scheduling.nodeSelector: ${text}`];
  });
}

/** Mirrors pkg/registry/node/runtimeclass/strategy.go. */
export const runtimeclasses = define(RUNTIMECLASSES, {
  strategy: {
    anyFinalizer: true,
    allowUnconditionalUpdate: false,
    warningsOnCreate: warnings,
    warningsOnUpdate: warnings,
    validateCreate: validate,
    validateUpdate(runtime, old) {
      const errors: Errors = [];
      if (!runtime.handler) errors.push(required('handler'));
      checkImmutable(errors, 'handler', runtime.handler, old.handler);
      return errors;
    },
  },
  columns: [nameColumn(), column('Handler', 'string', ({ handler }) => handler), ageColumn()],
});
