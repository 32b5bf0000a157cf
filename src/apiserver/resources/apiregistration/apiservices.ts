import { APISERVICES } from '../../../api/gen/resources.ts';
import type { APIService, APIServiceCondition } from '../../../api/gen/types/apiregistration-v1.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { at, child, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { pathSegmentProblems } from '../../registry/object-meta.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { bareStatusOf, define } from '../define.ts';
import { dns1035Label, dnsSubdomain, portNumber } from '../validation/formats.ts';

// In upstream's order here.
const STATUSES = ['True', 'False', 'Unknown'];

/** APIServices of this server itself are there from the start. */
export function localCondition(now: number): APIServiceCondition {
  return {
    type: 'Available',
    status: 'True',
    lastTransitionTime: rfc3339(now),
    reason: 'Local',
    message: 'Local APIServices are always available',
  };
}

/** Mirrors kube-aggregator pkg/apis/apiregistration/validation/validation.go. */
function validate({ metadata, spec }: APIService): FieldError[] {
  const { group = '', version = '', groupPriorityMinimum = 0, versionPriority = 0 } = spec ?? {};
  const errors: FieldError[] = [];
  const name = metadata?.name ?? '';
  const wanted = `${version}.${group}`;
  if (pathSegmentProblems(name).length === 0 && name !== wanted) {
    const why = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`;
    errors.push(invalid('metadata.name', name, why));
    const prefix = metadata?.generateName;
    if (prefix) errors.push(invalid('metadata.generateName', prefix, why));
  }
  if (group === '' && version !== 'v1') {
    errors.push(required('spec.group', 'only v1 may have an empty group and it better be legacy kube'));
  }
  if (group !== '') {
    for (const problem of dnsSubdomain(group)) errors.push(invalid('spec.group', group, problem));
  }
  for (const problem of dns1035Label(version)) errors.push(invalid('spec.version', version, problem));
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > 20_000) {
    const why = 'must be positive and less than 20000';
    errors.push(invalid('spec.groupPriorityMinimum', groupPriorityMinimum, why));
  }
  if (versionPriority <= 0 || versionPriority > 1000) {
    errors.push(invalid('spec.versionPriority', versionPriority, 'must be positive and less than 1000'));
  }
  return [...errors, ...validateService(spec)];
}

function validateService(spec: APIService['spec']): FieldError[] {
  const { service, insecureSkipTLSVerify = false, caBundle = '' } = spec ?? {};
  const insecure = 'spec.insecureSkipTLSVerify';
  if (!service) {
    const errors: FieldError[] = [];
    if (caBundle !== '') {
      const size = `${Buffer.from(caBundle, 'base64').length} bytes`;
      errors.push(invalid('spec.caBundle', size, 'local APIServices may not have a caBundle'));
    }
    if (insecureSkipTLSVerify) {
      errors.push(invalid(insecure, true, 'local APIServices may not have insecureSkipTLSVerify'));
    }
    return errors;
  }
  const errors: FieldError[] = [];
  const path = 'spec.service';
  if (!service.namespace) errors.push(required(child(path, 'namespace')));
  if (!service.name) errors.push(required(child(path, 'name')));
  const problems = portNumber(service.port);
  if (problems.length > 0) {
    errors.push(invalid(child(path, 'port'), service.port, `port is not valid: ${problems.join(', ')}`));
  }
  if (insecureSkipTLSVerify && caBundle !== '') {
    errors.push(invalid(insecure, true, 'may not be true if caBundle is present'));
  }
  return errors;
}

function validateStatus({ status }: APIService): FieldError[] {
  return (status?.conditions ?? []).flatMap((condition, index) =>
    STATUSES.includes(condition.status)
      ? []
      : [notSupported(child(at('status.conditions', index), 'status'), condition.status, STATUSES)],
  );
}

function availability({ status }: APIService): string {
  const condition = status?.conditions?.find(({ type }) => type === 'Available');
  if (!condition) return 'Unknown';
  return condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason ?? ''})`;
}

export const apiservices = define(APISERVICES, {
  categories: ['api-extensions'],
  strategy: {
    anyFinalizer: true,
    validateName: () => [],
    defaults({ spec }) {
      if (spec?.service) spec.service.port ??= 443;
    },
    prepareForCreate(object, { now }) {
      object.status = object.spec?.service ? {} : { conditions: [localCondition(now)] };
    },
    prepareForUpdate(object, old) {
      object.status = old.status ?? {};
    },
    generation: false,
    allowUnconditionalUpdate: false,
    validateCreate: (object) => validate(object),
    validateUpdate: (object) => validate(object),
  },
  subresources: [bareStatusOf((object: APIService) => validateStatus(object))],
  columns: [
    nameColumn(),
    column('Service', 'string', ({ spec }) =>
      spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local',
    ),
    column('Available', 'string', availability),
    ageColumn(),
  ],
});
