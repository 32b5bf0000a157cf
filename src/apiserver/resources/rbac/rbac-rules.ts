import type { PolicyRule, RoleRef, Subject } from '../../../api/gen/types/rbac-v1.ts';
import { invalid, notSupported, required } from '../../field-error.ts';
import { at, checkFormat, child } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsSubdomain } from '../validation/formats.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';

/** Names of roles and bindings are path segments: `system:node` is one. Mirrors pkg/apis/rbac/validation/validation.go. */
export function rbacNameProblems(name: string): string[] {
  if (name === '.') return ["may not be '.'"];
  if (name === '..') return ["may not be '..'"];
  return ['/', '%'].filter((sign) => name.includes(sign)).map((sign) => `may not contain '${sign}'`);
}

export function validateRules(
  errors: Errors,
  rules: readonly PolicyRule[] | undefined,
  namespaced: boolean,
): void {
  (rules ?? []).forEach((rule, index) => {
    const here = at('rules', index);
    if (!rule.verbs?.length)
      errors.push(required(child(here, 'verbs'), 'verbs must contain at least one value'));
    if (rule.nonResourceURLs?.length) {
      const field = child(here, 'nonResourceURLs');
      if (namespaced) {
        const why = 'namespaced rules cannot apply to non-resource URLs';
        errors.push(invalid(field, rule.nonResourceURLs, why));
      }
      if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length) {
        const why = 'rules cannot apply to both regular resources and non-resource URLs';
        errors.push(invalid(field, rule.nonResourceURLs, why));
      }
      return;
    }
    if (!rule.apiGroups?.length) {
      const why = 'resource rules must supply at least one api group';
      errors.push(required(child(here, 'apiGroups'), why));
    }
    if (!rule.resources?.length) {
      const why = 'resource rules must supply at least one resource';
      errors.push(required(child(here, 'resources'), why));
    }
  });
}

export function validateRoleRef(errors: Errors, roleRef: RoleRef, kinds: readonly string[]): void {
  if (roleRef.apiGroup !== RBAC_GROUP) {
    errors.push(notSupported('roleRef.apiGroup', roleRef.apiGroup, [RBAC_GROUP]));
  }
  if (!kinds.includes(roleRef.kind)) errors.push(notSupported('roleRef.kind', roleRef.kind, kinds));
  if (!roleRef.name) errors.push(required('roleRef.name'));
  else checkFormat(errors, 'roleRef.name', roleRef.name, rbacNameProblems(roleRef.name));
}

export function validateSubjects(
  errors: Errors,
  subjects: readonly Subject[] | undefined,
  namespaced: boolean,
): void {
  (subjects ?? []).forEach((subject, index) => {
    const here = at('subjects', index);
    if (!subject.name) errors.push(required(child(here, 'name')));
    const group = subject.apiGroup ?? '';
    switch (subject.kind) {
      case 'ServiceAccount':
        if (subject.name) checkFormat(errors, child(here, 'name'), subject.name, dnsSubdomain(subject.name));
        if (group !== '') errors.push(notSupported(child(here, 'apiGroup'), group, ['']));
        if (!namespaced && !subject.namespace) errors.push(required(child(here, 'namespace')));
        break;
      case 'User':
      case 'Group':
        if (group !== RBAC_GROUP) errors.push(notSupported(child(here, 'apiGroup'), group, [RBAC_GROUP]));
        break;
      default:
        errors.push(notSupported(child(here, 'kind'), subject.kind, ['ServiceAccount', 'User', 'Group']));
    }
  });
}

/** Users and groups belong to this API group unless they say otherwise. */
export function defaultBinding(binding: { roleRef?: RoleRef; subjects?: Subject[] }): void {
  binding.roleRef ??= { apiGroup: '', kind: '', name: '' };
  binding.roleRef.apiGroup ||= RBAC_GROUP;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= RBAC_GROUP;
  }
}

export function checkRoleRefUnchanged(errors: Errors, now: RoleRef, old: RoleRef): void {
  const same = now.apiGroup === old.apiGroup && now.kind === old.kind && now.name === old.name;
  if (!same) errors.push(invalid('roleRef', now, 'cannot change roleRef'));
}

/** Subjects of one kind, as wide columns show them. */
export function subjectNames(subjects: readonly Subject[] | undefined, kind: string): string {
  return (subjects ?? [])
    .filter((subject) => subject.kind === kind)
    .map((subject) =>
      kind === 'ServiceAccount' ? `${subject.namespace ?? ''}/${subject.name}` : subject.name,
    )
    .join(', ');
}
