import {
  MUTATINGWEBHOOKCONFIGURATIONS,
  VALIDATINGWEBHOOKCONFIGURATIONS,
} from '../../../api/gen/resources.ts';
import type { MutatingWebhook } from '../../../api/gen/types/admissionregistration-v1.ts';
import type { KubeObject, ResourceInfo } from '../../../api/resource.ts';
import { validateMatchConditions } from '../../admission/policies/match-conditions.ts';
import { at, child, duplicate, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { ResourceDefinition, ResourceStrategy } from '../../resource-definition.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkLabelSelector, sameJson } from '../validation/checks.ts';
import { dns1035Label, dnsSubdomain } from '../validation/formats.ts';
import { validateWebhookService, validateWebhookUrl } from '../validation/webhooks.ts';
import { validateRuleWithOperations } from './rules.ts';

/** A validating webhook is a mutating one without a reinvocation policy. */
interface WebhookConfiguration extends KubeObject {
  webhooks?: MutatingWebhook[];
}

const REVIEW_VERSIONS = ['v1', 'v1beta1'];
const NO_SIDE_EFFECTS = ['None', 'NoneOnDryRun'];
const SIDE_EFFECTS = ['None', 'NoneOnDryRun', 'Some', 'Unknown'];
const STATIC_SUFFIX = '.static.k8s.io';

/** Mirrors pkg/apis/admissionregistration/v1/defaults.go. */
function setDefaults(configuration: WebhookConfiguration, isMutating: boolean): void {
  for (const webhook of configuration.webhooks ?? []) {
    webhook.failurePolicy ??= 'Fail';
    webhook.matchPolicy ??= 'Equivalent';
    webhook.namespaceSelector ??= {};
    webhook.objectSelector ??= {};
    webhook.timeoutSeconds ??= 10;
    if (isMutating) webhook.reinvocationPolicy ??= 'Never';
    for (const rule of webhook.rules ?? []) rule.scope ??= '*';
    const service = webhook.clientConfig?.service;
    if (service) service.port ??= 443;
  }
}

interface Leniency {
  sideEffects: boolean;
  reviewVersions: boolean;
  names: boolean;
  /** Conditions that did not change were accepted before. */
  conditions: boolean;
}

function conditionsOf({ webhooks = [] }: WebhookConfiguration) {
  return webhooks.map(({ matchConditions }) => matchConditions ?? []);
}

/** What was accepted once stays acceptable in an update. */
function leniencyOf(configuration: WebhookConfiguration, old: WebhookConfiguration | undefined): Leniency {
  if (!old) return { sideEffects: false, reviewVersions: false, names: false, conditions: false };
  const before = old.webhooks ?? [];
  const names = before.map(({ name }) => name);
  return {
    sideEffects: before.some(({ sideEffects }) => !NO_SIDE_EFFECTS.includes(sideEffects ?? '')),
    reviewVersions: before.some(
      ({ admissionReviewVersions }) =>
        !(admissionReviewVersions ?? []).some((v) => REVIEW_VERSIONS.includes(v)),
    ),
    names: new Set(names).size !== names.length,
    conditions: sameJson(conditionsOf(configuration), conditionsOf(old)),
  };
}

/** Mirrors pkg/apis/admissionregistration/validation/validation.go. */
function validate(configuration: WebhookConfiguration, old?: WebhookConfiguration): FieldError[] {
  const leniency = leniencyOf(configuration, old);
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, webhook] of (configuration.webhooks ?? []).entries()) {
    const path = at('webhooks', index);
    errors.push(...validateWebhook(path, webhook, leniency));
    errors.push(
      ...validateReviewVersions(
        child(path, 'admissionReviewVersions'),
        webhook.admissionReviewVersions ?? [],
        leniency,
      ),
    );
    if (!leniency.names && webhook.name !== undefined && webhook.name !== '') {
      if (seen.has(webhook.name)) errors.push(duplicate(child(path, 'name'), webhook.name));
      seen.add(webhook.name);
    }
  }
  return errors;
}

