import { isObject } from '../../api/objects.ts';
import { loadYaml } from '../../api/json/yaml.ts';
import { SlipwayError } from '../../base/errors.ts';
import type { AuthorizationAttributes } from '../authorization.ts';

export type AuditLevel = 'None' | 'Metadata' | 'Request' | 'RequestResponse';
export type AuditStage = 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic';

interface GroupResources {
  group?: string;
  resources?: string[];
  resourceNames?: string[];
}

interface PolicyRule {
  level: AuditLevel;
  users?: string[];
  userGroups?: string[];
  verbs?: string[];
  resources?: GroupResources[];
  namespaces?: string[];
  nonResourceURLs?: string[];
  omitStages?: AuditStage[];
  omitManagedFields?: boolean;
}

/** What is recorded of a request. */
export interface AuditDecision {
  level: AuditLevel;
  omitStages: readonly AuditStage[];
  omitManagedFields: boolean;
}

const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'];
const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'];

/** An audit.k8s.io/v1 Policy. Mirrors apiserver pkg/audit/policy/{reader,checker}.go. */
export class AuditPolicy {
  readonly #rules: readonly PolicyRule[];
  readonly #omitStages: readonly AuditStage[];
  readonly #omitManagedFields: boolean;

  /** Reads YAML or JSON; throws E_AUDIT_POLICY. */
  static parse(text: string): AuditPolicy {
    const { value } = loadYaml(text);
    if (!isObject(value) || value.kind !== 'Policy' || value.apiVersion !== 'audit.k8s.io/v1') {
      throw bad('it is no Policy of audit.k8s.io/v1');
    }
    const rules = Array.isArray(value.rules) ? (value.rules as PolicyRule[]) : [];
    if (rules.length === 0) throw bad('loaded illegal policy with 0 rules');
    checkLists('policy', value, ['omitStages']);
    const omitStages = (value.omitStages ?? []) as AuditStage[];
    checkStages('omitStages', omitStages);
    for (const [index, rule] of rules.entries()) checkRule(`rules[${index}]`, rule);
    return new AuditPolicy(rules, omitStages, value.omitManagedFields === true);
  }

  private constructor(
    rules: readonly PolicyRule[],
    omitStages: readonly AuditStage[],
    omitManagedFields: boolean,
  ) {
    this.#rules = rules.map((rule) => ({
      ...rule,
      omitStages: [...new Set([...(rule.omitStages ?? []), ...omitStages])],
    }));
    this.#omitStages = omitStages;
    this.#omitManagedFields = omitManagedFields;
  }

  /** The first rule that matches; nothing is recorded where none does. */
  decide(
    attributes: Omit<AuthorizationAttributes, 'user'> & Partial<AuthorizationAttributes>,
  ): AuditDecision {
    const rule = this.#rules.find((each) => matches(each, attributes));
    return {
      level: rule?.level ?? 'None',
      omitStages: rule?.omitStages ?? this.#omitStages,
      omitManagedFields: rule?.omitManagedFields ?? this.#omitManagedFields,
    };
  }
}

function bad(why: string): SlipwayError {
  return new SlipwayError('E_AUDIT_POLICY', `the audit policy cannot be used: ${why}`);
}

/** Fields that are lists of strings where they are there at all. */
function checkLists(path: string, holder: object, names: readonly string[]): void {
  for (const [name, value] of Object.entries(holder)) {
    if (!names.includes(name)) continue;
    const isList = Array.isArray(value) && value.every((each) => typeof each === 'string');
    if (!isList) throw bad(`${path}.${name}: it must be a list of strings`);
  }
}

function checkRule(path: string, rule: PolicyRule): void {
  if (!isObject(rule)) throw bad(`${path}: Required value`);
  checkLists(path, rule, ['users', 'userGroups', 'verbs', 'namespaces', 'nonResourceURLs', 'omitStages']);
  if (rule.resources !== undefined && !(Array.isArray(rule.resources) && rule.resources.every(isObject))) {
    throw bad(`${path}.resources: it must be a list of groups`);
  }
  if (!rule.level) throw bad(`${path}.level: Required value`);
  if (!LEVELS.includes(rule.level)) {
    const known = LEVELS.map((level) => `"${level}"`).join(', ');
    throw bad(`${path}.level: Unsupported value: "${rule.level}": supported values: ${known}`);
  }
  const resources = rule.resources ?? [];
  const urls = rule.nonResourceURLs ?? [];
  if (urls.length > 0 && (resources.length > 0 || (rule.namespaces ?? []).length > 0)) {
    throw bad(`${path}.nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs`);
  }
  for (const url of urls) {
    if (url !== '*' && !url.startsWith('/')) {
      throw bad(`${path}.nonResourceURLs: ${url}: non-resource URL rules must begin with a '/' character`);
    }
    if (url.slice(0, -1).includes('*')) {
      throw bad(
        `${path}.nonResourceURLs: ${url}: non-resource URL wildcards '*' must be the final character of the rule`,
      );
    }
  }
  for (const group of resources) {
    checkLists(`${path}.resources`, group, ['resources', 'resourceNames']);
    const { resources: names = [], resourceNames = [] } = group as GroupResources;
    if (resourceNames.length > 0 && names.length === 0) {
      throw bad(`${path}.resources: using resourceNames requires at least one resource`);
    }
  }
  checkStages(`${path}.omitStages`, rule.omitStages ?? []);
}

function checkStages(path: string, stages: readonly string[]): void {
  for (const stage of stages) {
    if (!STAGES.includes(stage)) throw bad(`${path}: ${stage}: allowed stages are ${STAGES.join(',')}`);
  }
}

type Attributes = Parameters<AuditPolicy['decide']>[0];

function matches(rule: PolicyRule, attributes: Attributes): boolean {
  const { user } = attributes;
  if (rule.users?.length && !(user && rule.users.includes(user.name))) return false;
  if (rule.userGroups?.length && !user?.groups.some((group) => rule.userGroups?.includes(group)))
    return false;
  if (rule.verbs?.length && !rule.verbs.includes(attributes.verb)) return false;
  if (rule.namespaces?.length || rule.resources?.length) return matchesResource(rule, attributes);
  if (!rule.nonResourceURLs?.length) return true;
  const { path } = attributes;
  return (
    !attributes.isResourceRequest &&
    rule.nonResourceURLs.some(
      (url) => url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))),
    )
  );
}

function matchesResource(rule: PolicyRule, attributes: Attributes): boolean {
  if (!attributes.isResourceRequest) return false;
  if (rule.namespaces?.length && !rule.namespaces.includes(attributes.namespace)) return false;
  if (!rule.resources?.length) return true;
  const { group, resource, subresource, name } = attributes;
  const combined = subresource === '' ? resource : `${resource}/${subresource}`;
  return rule.resources.some(({ group: wanted = '', resources = [], resourceNames = [] }) => {
    if (wanted !== group && wanted !== '*') return false;
    if (resources.length === 0) return true;
    if (resourceNames.length > 0 && !resourceNames.includes(name)) return false;
    return resources.some(
      (each) =>
        each === combined ||
        each === '*' ||
        (subresource !== '' && each === `*/${subresource}`) ||
        each === `${resource}/*`,
    );
  });
}
