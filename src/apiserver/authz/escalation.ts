import type { PolicyRule, RoleRef } from '../../api/gen/types/rbac-v1.ts';
import type { Authorizer } from '../authorization.ts';
import { jsonQuote } from '../json-quote.ts';
import type { UserInfo } from '../request-context.ts';
import { forbiddenRequest, notFound } from '../status-errors.ts';
import { describeRules, quoteList, uncoveredRules } from './policy-rule.ts';
import type { RbacAuthorizer } from './rbac-authorizer.ts';
import type { RbacIndex } from './rbac-index.ts';
import { PRIVILEGED_GROUP } from './union-authorizer.ts';

const GROUP = 'rbac.authorization.k8s.io';

/**
 * Nobody hands out rights that they do not hold: who writes a role or a binding must hold all of its rules,
 * or be allowed to `escalate` the role or to `bind` it. Mirrors pkg/registry/rbac/escalation_check.go.
 */
export class EscalationCheck {
  readonly #authorizer: Authorizer;
  readonly #rbac: RbacAuthorizer;
  readonly #index: RbacIndex;

  constructor(authorizer: Authorizer, rbac: RbacAuthorizer, index: RbacIndex) {
    this.#authorizer = authorizer;
    this.#rbac = rbac;
    this.#index = index;
  }

  /** For a Role (with its namespace) or a ClusterRole (namespace ''). Rejects with a 403. */
  async role(
    user: UserInfo,
    resource: 'roles' | 'clusterroles',
    namespace: string,
    name: string,
    rules: readonly PolicyRule[],
  ): Promise<void> {
    if (user.groups.includes(PRIVILEGED_GROUP)) return;
    if (await this.#may(user, 'escalate', resource, namespace, name)) return;
    this.#confirm(user, namespace, rules, resource, name);
  }

  /** For a RoleBinding (with its namespace) or a ClusterRoleBinding (namespace ''). Rejects with a 403, or 404 without the role. */
  async binding(
    user: UserInfo,
    resource: 'rolebindings' | 'clusterrolebindings',
    namespace: string,
    name: string,
    roleRef: RoleRef,
  ): Promise<void> {
    if (user.groups.includes(PRIVILEGED_GROUP)) return;
    const roleResource = roleRef.kind === 'Role' ? 'roles' : 'clusterroles';
    if (await this.#may(user, 'bind', roleResource, namespace, roleRef.name)) return;
    const rules = this.#index.rulesOf(roleRef, namespace);
    if (!rules) throw notFound({ group: GROUP, resource: roleResource.slice(0, -1) }, roleRef.name);
    this.#confirm(user, namespace, rules, resource, name);
  }

  async #may(user: UserInfo, verb: string, resource: string, namespace: string, name: string) {
    const attributes = { user, verb, group: GROUP, version: '*', resource, subresource: '', namespace, name };
    const answer = await this.#authorizer.authorize({ ...attributes, isResourceRequest: true, path: '' });
    return answer.decision === 'allow';
  }

  #confirm(
    user: UserInfo,
    namespace: string,
    rules: readonly PolicyRule[],
    resource: string,
    name: string,
  ): void {
    const missing = uncoveredRules(this.#rbac.rulesOf(user, namespace), rules);
    if (missing.length === 0) return;
    const who = `user ${jsonQuote(user.name)} (groups=${quoteList(user.groups)})`;
    const message = `${who} is attempting to grant RBAC permissions not currently held:\n${describeRules(missing).join('\n')}`;
    throw forbiddenRequest({ group: GROUP, resource }, name, message);
  }
}
