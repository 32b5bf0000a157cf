import type { UserInfo } from './request-context.ts';

/** What someone wants to do. Mirrors apiserver pkg/authorization/authorizer/interfaces.go. */
export interface AuthorizationAttributes {
  user: UserInfo;
  verb: string;
  isResourceRequest: boolean;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  /** For requests that are for no resource. */
  path: string;
  labelSelector?: string;
  fieldSelector?: string;
}

export interface AuthorizationDecision {
  decision: 'allow' | 'deny' | 'noOpinion';
  /** Why, as shown in a 403 and in access reviews. */
  reason: string;
  evaluationError?: string;
}

export interface AuthorizationRule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

export interface Authorizer {
  authorize(attributes: AuthorizationAttributes): Promise<AuthorizationDecision>;
  /** For SelfSubjectRulesReview; `incomplete` where some authorizer cannot list its rules. */
  rulesFor?(user: UserInfo, namespace: string): Promise<{ rules: AuthorizationRule[]; incomplete: boolean }>;
}
