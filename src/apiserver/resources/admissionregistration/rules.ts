import type { RuleWithOperations } from '../../../api/gen/types/admissionregistration-v1.ts';
import { at, child, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const SCOPES = ['*', 'Cluster', 'Namespaced'];

/** Mirrors validateRuleWithOperations of pkg/apis/admissionregistration/validation/validation.go. */
export function validateRuleWithOperations(path: string, rule: RuleWithOperations): FieldError[] {
  const operations = rule.operations ?? [];
  const errors: FieldError[] = [];
  const field = child(path, 'operations');
  if (operations.length === 0) errors.push(required(field));
  if (operations.length > 1 && operations.includes('*')) {
    errors.push(invalid(field, operations, "if '*' is present, must not specify other operations"));
  }
  for (const [index, operation] of operations.entries()) {
    if (!OPERATIONS.includes(operation)) errors.push(notSupported(at(field, index), operation, OPERATIONS));
  }
  return [...errors, ...validateRule(path, rule)];
}

function validateRule(path: string, rule: RuleWithOperations): FieldError[] {
  const errors: FieldError[] = [];
  const { apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  const groups = child(path, 'apiGroups');
  if (apiGroups.length === 0) errors.push(required(groups));
  if (apiGroups.length > 1 && apiGroups.includes('*')) {
    errors.push(invalid(groups, apiGroups, "if '*' is present, must not specify other API groups"));
  }
  const versions = child(path, 'apiVersions');
  if (apiVersions.length === 0) errors.push(required(versions));
  if (apiVersions.length > 1 && apiVersions.includes('*')) {
    errors.push(invalid(versions, apiVersions, "if '*' is present, must not specify other API versions"));
  }
  for (const [index, version] of apiVersions.entries()) {
    if (version === '') errors.push(required(at(versions, index)));
  }
  errors.push(...validateResources(child(path, 'resources'), resources));
  if (scope !== undefined && !SCOPES.includes(scope)) {
    errors.push(notSupported(child(path, 'scope'), scope, SCOPES));
  }
  return errors;
}

function validateResources(path: string, resources: readonly string[]): FieldError[] {
  if (resources.length === 0) return [required(path)];
  const errors: FieldError[] = [];
  const wholes = new Set<string>();
  const parts = new Set<string>();
  let withoutPart = false;
  for (const [index, resource] of resources.entries()) {
    if (resource === '') {
      errors.push(required(at(path, index)));
      continue;
    }
    const slash = resource.indexOf('/');
    if (slash < 0) {
      withoutPart = resource !== '*';
      continue;
    }
    const [whole, part] = [resource.slice(0, slash), resource.slice(slash + 1)];
    const clash = (with_: string) =>
      invalid(at(path, index), resource, `if '${with_}' is present, must not specify ${resource}`);
    if (wholes.has(whole)) errors.push(clash(`${whole}/*`));
    if (parts.has(part)) errors.push(clash(`*/${part}`));
    if (part === '*') wholes.add(whole);
    if (whole === '*') parts.add(part);
  }
  if (resources.length > 1 && resources.includes('*/*')) {
    errors.push(invalid(path, resources, "if '*/*' is present, must not specify other resources"));
  }
  if (resources.includes('*') && withoutPart) {
    const why = "if '*' is present, must not specify other resources without subresources";
    errors.push(invalid(path, resources, why));
  }
  return errors;
}
