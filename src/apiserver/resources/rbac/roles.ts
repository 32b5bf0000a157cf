import { CLUSTERROLES, ROLES } from '../../../api/gen/resources.ts';
import type { ClusterRole, PolicyRule, Role } from '../../../api/gen/types/rbac-v1.ts';
import type { ResourceDefinition, StrategyContext } from '../../resource-definition.ts';
import { invalid, required } from '../../field-error.ts';
import { column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { at, checkLabelSelector, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { rbacNameProblems, validateRules } from './rbac-rules.ts';

const createdAt = column<Role>('Created At', 'date', ({ metadata }) => metadata?.creationTimestamp ?? '');

/** Mirrors pkg/registry/rbac/role/policybased/storage.go: who writes a role must hold what it grants. */
export function roles(environment: ResourceEnvironment): ResourceDefinition {
  const confirm = (role: Role, { request }: StrategyContext) =>
    environment.escalation.role(
      request.user,
      'roles',
      role.metadata?.namespace ?? '',
      role.metadata?.name ?? '',
      role.rules ?? [],
    );
  return define(ROLES, {
    strategy: {
      validateName: (name) => rbacNameProblems(name),
      async validateCreate(role, context) {
        const errors: Errors = [];
        validateRules(errors, role.rules, true);
        if (errors.length === 0) await confirm(role, context);
        return errors;
      },
      async validateUpdate(role, old, context) {
        const errors: Errors = [];
        validateRules(errors, role.rules, true);
        if (errors.length === 0 && !sameJson(role.rules, old.rules)) await confirm(role, context);
        return errors;
      },
    },
    columns: [nameColumn(), createdAt],
  });
}

/** A selector that aggregates roles may bring in any right: it takes the right to everything. */
const EVERYTHING: PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/** Mirrors pkg/registry/rbac/clusterrole/policybased/storage.go. */
export function clusterroles(environment: ResourceEnvironment): ResourceDefinition {
  const confirm = async (role: ClusterRole, old: ClusterRole | undefined, { request }: StrategyContext) => {
    const name = role.metadata?.name ?? '';
    const aggregates = role.aggregationRule !== undefined;
    if (!old || !sameJson(role.rules, old.rules)) {
      await environment.escalation.role(request.user, 'clusterroles', '', name, role.rules ?? []);
    }
    if (aggregates && !sameJson(role.aggregationRule, old?.aggregationRule)) {
      await environment.escalation.role(request.user, 'clusterroles', '', name, EVERYTHING);
    }
  };
  const validate = (role: ClusterRole): Errors => {
    const errors: Errors = [];
    validateRules(errors, role.rules, false);
    const aggregation = role.aggregationRule;
    if (aggregation && !aggregation.clusterRoleSelectors?.length) {
      const why = 'at least one clusterRoleSelector required if aggregationRule is non-nil';
      errors.push(required('aggregationRule.clusterRoleSelectors', why));
    }
    (aggregation?.clusterRoleSelectors ?? []).forEach((selector, index) => {
      const path = at('aggregationRule.clusterRoleSelectors', index);
      const problems: Errors = [];
      checkLabelSelector(problems, path, selector);
      if (problems.length > 0) problems.push(invalid(path, selector, 'invalid label selector.'));
      errors.push(...problems);
    });
    return errors;
  };
  return define(CLUSTERROLES, {
    strategy: {
      validateName: (name) => rbacNameProblems(name),
      async validateCreate(role, context) {
        const errors = validate(role);
        if (errors.length === 0) await confirm(role, undefined, context);
        return errors;
      },
      async validateUpdate(role, old, context) {
        const errors = validate(role);
        if (errors.length === 0) await confirm(role, old, context);
        return errors;
      },
    },
    columns: [
      nameColumn(),
      column('Created At', 'date', ({ metadata }) => metadata?.creationTimestamp ?? ''),
    ],
  });
}
