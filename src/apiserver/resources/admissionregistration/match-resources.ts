import type { MatchResources, ParamKind, ParamRef } from '../../../api/gen/types/admissionregistration-v1.ts';
import { at, child, duplicate, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { checkLabelSelector } from '../validation/checks.ts';
import { dns1035Label, dnsSubdomain } from '../validation/formats.ts';
import { validateRuleWithOperations } from './rules.ts';

const MUTATING_OPERATIONS = ['*', 'CONNECT', 'CREATE', 'UPDATE'];

/** Mirrors pkg/apis/admissionregistration/v1/defaults.go. */
export function defaultMatchResources(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])])
    rule.scope ??= '*';
}

/** A name that may be a part of a path. */
function pathSegmentProblems(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  return ['/', '%'].filter((char) => name.includes(char)).map((char) => `may not contain '${char}'`);
}

export function validateMatchResources(path: string, match: MatchResources | undefined): FieldError[] {
  if (!match) return [];
  const errors: FieldError[] = [];
  const { matchPolicy, namespaceSelector, objectSelector } = match;
  if (matchPolicy === undefined) errors.push(required(child(path, 'matchPolicy')));
  else if (!['Equivalent', 'Exact'].includes(matchPolicy)) {
    errors.push(notSupported(child(path, 'matchPolicy'), matchPolicy, ['Equivalent', 'Exact']));
  }
  if (namespaceSelector) checkLabelSelector(errors, child(path, 'namespaceSelector'), namespaceSelector);
  else errors.push(required(child(path, 'namespaceSelector')));
  if (objectSelector) checkLabelSelector(errors, child(path, 'objectSelector'), objectSelector);
  else errors.push(required(child(path, 'objectSelector')));
  for (const name of ['resourceRules', 'excludeResourceRules'] as const) {
    for (const [index, rule] of (match[name] ?? []).entries()) {
      const where = at(child(path, name), index);
      const seen = new Set<string>();
      for (const [at2, resourceName] of (rule.resourceNames ?? []).entries()) {
        const field = at(child(where, 'resourceNames'), at2);
        for (const problem of pathSegmentProblems(resourceName))
          errors.push(invalid(field, resourceName, problem));
        if (seen.has(resourceName)) errors.push(duplicate(field, resourceName));
        seen.add(resourceName);
      }
      errors.push(...validateRuleWithOperations(where, rule));
    }
  }
  return errors;
}

/** Only what is created or updated can be changed. */
export function validateMutatingOperations(path: string, match: MatchResources | undefined): FieldError[] {
  const operations = (match?.resourceRules ?? []).flatMap((rule) => rule.operations ?? []);
  return operations
    .filter((operation) => !MUTATING_OPERATIONS.includes(operation))
    .map((operation) =>
      notSupported(child(path, 'resourceRules', 'operations'), operation, MUTATING_OPERATIONS),
    );
}

export function validateParamKind(path: string, { apiVersion = '', kind = '' }: ParamKind): FieldError[] {
  const errors: FieldError[] = [];
  const where = child(path, 'apiVersion');
  const parts = apiVersion.split('/');
  if (apiVersion === '') errors.push(required(where));
  else if (parts.length > 2)
    errors.push(invalid(where, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
  else {
    const [group = '', version = ''] = parts.length === 2 ? parts : ['', apiVersion];
    const wrongGroup = group === '' ? [] : dnsSubdomain(group);
    if (wrongGroup.length > 0) errors.push(invalid(where, group, wrongGroup.join(',')));
    const wrongVersion = dns1035Label(version);
    if (version === '') errors.push(invalid(where, apiVersion, 'version must be specified'));
    else if (wrongVersion.length > 0) errors.push(invalid(where, version, wrongVersion.join(',')));
  }
  const problems = dns1035Label(kind.toLowerCase());
  if (kind === '') errors.push(required(child(path, 'kind')));
  else if (problems.length > 0) {
    const why = `may have mixed case, but should otherwise match: ${problems.join(',')}`;
    errors.push(invalid(child(path, 'kind'), kind, why));
  }
  return errors;
}

export function validateParamRef(path: string, ref: ParamRef | undefined): FieldError[] {
  if (!ref) return [];
  const errors: FieldError[] = [];
  const { name = '', selector, parameterNotFoundAction: action } = ref;
  const exclusive = 'name and selector are mutually exclusive';
  for (const problem of name === '' ? [] : pathSegmentProblems(name)) {
    errors.push(invalid(child(path, 'name'), name, problem));
  }
  if (name !== '' && selector) errors.push(forbidden(child(path, 'name'), exclusive));
  if (selector) {
    checkLabelSelector(errors, child(path, 'selector'), selector);
    if (name !== '') errors.push(forbidden(child(path, 'selector'), exclusive));
  }
  if (name === '' && !selector) errors.push(required(path, 'one of name or selector must be specified'));
  if (!action) errors.push(required(child(path, 'parameterNotFoundAction')));
  else if (action !== 'Deny' && action !== 'Allow') {
    errors.push(notSupported(child(path, 'parameterNotFoundAction'), action, ['Deny', 'Allow']));
  }
  return errors;
}
