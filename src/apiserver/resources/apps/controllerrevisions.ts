import { CONTROLLERREVISIONS } from '../../../api/gen/resources.ts';
import type { ControllerRevision } from '../../../api/gen/types/apps-v1.ts';
import { required } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkImmutable, checkNonNegative } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';

function controllerOf(revision: ControllerRevision): string {
  const owner = revision.metadata?.ownerReferences?.find((reference) => reference.controller);
  if (!owner) return '<none>';
  const [group = ''] = owner.apiVersion?.includes('/') ? owner.apiVersion.split('/') : [''];
  const kind = (owner.kind ?? '').toLowerCase();
  return group === '' ? `${kind}/${owner.name}` : `${kind}.${group}/${owner.name}`;
}

/** Mirrors pkg/registry/apps/controllerrevision/strategy.go. */
export const controllerrevisions = define(CONTROLLERREVISIONS, {
  strategy: {
    generation: false,
    validateCreate({ data, revision }) {
      const errors: Errors = [];
      checkNonNegative(errors, 'revision', revision);
      if (data === undefined || data === null) errors.push(required('data', 'data is mandatory'));
      else if (typeof data !== 'object' || Array.isArray(data)) {
        errors.push(required('data', 'data must be a valid JSON object'));
      }
      return errors;
    },
    validateUpdate(revision, old) {
      const errors: Errors = [];
      checkNonNegative(errors, 'revision', revision.revision);
      checkImmutable(errors, 'data', revision.data, old.data);
      return errors;
    },
  },
  columns: [
    nameColumn(),
    column('Controller', 'string', controllerOf),
    column('Revision', 'integer', ({ revision }) => revision),
    ageColumn(),
  ],
});
