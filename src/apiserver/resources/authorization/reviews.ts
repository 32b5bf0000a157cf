import {
  LOCALSUBJECTACCESSREVIEWS,
  SELFSUBJECTACCESSREVIEWS,
  SELFSUBJECTRULESREVIEWS,
  SUBJECTACCESSREVIEWS,
} from '../../../api/gen/resources.ts';
import type {
  NonResourceAttributes,
  ResourceAttributes,
  SubjectAccessReviewSpec,
} from '../../../api/gen/types/authorization-v1.ts';
import type { AuthorizationAttributes, AuthorizationRule } from '../../authorization.ts';
import { invalid } from '../../field-error.ts';
import type { UserInfo } from '../../request-context.ts';
import type { ResourceDefinition } from '../../resource-definition.ts';
import { badRequest, invalidObject } from '../../status-errors.ts';
import { define } from '../define.ts';
import type { ResourceEnvironment } from '../environment.ts';
import type { Errors } from '../validation/checks.ts';

const GROUP = 'authorization.k8s.io';

interface Question {
  resourceAttributes?: ResourceAttributes;
  nonResourceAttributes?: NonResourceAttributes;
}

/** A question must be about exactly one thing. Mirrors pkg/apis/authorization/validation/validation.go. */
function checkQuestion(errors: Errors, spec: Question): void {
  if (spec.resourceAttributes && spec.nonResourceAttributes) {
    const why = 'cannot be specified in combination with resourceAttributes';
    errors.push(invalid('spec.nonResourceAttributes', spec.nonResourceAttributes, why));
  }
  if (!spec.resourceAttributes && !spec.nonResourceAttributes) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    errors.push(invalid('spec.resourceAttributes', null, why));
  }
}

function attributesOf(user: UserInfo, spec: Question): AuthorizationAttributes {
  const about = spec.resourceAttributes;
  if (!about) {
    const { verb = '', path = '' } = spec.nonResourceAttributes ?? {};
    const none = { group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
    return { user, verb, path, isResourceRequest: false, ...none };
  }
  const attributes: AuthorizationAttributes = {
    user,
    verb: about.verb ?? '',
    isResourceRequest: true,
    group: about.group ?? '',
    version: about.version ?? '',
    resource: about.resource ?? '',
    subresource: about.subresource ?? '',
    namespace: about.namespace ?? '',
    name: about.name ?? '',
    path: '',
  };
  if (about.fieldSelector?.rawSelector) attributes.fieldSelector = about.fieldSelector.rawSelector;
  else if (about.fieldSelector?.requirements) {
    attributes.fieldSelector = about.fieldSelector.requirements
      .filter((one) => one.operator === 'In' && one.values?.length === 1)
      .map((one) => `${one.key}=${one.values?.[0] ?? ''}`)
      .join(',');
  }
  return attributes;
}

/** The four access reviews. Mirrors pkg/registry/authorization. */
export function accessReviews(environment: ResourceEnvironment): ResourceDefinition[] {
  const answer = async (user: UserInfo, spec: Question) => {
    const found = await environment.authorizer.authorize(attributesOf(user, spec));
    const status: { allowed: boolean; denied?: boolean; reason?: string; evaluationError?: string } = {
      allowed: found.decision === 'allow',
    };
    if (found.decision === 'deny') status.denied = true;
    if (found.reason !== '') status.reason = found.reason;
    if (found.evaluationError !== undefined) status.evaluationError = found.evaluationError;
    return status;
  };
  const subject = (spec: SubjectAccessReviewSpec): UserInfo => {
    const user: UserInfo = {
      name: spec.user ?? '',
      groups: [...(spec.groups ?? [])],
      extra: { ...spec.extra },
    };
    if (spec.uid) user.uid = spec.uid;
    return user;
  };
  const check = (kind: string, spec: SubjectAccessReviewSpec | undefined, needsSubject: boolean) => {
    const errors: Errors = [];
    checkQuestion(errors, spec ?? {});
    if (needsSubject && !spec?.user && !spec?.groups?.length) {
      errors.push(invalid('spec.user', spec?.user ?? '', 'at least one of user or group must be specified'));
    }
    if (errors.length > 0) throw invalidObject({ group: GROUP, kind }, '', errors);
  };
  return [
    define(SUBJECTACCESSREVIEWS, {
      virtual: {
        async create(review) {
          check('SubjectAccessReview', review.spec, true);
          return { ...review, status: await answer(subject(review.spec), review.spec) };
        },
      },
    }),
    define(LOCALSUBJECTACCESSREVIEWS, {
      virtual: {
        async create(review, context) {
          check('LocalSubjectAccessReview', review.spec, true);
          const asked = review.spec.resourceAttributes?.namespace ?? '';
          if (asked !== context.info.namespace) {
            throw badRequest(
              `spec.resourceAttributes.namespace must match namespace: ${context.info.namespace}`,
            );
          }
          return { ...review, status: await answer(subject(review.spec), review.spec) };
        },
      },
    }),
    define(SELFSUBJECTACCESSREVIEWS, {
      virtual: {
        async create(review, context) {
          check('SelfSubjectAccessReview', review.spec, false);
          return { ...review, status: await answer(context.user, review.spec) };
        },
      },
    }),
    rulesReview(environment),
  ];
}

function rulesReview(environment: ResourceEnvironment): ResourceDefinition {
  return define(SELFSUBJECTRULESREVIEWS, {
    virtual: {
      async create(review, context) {
        const namespace = review.spec?.namespace ?? '';
        if (namespace === '') throw badRequest('no namespace on request');
        const found: { rules: AuthorizationRule[]; incomplete: boolean; evaluationError?: string } =
          (await environment.authorizer.rulesFor?.(context.user, namespace)) ?? {
            rules: [],
            incomplete: true,
          };
        const resourceRules = found.rules
          .filter((rule) => rule.resources?.length)
          .map(({ verbs, apiGroups = [], resources = [], resourceNames }) =>
            resourceNames ? { verbs, apiGroups, resources, resourceNames } : { verbs, apiGroups, resources },
          );
        const nonResourceRules = found.rules
          .filter((rule) => rule.nonResourceURLs?.length)
          .map(({ verbs, nonResourceURLs = [] }) => ({ verbs, nonResourceURLs }));
        const status = { resourceRules, nonResourceRules, incomplete: found.incomplete };
        const { evaluationError } = found;
        // Upstream's answer does not repeat what was asked.
        return { metadata: {}, spec: {}, status: evaluationError ? { ...status, evaluationError } : status };
      },
    },
  });
}
