import type {
  FlowSchema,
  NonResourcePolicyRule,
  ResourcePolicyRule,
  Subject,
} from '../../api/gen/types/flowcontrol-v1.ts';
import type { RequestInfo, UserInfo } from '../request-context.ts';

export type Classifier = (info: RequestInfo, user: UserInfo) => boolean;

/** In the order in which they are asked: by precedence, then by name. */
export function byPrecedence(a: FlowSchema, b: FlowSchema): number {
  const difference = (a.spec?.matchingPrecedence ?? 0) - (b.spec?.matchingPrecedence ?? 0);
  if (difference !== 0) return difference;
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
}

/** Whether requests are of this flow. Mirrors apiserver pkg/util/flowcontrol/rule.go. */
export function classifierOf({ spec }: FlowSchema): Classifier {
  const rules = spec?.rules ?? [];
  return (info, user) =>
    rules.some(({ subjects, resourceRules, nonResourceRules }) => {
      if (!subjects.some((subject) => isSubject(subject, user))) return false;
      return info.isResourceRequest
        ? (resourceRules ?? []).some((rule) => isResource(rule, info))
        : (nonResourceRules ?? []).some((rule) => isPath(rule, info));
    });
}

const has = (list: readonly string[] | undefined, value: string): boolean =>
  list?.[0] === '*' || (list?.includes(value) ?? false);

function isSubject({ kind, user: one, group, serviceAccount }: Subject, user: UserInfo): boolean {
  if (kind === 'User') return one?.name === '*' || one?.name === user.name;
  if (kind === 'Group') return group?.name === '*' || user.groups.includes(group?.name ?? '');
  const prefix = `system:serviceaccount:${serviceAccount?.namespace}:`;
  if (serviceAccount?.name === '*') return user.name.startsWith(prefix);
  return user.name === `${prefix}${serviceAccount?.name}`;
}

function isResource(rule: ResourcePolicyRule, info: RequestInfo): boolean {
  if (!has(rule.verbs, info.verb) || !has(rule.apiGroups, info.group)) return false;
  const resource = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`;
  if (!has(rule.resources, resource)) return false;
  return info.namespace === '' ? rule.clusterScope === true : has(rule.namespaces, info.namespace);
}

function isPath({ verbs, nonResourceURLs }: NonResourcePolicyRule, info: RequestInfo): boolean {
  if (!has(verbs, info.verb)) return false;
  return nonResourceURLs.some(
    (url) =>
      url === '*' || url === info.path || (url.endsWith('*') && info.path.startsWith(url.slice(0, -1))),
  );
}
