import { FLOWSCHEMAS } from '../../../api/gen/resources.ts';
import type {
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '../../../api/gen/types/flowcontrol-v1.ts';
import { at, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { bareStatusOf, define, statusStrategy } from '../define.ts';
import { checkFormat, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, dnsSubdomain } from '../validation/formats.ts';
import { MANDATORY_SCHEMAS } from './bootstrap-objects.ts';
import { checkConditions } from './prioritylevelconfigurations.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const SUBJECTS = { User: 'user', Group: 'group', ServiceAccount: 'serviceAccount' } as const;

/** Mirrors pkg/apis/flowcontrol/validation/validation.go. */
function validate({ metadata, spec }: FlowSchema): FieldError[] {
  const errors: Errors = [];
  const name = metadata?.name ?? '';
  const precedence = spec?.matchingPrecedence ?? 0;
  const path = 'spec.matchingPrecedence';
  if (precedence <= 0) errors.push(invalid(path, precedence, 'must be a positive value'));
  if (precedence > 10_000) errors.push(invalid(path, precedence, 'must not be greater than 10000'));
  if (precedence === 1 && name !== 'exempt') {
    errors.push(invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1"));
  }
  const method = spec?.distinguisherMethod;
  if (method && !['ByNamespace', 'ByUser'].includes(method.type)) {
    errors.push(notSupported('spec.distinguisherMethod.type', method, ['ByNamespace', 'ByUser']));
  }
  const level = spec?.priorityLevelConfiguration?.name ?? '';
  const levelPath = 'spec.priorityLevelConfiguration.name';
  if (level === '') errors.push(required(levelPath, 'must reference a priority level'));
  else checkFormat(errors, levelPath, level, dnsSubdomain(level));
  for (const [index, rule] of (spec?.rules ?? []).entries()) checkRule(errors, at('spec.rules', index), rule);
  const fixed = MANDATORY_SCHEMAS.find((one) => one.metadata?.name === name)?.spec;
  if (fixed && !sameJson(spec, fixed)) {
    errors.push(invalid('spec', spec, `spec of '${name}' must equal the fixed value`));
  }
  return errors;
}

function checkRule(errors: Errors, path: string, rule: PolicyRulesWithSubjects): void {
  const {
    subjects = [],
    resourceRules = [],
    nonResourceRules = [],
  } = rule as Partial<PolicyRulesWithSubjects>;
  if (subjects.length === 0) {
    errors.push(required(`${path}.subjects`, 'subjects must contain at least one value'));
  }
  for (const [index, subject] of subjects.entries())
    checkSubject(errors, at(`${path}.subjects`, index), subject);
  if (resourceRules.length === 0 && nonResourceRules.length === 0) {
    errors.push(required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty'));
  }
  for (const [index, one] of resourceRules.entries()) {
    checkResourceRule(errors, at(`${path}.resourceRules`, index), one);
  }
  for (const [index, one] of nonResourceRules.entries()) {
    checkNonResourceRule(errors, at(`${path}.nonResourceRules`, index), one);
  }
}

function checkSubject(errors: Errors, path: string, subject: Subject): void {
  const own = Object.entries(SUBJECTS).find(([kind]) => kind === subject.kind);
  if (!own) {
    errors.push(notSupported(`${path}.kind`, subject.kind, ['Group', 'ServiceAccount', 'User']));
    return;
  }
  const [kind, field] = own;
  const who: { name?: string; namespace?: string } | undefined = subject[field];
  if (!who) errors.push(required(`${path}.${field}`, `${field} is required when subject kind is '${kind}'`));
  else if (!who.name) errors.push(required(`${path}.${field}.name`));
  if (who && kind === 'ServiceAccount') {
    if (who.name && who.name !== '*') {
      checkFormat(errors, `${path}.${field}.name`, who.name, dnsSubdomain(who.name));
    }
    const namespace = `${path}.${field}.namespace`;
    if (!who.namespace) errors.push(required(namespace, 'must specify namespace for service account'));
    else checkFormat(errors, namespace, who.namespace, dnsLabel(who.namespace));
  }
  for (const [otherKind, other] of Object.entries(SUBJECTS)) {
    if (otherKind === kind || !subject[other]) continue;
    errors.push(
      forbidden(`${path}.${other}`, `${other} is forbidden when subject kind is not '${otherKind}'`),
    );
  }
}

/** '*' stands alone. */
function checkList(
  errors: Errors,
  path: string,
  list: readonly string[],
  what: string,
  none: string,
): boolean {
  if (list.length === 0) errors.push(required(path, none));
  else if (list.length > 1 && list.includes('*')) {
    errors.push(invalid(path, list, `if '*' is present, must not specify other ${what}`));
  }
  return list.length > 0 && !list.includes('*');
}

function checkVerbs(errors: Errors, path: string, verbs: readonly string[]): void {
  const named = checkList(errors, `${path}.verbs`, verbs, 'verbs', 'verbs must contain at least one value');
  if (named && !verbs.every((verb) => VERBS.includes(verb))) {
    errors.push(notSupported(`${path}.verbs`, verbs, VERBS));
  }
}

function checkResourceRule(errors: Errors, path: string, rule: ResourcePolicyRule): void {
  const { verbs = [], apiGroups = [], resources = [], namespaces = [] } = rule as Partial<ResourcePolicyRule>;
  checkVerbs(errors, path, verbs);
  const none = (what: string) => `resource rules must supply at least one ${what}`;
  checkList(errors, `${path}.apiGroups`, apiGroups, 'api groups', none('api group'));
  checkList(errors, `${path}.resources`, resources, 'resources', none('resource'));
  if (namespaces.length === 0 && rule.clusterScope) return;
  const why = 'resource rules that are not cluster scoped must supply at least one namespace';
  if (!checkList(errors, `${path}.namespaces`, namespaces, 'namespaces', why)) return;
  for (const [index, namespace] of namespaces.entries()) {
    const intro = "each member of this list must be '*' or a DNS-1123 label; ";
    for (const problem of dnsLabel(namespace)) {
      errors.push(invalid(at(`${path}.namespaces`, index), namespace, `${intro}${problem}`));
    }
  }
}

function checkNonResourceRule(errors: Errors, path: string, rule: NonResourcePolicyRule): void {
  const { verbs = [], nonResourceURLs = [] } = rule as Partial<NonResourcePolicyRule>;
  checkVerbs(errors, path, verbs);
  const why = 'nonResourceURLs must contain at least one value';
  const urls = `${path}.nonResourceURLs`;
  if (!checkList(errors, urls, nonResourceURLs, 'non-resource URLs', why)) return;
  for (const [index, url] of nonResourceURLs.entries()) {
    const problem = urlProblem(url);
    if (problem) errors.push(invalid(at(urls, index), url, problem));
  }
}

function urlProblem(url: string): string | undefined {
  if (url === '') return 'must not be empty';
  if (url === '/') return undefined;
  if (!url.startsWith('/')) return 'must start with slash';
  if (url.includes(' ')) return 'must not contain white-space';
  if (url.includes('//')) return 'must not contain double slash';
  const stars = url.split('*').length - 1;
  if (stars > 1 || (stars === 1 && !url.endsWith('/*'))) return 'wildcard can only do suffix matching';
  return undefined;
}

export const flowschemas = define(FLOWSCHEMAS, {
  strategy: {
    ...statusStrategy,
    defaults({ spec }) {
      if (spec && !spec.matchingPrecedence) spec.matchingPrecedence = 1000;
    },
    validateCreate: validate,
    validateUpdate: validate,
  },
  subresources: [bareStatusOf(({ status }: FlowSchema) => checkConditions(status?.conditions))],
  columns: [
    nameColumn(),
    column('PriorityLevel', 'string', ({ spec }) => spec?.priorityLevelConfiguration?.name ?? ''),
    column('MatchingPrecedence', 'string', ({ spec }) => String(spec?.matchingPrecedence ?? 0)),
    column('DistinguisherMethod', 'string', ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>'),
    ageColumn(),
    column('MissingPL', 'string', ({ status }) => {
      const dangling = status?.conditions?.find(({ type }) => type === 'Dangling');
      return dangling?.status ?? '?';
    }),
  ],
});
