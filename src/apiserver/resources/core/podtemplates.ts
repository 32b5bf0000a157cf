import { PODTEMPLATES } from '../../../api/gen/resources.ts';
import type { PodTemplate } from '../../../api/gen/types/core-v1.ts';
import type { FieldError } from '../../field-error.ts';
import { column, containerImages, containerNames, formatLabels, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import type { Errors } from '../validation/checks.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/pod-spec.ts';
import { podWarnings } from './pod-spec/warnings.ts';
import { hasNewGeneration } from './workload-warnings.ts';

function validate({ template }: PodTemplate): FieldError[] {
  const errors: Errors = [];
  if (template) validatePodTemplate(errors, 'template', template);
  return errors;
}

/** Mirrors pkg/registry/core/podtemplate/strategy.go. */
export const podtemplates = define(PODTEMPLATES, {
  strategy: {
    returnsDeletedObject: true,
    defaults(object) {
      object.template ??= {};
      defaultPodTemplate(object.template);
    },
    generation: true,
    warningsOnCreate: ({ template }) => podWarnings('template', template),
    warningsOnUpdate: (object, old) =>
      hasNewGeneration(object, old) ? podWarnings('template', object.template) : [],
    validateCreate: validate,
    validateUpdate: validate,
  },
  columns: [
    nameColumn(),
    column('Containers', 'string', ({ template }) => containerNames(template?.spec)),
    column('Images', 'string', ({ template }) => containerImages(template?.spec)),
    column('Pod Labels', 'string', ({ template }) => formatLabels(template?.metadata?.labels)),
  ],
});
