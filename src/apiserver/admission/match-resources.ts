import type { NamedRuleWithOperations } from '../../api/gen/types/admissionregistration-v1.ts';
import { NAMESPACES } from '../../api/gen/resources.ts';
import type { LabelSelector } from '../../api/gen/types/meta-v1.ts';
import { deepClone } from '../../api/objects.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import type { AdmissionAttributes } from '../admission-plugin.ts';
import type { ObjectStore } from '../object-store.ts';
import type { ResourceTable } from '../registry/resource-table.ts';
import { selectorMatches } from '../resources/validation/selectors.ts';
import { notFound } from '../status-errors.ts';
import { isOn } from './review.ts';

/** What a webhook, a policy and a policy's binding say about the requests that they are for. */
export interface MatchCriteria {
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
  /** None matches every resource for policies; a webhook without rules matches nothing: do not ask then. */
  readonly resourceRules?: readonly NamedRuleWithOperations[];
  readonly excludeResourceRules?: readonly NamedRuleWithOperations[];
  /** 'Equivalent' also matches what is served under another version or group. Unset is 'Exact'. */
  readonly matchPolicy?: string;
}

export interface MatchEnvironment {
  readonly store: ObjectStore;
  readonly table: ResourceTable;
}

/**
 * Under which resource a request matches: its own, or an equivalent one whose version the objects are to be
 * shown in (`versionedObjects`); undefined where it does not match. Rejects with a 404 where the namespace
 * whose labels decide is not there. Mirrors apiserver pkg/admission/plugin/policy/matching/matching.go.
 */
export async function matchResources(
  criteria: MatchCriteria,
  attributes: AdmissionAttributes,
  { store, table }: MatchEnvironment,
): Promise<ResourceInfo | undefined> {
  if (!objectMatches(criteria.objectSelector, attributes)) return undefined;
  const { matchPolicy, resourceRules = [], excludeResourceRules = [] } = criteria;
  if (matchRules(excludeResourceRules, matchPolicy, attributes, table)) return undefined;
  const matched =
    resourceRules.length === 0
      ? attributes.resource
      : matchRules(resourceRules, matchPolicy, attributes, table);
  // Last, because it may have to read: upstream too answers its failure only where all else matches.
  if (!matched || !(await namespaceMatches(criteria.namespaceSelector, attributes, store))) return undefined;
  return matched;
}

/** Configurations of admission are beyond the reach of webhooks and policies, which could lock everyone out. */
export function isExempt({ resource }: AdmissionAttributes): boolean {
  return (
    resource.group === 'admissionregistration.k8s.io' &&
    /^(?:Validating|Mutating)(?:WebhookConfiguration|AdmissionPolicy(?:Binding)?)$/.test(resource.kind)
  );
}

/** The request's resource, or an equivalent one, that some rule names. */
export function matchRules(
  rules: readonly NamedRuleWithOperations[],
  matchPolicy: string | undefined,
  attributes: AdmissionAttributes,
  table: ResourceTable,
): ResourceInfo | undefined {
  const { resource } = attributes;
  if (rules.some((rule) => ruleMatches(rule, resource, attributes))) return resource;
  if (matchPolicy !== 'Equivalent') return undefined;
  const equivalents = table.equivalents(resource);
  for (const rule of rules) {
    const found = equivalents.find((other) => ruleMatches(rule, other, attributes));
    if (found) return found;
  }
  return undefined;
}

/** Mirrors apiserver pkg/admission/plugin/webhook/predicates/rules/rules.go. */
function ruleMatches(
  rule: NamedRuleWithOperations,
  resource: ResourceInfo,
  { operation, subresource, name, ...attributes }: AdmissionAttributes,
): boolean {
  const isNamespaced = resource.namespaced && attributes.namespace !== '';
  return (
    (rule.scope === undefined || rule.scope === '*' || isNamespaced === (rule.scope === 'Namespaced')) &&
    includes(rule.operations, operation) &&
    includes(rule.apiGroups, resource.group) &&
    includes(rule.apiVersions, resource.version) &&
    (rule.resources ?? []).some((each) => {
      const slash = each.indexOf('/');
      const [wanted, part] = slash < 0 ? [each, ''] : [each.slice(0, slash), each.slice(slash + 1)];
      return (wanted === '*' || wanted === resource.resource) && (part === '*' || part === subresource);
    }) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(name))
  );
}

function includes(list: readonly string[] | undefined, wanted: string): boolean {
  return list?.some((each) => each === '*' || each === wanted) ?? false;
}

function isEmptySelector(selector: LabelSelector | undefined): selector is undefined {
  return (
    selector === undefined ||
    (Object.keys(selector.matchLabels ?? {}).length === 0 && !selector.matchExpressions?.length)
  );
}

function objectMatches(
  selector: LabelSelector | undefined,
  { object, oldObject }: AdmissionAttributes,
): boolean {
  if (isEmptySelector(selector)) return true;
  return [object, oldObject].some(
    (each) => each !== undefined && selectorMatches(selector, each.metadata?.labels),
  );
}

async function namespaceMatches(
  selector: LabelSelector | undefined,
  attributes: AdmissionAttributes,
  store: ObjectStore,
): Promise<boolean> {
  const isNamespace = attributes.resource.group === '' && attributes.resource.resource === 'namespaces';
  if ((attributes.namespace === '' && !isNamespace) || isEmptySelector(selector)) return true;
  const { operation, object } = attributes;
  // The labels that a namespace is about to have are not in the store yet.
  if (isOn(attributes, NAMESPACES) && (operation === 'CREATE' || operation === 'UPDATE')) {
    return selectorMatches(selector, object?.metadata?.labels);
  }
  const namespace = await namespaceOf(isNamespace ? attributes.name : attributes.namespace, store);
  return selectorMatches(selector, namespace.metadata?.labels);
}

/** A namespace that a request is in; rejects with a 404 where the store has none. */
export async function namespaceOf(name: string, store: ObjectStore): Promise<KubeObject> {
  const found = (await store.get(NAMESPACES, name)) ?? (await store.getFresh(NAMESPACES, name));
  if (!found) throw notFound({ group: '', resource: 'namespaces' }, name);
  return found;
}

/**
 * The objects of a request in the version that it matched under. Where that is the request's own they are
 * the request's own too; else converted copies.
 */
export async function versionedObjects(
  attributes: AdmissionAttributes,
  matched: ResourceInfo,
  table: ResourceTable,
): Promise<{ object: KubeObject | undefined; oldObject: KubeObject | undefined }> {
  const { object, oldObject } = attributes;
  return {
    object: object && (await inVersion(object, attributes.resource, matched, table)),
    oldObject: oldObject && (await inVersion(oldObject, attributes.resource, matched, table)),
  };
}

/**
 * An object of one resource as an equivalent one serves it; itself where both are the same. Rejects where a
 * webhook converts the kind and cannot.
 */
export async function inVersion(
  object: KubeObject,
  from: ResourceInfo,
  to: ResourceInfo,
  table: ResourceTable,
): Promise<KubeObject> {
  if (from.group === to.group && from.version === to.version) return object;
  // An options object or a Scale is no version of the resource.
  if (object.kind !== from.kind) return object;
  const source = table.get(from).definition.storedAs;
  const target = table.get(to).definition.storedAs;
  if (source?.convertStored && target?.convertStored) {
    const [converted = object] = await target.convertStored([object]);
    return converted;
  }
  const stored = source ? source.toStored(deepClone(object)) : deepClone(object);
  return target ? deepClone(target.fromStored(stored)) : { ...stored, kind: to.kind };
}
