import type { AuthorizationAttributes } from './authorization.ts';
import type { RequestInfo, UserInfo } from './request-context.ts';

/** What a request asks for, as authorizers and the audit policy see it. */
export function authorizationAttributes(info: RequestInfo, user: UserInfo): AuthorizationAttributes {
  return {
    user,
    verb: info.verb,
    isResourceRequest: info.isResourceRequest,
    group: info.group,
    version: info.version,
    resource: info.resource,
    subresource: info.subresource,
    namespace: info.namespace,
    name: info.name,
    path: info.path,
    ...(info.labelSelector === '' ? {} : { labelSelector: info.labelSelector }),
    ...(info.fieldSelector === '' ? {} : { fieldSelector: info.fieldSelector }),
  };
}
