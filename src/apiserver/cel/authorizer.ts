import { declare, overload } from '../../cel/functions.ts';
import type { FunctionDeclaration } from '../../cel/functions.ts';
import { EvaluationError } from '../../cel/issues.ts';
import { nameType, struct } from '../../cel/types.ts';
import { OpaqueValue } from '../../cel/values.ts';
import type { Value } from '../../cel/values.ts';
import type { AdmissionAttributes } from '../admission-plugin.ts';
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from '../authorization.ts';
import type { UserInfo } from '../request-context.ts';
import { dnsLabel, dnsSubdomain } from '../resources/validation/formats.ts';
import { Pending } from './pending.ts';

const AUTHORIZER = nameType(struct('kubernetes.authorization.Authorizer'));
const PATH_CHECK = nameType(struct('kubernetes.authorization.PathCheck'));
const GROUP_CHECK = nameType(struct('kubernetes.authorization.GroupCheck'));
const RESOURCE_CHECK = nameType(struct('kubernetes.authorization.ResourceCheck'));
const DECISION = nameType(struct('kubernetes.authorization.Decision'));

export const AUTHORIZER_TYPE = AUTHORIZER;
export const RESOURCE_CHECK_TYPE = RESOURCE_CHECK;

/**
 * Answers of the authorizer that one evaluation has had. An expression cannot wait: the first time it asks,
 * it is given up, and it is evaluated anew when the answer is here.
 */
export class Decisions {
  readonly #authorizer: Authorizer;
  readonly #known = new Map<string, DecisionValue>();

  constructor(authorizer: Authorizer) {
    this.#authorizer = authorizer;
  }

  /** Throws Pending where the answer is not known yet. */
  check(attributes: AuthorizationAttributes): DecisionValue {
    const key = JSON.stringify(attributes);
    const known = this.#known.get(key);
    if (known) return known;
    throw new Pending(async () => {
      this.#known.set(key, new DecisionValue(await this.#authorizer.authorize(attributes)));
    });
  }
}

/** Values that only have methods: each is itself alone. */
abstract class Receiver extends OpaqueValue {
  override equals(other: Value): boolean {
    return this === other;
  }
}

export class AuthorizerValue extends Receiver {
  override readonly type = AUTHORIZER;
  readonly user: UserInfo;
  readonly decisions: Decisions;

  constructor(user: UserInfo, decisions: Decisions) {
    super();
    this.user = user;
    this.decisions = decisions;
  }
}

class PathCheck extends Receiver {
  override readonly type = PATH_CHECK;
  readonly authorizer: AuthorizerValue;
  readonly path: string;

  constructor(authorizer: AuthorizerValue, path: string) {
    super();
    this.authorizer = authorizer;
    this.path = path;
  }
}

class GroupCheck extends Receiver {
  override readonly type = GROUP_CHECK;
  readonly authorizer: AuthorizerValue;
  readonly group: string;

  constructor(authorizer: AuthorizerValue, group: string) {
    super();
    this.authorizer = authorizer;
    this.group = group;
  }
}

interface ResourceFields {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

class ResourceCheck extends Receiver {
  override readonly type = RESOURCE_CHECK;
  readonly authorizer: AuthorizerValue;
  readonly fields: ResourceFields;

  constructor(authorizer: AuthorizerValue, fields: ResourceFields) {
    super();
    this.authorizer = authorizer;
    this.fields = fields;
  }

  with(more: Partial<ResourceFields>): ResourceCheck {
    return new ResourceCheck(this.authorizer, { ...this.fields, ...more });
  }
}

class DecisionValue extends Receiver {
  override readonly type = DECISION;
  readonly decision: AuthorizationDecision;

