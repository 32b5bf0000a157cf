import type { PolicyRule } from '../../api/gen/types/rbac-v1.ts';
import { CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES } from '../../api/gen/resources.ts';
import type {
  AuthorizationAttributes,
  AuthorizationDecision,
  AuthorizationRule,
  Authorizer,
} from '../authorization.ts';
import type { UserInfo } from '../request-context.ts';
import type { ObjectFeed } from './object-feed.ts';
import { ruleMatchesPath, ruleMatchesResource } from './policy-rule.ts';
import type { GrantedRule, RbacIndex } from './rbac-index.ts';

/** Subjects whose compiled rules are kept; above it the oldest go. */
const MAX_SUBJECTS = 4096;
/** Answers kept a subject; their keys hold no object names, so that honest use stays far below. */
const MAX_ANSWERS = 1024;

/** What a subject may do with one verb on one resource: to all objects, to some by name, or to none. */
interface Answer {
  all: string | undefined;
  byName: Map<string, string>;
}

interface Compiled {
  rules: GrantedRule[];
  errors: string[];
  answers: Map<string, Answer>;
}

/**
 * Role-based access control. Rules are gathered once for each subject and namespace and answers once for
 * each verb and resource, and forgotten when any role or binding changes.
 * Mirrors plugin/pkg/auth/authorizer/rbac/rbac.go.
 */
export class RbacAuthorizer implements Authorizer {
  readonly #index: RbacIndex;
  readonly #compiled = new Map<string, Compiled>();
  #version = -1;

  constructor(index: RbacIndex) {
    this.#index = index;
  }

  authorize(attributes: AuthorizationAttributes): Promise<AuthorizationDecision> {
    return Promise.resolve(this.decide(attributes));
  }

  /** As `authorize`, at once: it waits for nothing. */
  decide(attributes: AuthorizationAttributes): AuthorizationDecision {
    const compiled = this.#compile(attributes.user, attributes.namespace);
    const answer = this.#answer(compiled, attributes);
    const source = answer.all ?? answer.byName.get(attributes.name);
    if (source !== undefined) return { decision: 'allow', reason: `RBAC: allowed by ${source}` };
    if (compiled.errors.length === 0) return { decision: 'noOpinion', reason: '' };
    const reason = `RBAC: ${joinErrors(compiled.errors)}`;
    return { decision: 'noOpinion', reason, evaluationError: joinErrors(compiled.errors) };
  }

  rulesFor(
    user: UserInfo,
    namespace: string,
  ): Promise<{ rules: AuthorizationRule[]; incomplete: boolean; evaluationError?: string }> {
    const { rules, errors } = this.#compile(user, namespace);
    const found = { rules: rules.map(({ rule }) => ({ ...rule })), incomplete: false };
    return Promise.resolve(errors.length > 0 ? { ...found, evaluationError: joinErrors(errors) } : found);
  }

  /** The bare rules that hold for the user in the namespace. */
  rulesOf(user: UserInfo, namespace: string): PolicyRule[] {
    return this.#compile(user, namespace).rules.map(({ rule }) => rule);
  }

  #compile(user: UserInfo, namespace: string): Compiled {
    if (this.#version !== this.#index.version) {
      this.#compiled.clear();
      this.#version = this.#index.version;
    }
    const key = `${namespace}\0${user.name}\0${user.groups.join('\0')}`;
    const known = this.#compiled.get(key);
    if (known) return known;
    const compiled = { ...this.#index.rulesFor(user, namespace), answers: new Map<string, Answer>() };
    if (this.#compiled.size >= MAX_SUBJECTS) {
      const [oldest] = this.#compiled.keys();
      if (oldest !== undefined) this.#compiled.delete(oldest);
    }
    this.#compiled.set(key, compiled);
    return compiled;
  }

  #answer(compiled: Compiled, attributes: AuthorizationAttributes): Answer {
    const key = attributes.isResourceRequest
      ? `${attributes.verb} ${attributes.group} ${attributes.resource}/${attributes.subresource}`
      : `${attributes.verb} ${attributes.path}`;
    const known = compiled.answers.get(key);
    if (known) return known;
    const answer = evaluate(compiled.rules, attributes);
    if (compiled.answers.size >= MAX_ANSWERS) compiled.answers.clear();
    compiled.answers.set(key, answer);
    return answer;
  }
}

function evaluate(rules: readonly GrantedRule[], attributes: AuthorizationAttributes): Answer {
  const answer: Answer = { all: undefined, byName: new Map() };
  const { verb, group, resource, subresource, path } = attributes;
  for (const { rule, source } of rules) {
    if (!attributes.isResourceRequest) {
      if (ruleMatchesPath(rule, verb, path)) return { all: source, byName: answer.byName };
      continue;
    }
    if (!ruleMatchesResource(rule, verb, group, resource, subresource)) continue;
    if (!rule.resourceNames?.length) return { all: source, byName: answer.byName };
    for (const name of rule.resourceNames) {
      if (!answer.byName.has(name)) answer.byName.set(name, source);
    }
  }
  return answer;
}

function joinErrors(errors: readonly string[]): string {
  const distinct = [...new Set(errors)];
  return distinct.length === 1 ? (distinct[0] ?? '') : `[${distinct.join(', ')}]`;
}

/** Keeps the index up to date from the watch cache; returns the end of it. */
export function followRbac(index: RbacIndex, feed: ObjectFeed): () => void {
  const key = (object: { metadata?: { namespace?: string; name?: string } }): [string, string] => [
    object.metadata?.namespace ?? '',
    object.metadata?.name ?? '',
  ];
  const ends = [
    feed.follow(ROLES, {
      set: (role) => index.setRole(role),
      deleted: (role) => index.deleteRole(...key(role)),
    }),
    feed.follow(CLUSTERROLES, {
      set: (role) => index.setClusterRole(role),
      deleted: (role) => index.deleteClusterRole(key(role)[1]),
    }),
    feed.follow(ROLEBINDINGS, {
      set: (binding) => index.setBinding(binding),
      deleted: (binding) => index.deleteBinding(...key(binding)),
    }),
    feed.follow(CLUSTERROLEBINDINGS, {
      set: (binding) => index.setBinding(binding),
      deleted: (binding) => index.deleteBinding('', key(binding)[1]),
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}
