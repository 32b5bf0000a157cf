import type {
  AuthorizationAttributes,
  AuthorizationDecision,
  AuthorizationRule,
  Authorizer,
} from '../authorization.ts';
import type { UserInfo } from '../request-context.ts';

/** Members of this group may do everything, even where no role says so: it is how a cluster is repaired. */
export const PRIVILEGED_GROUP = 'system:masters';

/** Always allows the privileged group. Mirrors apiserver pkg/authorization/authorizerfactory/builtin.go. */
export const privilegedAuthorizer: Authorizer = {
  authorize: (attributes) =>
    Promise.resolve(
      attributes.user.groups.includes(PRIVILEGED_GROUP)
        ? { decision: 'allow', reason: '' }
        : { decision: 'noOpinion', reason: '' },
    ),
};

/**
 * Asks one authorizer after the other until one allows or denies; where none has an opinion, the reasons are
 * joined, a line each. Mirrors apiserver pkg/authorization/union/union.go.
 */
export class UnionAuthorizer implements Authorizer {
  #members: readonly Authorizer[];

  constructor(members: readonly Authorizer[]) {
    this.#members = members;
  }

  /** Asks others from now on. */
  replaceMembers(members: readonly Authorizer[]): void {
    this.#members = members;
  }

  async authorize(attributes: AuthorizationAttributes): Promise<AuthorizationDecision> {
    const reasons: string[] = [];
    const errors: string[] = [];
    for (const member of this.#members) {
      const answer = await member.authorize(attributes);
      if (answer.evaluationError !== undefined) errors.push(answer.evaluationError);
      if (answer.decision !== 'noOpinion') return answer;
      if (answer.reason !== '') reasons.push(answer.reason);
    }
    const none: AuthorizationDecision = { decision: 'noOpinion', reason: reasons.join('\n') };
    if (errors.length > 0) none.evaluationError = errors.join(', ');
    return none;
  }

  async rulesFor(
    user: UserInfo,
    namespace: string,
  ): Promise<{ rules: AuthorizationRule[]; incomplete: boolean; evaluationError?: string }> {
    const rules: AuthorizationRule[] = [];
    const errors: string[] = [];
    let incomplete = false;
    for (const member of this.#members) {
      if (!member.rulesFor) continue;
      const found: { rules: AuthorizationRule[]; incomplete: boolean; evaluationError?: string } =
        await member.rulesFor(user, namespace);
      rules.push(...found.rules);
      incomplete ||= found.incomplete;
      if (found.evaluationError !== undefined) errors.push(found.evaluationError);
    }
    const all = { rules, incomplete };
    return errors.length > 0 ? { ...all, evaluationError: errors.join(', ') } : all;
  }
}
