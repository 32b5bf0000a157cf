import type { IncomingHttpHeaders } from 'node:http';
import type { AuthorizationAttributes, Authorizer } from '../authorization.ts';
import { forbiddenError } from '../authz/forbidden.ts';
import type { UserInfo } from '../request-context.ts';
import { internalError } from '../status-errors.ts';
import { decodeExtraKey } from './certificates.ts';

const ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

/**
 * The user that the request's Impersonate-… headers name, after checking that the asker may be each part of
 * it; the asker where there are none. Rejects with 403. Mirrors apiserver pkg/endpoints/filters/impersonation.
 */
export async function impersonate(
  asker: UserInfo,
  headers: IncomingHttpHeaders,
  authorizer: Authorizer,
): Promise<UserInfo> {
  const name = values(headers, 'impersonate-user')[0] ?? '';
  const groups = values(headers, 'impersonate-group');
  const uid = values(headers, 'impersonate-uid')[0] ?? '';
  const extra = extras(headers);
  if (name === '') {
    if (groups.length === 0 && uid === '' && Object.keys(extra).length === 0) return asker;
    throw internalError('requested impersonation of groups, uid or extra without impersonating a user');
  }
  const may = async (parts: Partial<AuthorizationAttributes> & { resource: string; name: string }) => {
    const attributes = { ...basis(asker), ...parts };
    const answer = await authorizer.authorize(attributes);
    if (answer.decision !== 'allow') throw forbiddenError(attributes, answer.reason);
  };
  const [, namespace, account] = ACCOUNT.exec(name) ?? [];
  if (namespace !== undefined && account !== undefined) {
    await may({ resource: 'serviceaccounts', namespace, name: account });
  } else {
    await may({ resource: 'users', name });
  }
  for (const group of groups) await may({ resource: 'groups', name: group });
  const identity = { group: 'authentication.k8s.io', version: 'v1' };
  for (const [key, list] of Object.entries(extra)) {
    for (const value of list) {
      await may({ ...identity, resource: 'userextras', subresource: key, name: value });
    }
  }
  if (uid !== '') await may({ ...identity, resource: 'uids', name: uid });
  const user: UserInfo = { name, groups: allGroups(name, groups, namespace), extra };
  if (uid !== '') user.uid = uid;
  return user;
}

function basis(user: UserInfo): AuthorizationAttributes {
  return {
    user,
    verb: 'impersonate',
    isResourceRequest: true,
    group: '',
    version: 'v1',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    path: '',
  };
}

/** A service account's groups where none were named, and the group of all who are somebody. */
function allGroups(name: string, given: readonly string[], namespace: string | undefined): string[] {
  const groups = [...given];
  if (namespace !== undefined && groups.length === 0) {
    groups.push('system:serviceaccounts', `system:serviceaccounts:${namespace}`);
  }
  const known = groups.includes('system:authenticated') || groups.includes('system:unauthenticated');
  if (!known) groups.push(name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated');
  return groups;
}

function values(headers: IncomingHttpHeaders, name: string): string[] {
  const value = headers[name];
  if (value === undefined) return [];
  // Node joins headers that come several times; group names hold no comma followed by a space.
  const parts = Array.isArray(value) ? value : value.split(', ');
  return parts.filter((part) => part !== '');
}

function extras(headers: IncomingHttpHeaders): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const header of Object.keys(headers)) {
    if (!header.startsWith('impersonate-extra-')) continue;
    found[decodeExtraKey(header.slice('impersonate-extra-'.length))] = values(headers, header);
  }
  return found;
}