function validateWebhook(path: string, webhook: MutatingWebhook, leniency: Leniency): FieldError[] {
  const errors: FieldError[] = [...validateName(child(path, 'name'), webhook.name ?? '')];
  for (const [index, rule] of (webhook.rules ?? []).entries()) {
    errors.push(...validateRuleWithOperations(at(child(path, 'rules'), index), rule));
  }
  const oneOf = (name: 'failurePolicy' | 'matchPolicy' | 'reinvocationPolicy', values: string[]) => {
    const value = webhook[name];
    if (value !== undefined && !values.includes(value)) {
      errors.push(notSupported(child(path, name), value, values));
    }
  };
  oneOf('failurePolicy', ['Fail', 'Ignore']);
  oneOf('matchPolicy', ['Equivalent', 'Exact']);
  const allowed = leniency.sideEffects ? SIDE_EFFECTS : NO_SIDE_EFFECTS;
  const { sideEffects, timeoutSeconds } = webhook as Partial<MutatingWebhook>;
  if (sideEffects === undefined) {
    errors.push(required(child(path, 'sideEffects'), `must specify one of ${allowed.join(', ')}`));
  } else if (!allowed.includes(sideEffects)) {
    errors.push(notSupported(child(path, 'sideEffects'), sideEffects, allowed));
  }
  if (timeoutSeconds !== undefined && (timeoutSeconds > 30 || timeoutSeconds < 1)) {
    const why = 'the timeout value must be between 1 and 30 seconds';
    errors.push(invalid(child(path, 'timeoutSeconds'), timeoutSeconds, why));
  }
  checkLabelSelector(errors, child(path, 'namespaceSelector'), webhook.namespaceSelector);
  checkLabelSelector(errors, child(path, 'objectSelector'), webhook.objectSelector);
  oneOf('reinvocationPolicy', ['IfNeeded', 'Never']);
  errors.push(...validateClientConfig(child(path, 'clientConfig'), webhook));
  if (!leniency.conditions) {
    errors.push(...validateMatchConditions(webhook.matchConditions ?? [], child(path, 'matchConditions')));
  }
  return errors;
}

function validateClientConfig(path: string, { clientConfig }: MutatingWebhook): FieldError[] {
  const { url, service } = clientConfig ?? {};
  if ((url === undefined) === (service === undefined)) {
    return [required(path, 'exactly one of url or service is required')];
  }
  if (url !== undefined) return validateWebhookUrl(child(path, 'url'), url);
  return validateWebhookService(child(path, 'service'), service ?? {});
}

function validateName(path: string, name: string): FieldError[] {
  if (name === '') return [required(path)];
  const problems = dnsSubdomain(name);
  if (problems.length > 0) return [invalid(path, name, problems.join(','))];
  if (name.split('.').length < 3) {
    return [invalid(path, name, 'should be a domain with at least three segments separated by dots')];
  }
  return [];
}

function validateReviewVersions(path: string, versions: readonly string[], leniency: Leniency): FieldError[] {
  if (versions.length === 0) return [required(path, `must specify one of ${REVIEW_VERSIONS.join(', ')}`)];
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, version] of versions.entries()) {
    if (seen.has(version)) {
      errors.push(invalid(at(path, index), version, 'duplicate version'));
      continue;
    }
    seen.add(version);
    for (const problem of dns1035Label(version)) errors.push(invalid(at(path, index), version, problem));
  }
  if (!leniency.reviewVersions && !REVIEW_VERSIONS.some((version) => seen.has(version))) {
    errors.push(invalid(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`));
  }
  return errors;
}

function staticWarnings({ metadata }: KubeObject): string[] {
  if (!metadata?.name?.endsWith(STATIC_SUFFIX)) return [];
  return [
    `metadata.name: names ending with "${STATIC_SUFFIX}" are reserved for static manifest-based configurations and cannot be managed via the API`,
  ];
}

function configurations(info: ResourceInfo<WebhookConfiguration>, isMutating: boolean): ResourceDefinition {
  const strategy: ResourceStrategy<WebhookConfiguration> = {
    allowUnconditionalUpdate: false,
    generation: (object, old) => !sameJson(object.webhooks, old.webhooks),
    defaults: (object) => setDefaults(object, isMutating),
    validateCreate: (object) => validate(object),
    validateUpdate: (object, old) => validate(object, old),
    warningsOnCreate: staticWarnings,
    warningsOnUpdate: staticWarnings,
  };
  return define(info, {
    categories: ['api-extensions'],
    strategy,
    columns: [
      nameColumn(),
      column('Webhooks', 'integer', ({ webhooks }) => webhooks?.length ?? 0),
      ageColumn(),
    ],
  });
}

export const mutatingwebhookconfigurations = configurations(MUTATINGWEBHOOKCONFIGURATIONS, true);
export const validatingwebhookconfigurations = configurations(VALIDATINGWEBHOOKCONFIGURATIONS, false);
