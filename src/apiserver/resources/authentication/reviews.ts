import { SELFSUBJECTREVIEWS, TOKENREVIEWS } from '../../../api/gen/resources.ts';
import type { TokenReview, UserInfo as ApiUser } from '../../../api/gen/types/authentication-v1.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { UserInfo } from '../../request-context.ts';
import type { ResourceDefinition } from '../../resource-definition.ts';
import { badRequest } from '../../status-errors.ts';
import { define } from '../define.ts';
import type { ResourceEnvironment } from '../environment.ts';

/** A user in the API's form: empty parts are left out. */
export function apiUser(user: UserInfo): ApiUser {
  const found: ApiUser = { username: user.name };
  if (user.uid) found.uid = user.uid;
  if (user.groups.length > 0) found.groups = [...user.groups];
  if (Object.keys(user.extra).length > 0) found.extra = { ...user.extra };
  return found;
}

/** Who does a token belong to? Mirrors pkg/registry/authentication/tokenreview/storage.go. */
export function tokenreviews(environment: ResourceEnvironment): ResourceDefinition {
  return define(TOKENREVIEWS, {
    virtual: {
      async create(review): Promise<TokenReview> {
        const token = review.spec?.token ?? '';
        if (token === '') throw badRequest('token is required for TokenReview in authentication');
        const audiences = review.spec.audiences ?? [];
        // What the client wrote there stays where nothing is found.
        const answer = { ...review, status: { ...review.status } };
        delete answer.status.authenticated;
        try {
          const found = await environment.authenticateToken(token, audiences);
          if (!found) {
            answer.status = { user: {}, ...answer.status, error: 'invalid bearer token' };
            return answer;
          }
          answer.status = { authenticated: true, user: apiUser(found.user) };
          // A token without audiences of its own is meant for this server.
          const accepted = found.audiences ?? (audiences.length > 0 ? audiences : environment.apiAudiences);
          if (accepted.length > 0) answer.status.audiences = [...accepted];
        } catch (error) {
          answer.status = {
            user: {},
            ...answer.status,
            error: `[invalid bearer token, ${messageOf(error)}]`,
          };
        }
        return answer;
      },
    },
  });
}

/** Who am I? Mirrors pkg/registry/authentication/selfsubjectreview/rest.go. */
export const selfsubjectreviews = define(SELFSUBJECTREVIEWS, {
  virtual: {
    create: (review, context) =>
      Promise.resolve({
        apiVersion: review.apiVersion ?? '',
        kind: review.kind ?? '',
        metadata: { creationTimestamp: rfc3339(context.clock.now()) },
        status: { userInfo: apiUser(context.user) },
      }),
  },
});
