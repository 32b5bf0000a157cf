import { IPADDRESSES } from '../../../api/gen/resources.ts';
import type { IPAddress, ParentReference } from '../../../api/gen/types/networking-v1.ts';
import { required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkFormat, checkImmutable } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { rbacNameProblems as pathSegmentName } from '../rbac/rbac-rules.ts';
import { dnsSubdomain } from '../validation/formats.ts';
import { strictIpProblems } from '../validation/ip.ts';

/** Mirrors ValidateIPAddress of pkg/apis/networking/validation/validation.go. */
function validate({ spec }: IPAddress): FieldError[] {
  const errors: Errors = [];
  const parent = spec?.parentRef;
  if (!parent) return [required('spec.parentRef')];
  if (parent.group) checkFormat(errors, 'spec.parentRef.group', parent.group, dnsSubdomain(parent.group));
  for (const field of ['resource', 'name'] as const) {
    const value = parent[field];
    if (!value) errors.push(required(`spec.parentRef.${field}`));
    else checkFormat(errors, `spec.parentRef.${field}`, value, pathSegmentName(value));
  }
  const { namespace } = parent;
  if (namespace) checkFormat(errors, 'spec.parentRef.namespace', namespace, pathSegmentName(namespace));
  return errors;
}

const parentText = ({ group, resource, namespace, name }: ParentReference): string =>
  [group ? `${resource}.${group}` : resource, namespace, name].filter(Boolean).join('/').toLowerCase();

/** Mirrors pkg/registry/networking/ipaddress/strategy.go. */
export const ipaddresses = define(IPADDRESSES, {
  shortNames: ['ip'],
  strategy: {
    validateName: strictIpProblems,
    validateCreate: validate,
    validateUpdate(address, old) {
      const errors = validate(address);
      const now = address.spec?.parentRef ?? null;
      checkImmutable(errors, 'spec.parentRef', now, old.spec?.parentRef ?? null);
      return errors;
    },
  },
  columns: [
    nameColumn(),
    column('ParentRef', 'string', ({ spec }) => (spec?.parentRef ? parentText(spec.parentRef) : '<none>')),
    ageColumn(),
  ],
});