  constructor(decision: AuthorizationDecision) {
    super();
    this.decision = decision;
  }
}

/** `authorizer.requestResource`: a check of what the request is for. */
export function requestResourceCheck(
  authorizer: AuthorizerValue,
  { resource, subresource, namespace, name }: AdmissionAttributes,
): Value {
  const { group } = resource;
  return new ResourceCheck(authorizer, { group, resource: resource.resource, subresource, namespace, name });
}

function serviceAccount(authorizer: AuthorizerValue, namespace: string, name: string): AuthorizerValue {
  if (dnsSubdomain(name).length > 0) throw new EvaluationError('Invalid service account name');
  if (dnsLabel(namespace).length > 0) throw new EvaluationError('Invalid service account namespace');
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
  const user = { name: `system:serviceaccount:${namespace}:${name}`, groups, extra: {} };
  return new AuthorizerValue(user, authorizer.decisions);
}

function notEmpty(text: string, what: string): string {
  if (text.trim() === '') throw new EvaluationError(`${what} must not be empty`);
  return text;
}

function checkPath({ authorizer, path }: PathCheck, verb: string): DecisionValue {
  return authorizer.decisions.check({
    user: authorizer.user,
    verb,
    isResourceRequest: false,
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    path,
  });
}

function checkResource({ authorizer, fields }: ResourceCheck, verb: string): DecisionValue {
  const { group, resource, subresource = '', namespace = '', name = '' } = fields;
  return authorizer.decisions.check({
    user: authorizer.user,
    verb,
    isResourceRequest: true,
    group,
    version: '*',
    resource,
    subresource,
    namespace,
    name,
    path: '',
    ...(fields.fieldSelector ? { fieldSelector: fields.fieldSelector } : {}),
    ...(fields.labelSelector ? { labelSelector: fields.labelSelector } : {}),
  });
}

const A = 'kubernetes.authorization';
const decisionOf = (value: Value): AuthorizationDecision => (value as DecisionValue).decision;

function setter(field: keyof ResourceFields, id: string): FunctionDeclaration {
  return declare(
    field,
    overload(id, `${A}.ResourceCheck.(string) -> ${A}.ResourceCheck`, (a, b) =>
      (a as ResourceCheck).with({ [field]: b as string }),
    ),
  );
}

/** Questions to the authorizer. Mirrors apiserver pkg/cel/library/authz.go. */
export const AUTHORIZER_FUNCTIONS: readonly FunctionDeclaration[] = [
  declare(
    'path',
    overload(
      'authorizer_path',
      `${A}.Authorizer.(string) -> ${A}.PathCheck`,
      (a, b) => new PathCheck(a as AuthorizerValue, notEmpty(b as string, 'path')),
    ),
  ),
  declare(
    'group',
    overload(
      'authorizer_group',
      `${A}.Authorizer.(string) -> ${A}.GroupCheck`,
      (a, b) => new GroupCheck(a as AuthorizerValue, b as string),
    ),
  ),
  declare(
    'serviceAccount',
    overload('authorizer_serviceaccount', `${A}.Authorizer.(string, string) -> ${A}.Authorizer`, (a, b, c) =>
      serviceAccount(a as AuthorizerValue, b as string, c as string),
    ),
  ),
  declare(
    'resource',
    overload('groupcheck_resource', `${A}.GroupCheck.(string) -> ${A}.ResourceCheck`, (a, b) => {
      const { authorizer, group } = a as GroupCheck;
      return new ResourceCheck(authorizer, { group, resource: notEmpty(b as string, 'resource') });
    }),
  ),
  setter('subresource', 'resourcecheck_subresource'),
  setter('namespace', 'resourcecheck_namespace'),
  setter('name', 'resourcecheck_name'),
  setter('fieldSelector', 'authorizer_fieldselector'),
  setter('labelSelector', 'authorizer_labelselector'),
  declare(
    'check',
    overload('pathcheck_check', `${A}.PathCheck.(string) -> ${A}.Decision`, (a, b) =>
      checkPath(a as PathCheck, b as string),
    ),
    overload('resourcecheck_check', `${A}.ResourceCheck.(string) -> ${A}.Decision`, (a, b) =>
      checkResource(a as ResourceCheck, b as string),
    ),
  ),
  declare(
    'errored',
    overload(
      'decision_errored',
      `${A}.Decision.() -> bool`,
      (a) => decisionOf(a).evaluationError !== undefined,
    ),
  ),
  declare(
    'error',
    overload('decision_error', `${A}.Decision.() -> string`, (a) => decisionOf(a).evaluationError ?? ''),
  ),
  declare(
    'allowed',
    overload('decision_allowed', `${A}.Decision.() -> bool`, (a) => decisionOf(a).decision === 'allow'),
  ),
  declare(
    'reason',
    overload('decision_reason', `${A}.Decision.() -> string`, (a) => decisionOf(a).reason),
  ),
];
