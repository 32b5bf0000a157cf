import { CLUSTERROLEBINDINGS, ROLEBINDINGS } from '../../../api/gen/resources.ts';
import type { ClusterRoleBinding, RoleBinding } from '../../../api/gen/types/rbac-v1.ts';
import type { ResourceDefinition, StrategyContext, TableColumn } from '../../resource-definition.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import {
  checkRoleRefUnchanged,
  defaultBinding,
  rbacNameProblems,
  subjectNames,
  validateRoleRef,
  validateSubjects,
} from './rbac-rules.ts';

function bindingColumns<T extends ClusterRoleBinding | RoleBinding>(): Array<TableColumn<T>> {
  return [
    nameColumn(),
    column('Role', 'string', ({ roleRef }) => `${roleRef.kind}/${roleRef.name}`),
    ageColumn(),
    column('Users', 'string', ({ subjects }) => subjectNames(subjects, 'User'), 'wide'),
    column('Groups', 'string', ({ subjects }) => subjectNames(subjects, 'Group'), 'wide'),
    column('ServiceAccounts', 'string', ({ subjects }) => subjectNames(subjects, 'ServiceAccount'), 'wide'),
  ];
}

function validate(binding: RoleBinding, namespaced: boolean): Errors {
  const errors: Errors = [];
  validateRoleRef(errors, binding.roleRef, namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']);
  validateSubjects(errors, binding.subjects, namespaced);
  return errors;
}

/** Mirrors pkg/registry/rbac/{role,clusterrole}binding/policybased/storage.go: who binds a role must hold it, or be allowed to bind it. */
function strategy(environment: ResourceEnvironment, resource: 'clusterrolebindings' | 'rolebindings') {
  const namespaced = resource === 'rolebindings';
  const confirm = (binding: RoleBinding, { request }: StrategyContext) =>
    environment.escalation.binding(
      request.user,
      resource,
      binding.metadata?.namespace ?? '',
      binding.metadata?.name ?? '',
      binding.roleRef,
    );
  return {
    defaults: defaultBinding,
    validateName: (name: string) => rbacNameProblems(name),
    async validateCreate(binding: RoleBinding, context: StrategyContext) {
      const errors = validate(binding, namespaced);
      if (errors.length === 0) await confirm(binding, context);
      return errors;
    },
    async validateUpdate(binding: RoleBinding, old: RoleBinding, context: StrategyContext) {
      const errors = validate(binding, namespaced);
      checkRoleRefUnchanged(errors, binding.roleRef, old.roleRef);
      const changed = !sameJson(binding.subjects, old.subjects) || !sameJson(binding.roleRef, old.roleRef);
      if (errors.length === 0 && changed) await confirm(binding, context);
      return errors;
    },
  };
}

export function rolebindings(environment: ResourceEnvironment): ResourceDefinition {
  return define(ROLEBINDINGS, { strategy: strategy(environment, 'rolebindings'), columns: bindingColumns() });
}

export function clusterrolebindings(environment: ResourceEnvironment): ResourceDefinition {
  return define(CLUSTERROLEBINDINGS, {
    strategy: strategy(environment, 'clusterrolebindings'),
    columns: bindingColumns(),
  });
}
