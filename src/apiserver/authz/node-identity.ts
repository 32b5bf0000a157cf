import type { UserInfo } from '../request-context.ts';

const PREFIX = 'system:node:';

/**
 * The node that a user is, '' for a member of system:nodes without a node's name, or undefined for anyone
 * else. Mirrors pkg/auth/nodeidentifier/default.go.
 */
export function nodeIdentity(user: UserInfo): string | undefined {
  if (!user.name.startsWith(PREFIX) || !user.groups.includes('system:nodes')) return undefined;
  return user.name.slice(PREFIX.length);
}
