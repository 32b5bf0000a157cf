import type {
  CrossVersionObjectReference,
  HPAScalingPolicy,
  HPAScalingRules,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerSpec,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from '../../../api/gen/types/autoscaling-v2.ts';
import { forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { checkContainerResourceName } from '../core/pod-spec/resource-requirements.ts';
import { rbacNameProblems as pathSegmentName } from '../rbac/rbac-rules.ts';
import { at, checkFormat, checkNonNegative, child } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel } from '../validation/formats.ts';
import { canonicalQuantity, compareQuantities } from '../validation/quantities.ts';

const TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
const SOURCES = ['object', 'external', 'pods', 'resource', 'containerResource'] as const;
const MAX_PERIOD_SECONDS = 1800;
const MAX_WINDOW_SECONDS = 3600;

/** What of references' versions is looked at. */
type ApiVersionRule = 'any' | 'group' | 'parsable';

/** Mirrors pkg/apis/autoscaling/validation/validation.go and validationOptionsForHorizontalPodAutoscaler of the strategy. */
export function validateAutoscaler(
  { spec: given }: HorizontalPodAutoscaler,
  old?: HorizontalPodAutoscaler,
): FieldError[] {
  const errors: Errors = [];
  if (!given) return errors;
  const spec: Partial<HorizontalPodAutoscalerSpec> = given;
  const { minReplicas, maxReplicas = 0, scaleTargetRef, metrics = [] } = spec;
  const lowest = old?.spec?.minReplicas === 0 ? 0 : 1;
  if (minReplicas !== undefined && minReplicas < lowest) {
    errors.push(invalid('spec.minReplicas', minReplicas, `must be greater than or equal to ${lowest}`));
  }
  if (maxReplicas === 0) errors.push(required('spec.maxReplicas', 'must be set and greater than 0'));
  else if (maxReplicas < 0) {
    errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to 1'));
  }
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'));
  }
  checkReference(errors, 'spec.scaleTargetRef', scaleTargetRef, targetRule(spec, old?.spec));
  metrics.forEach((metric, index) =>
    validateMetric(errors, at('spec.metrics', index), metric, metricRule(old?.spec)),
  );
  const outside = metrics.some(({ type }) => type === 'Object' || type === 'External');
  if (minReplicas === 0 && !outside) {
    const why = 'must specify at least one Object or External metric to support scaling to zero replicas';
    errors.push(forbidden('spec.metrics', why));
  }
  validateRules(errors, 'spec.behavior.scaleUp', spec.behavior?.scaleUp);
  validateRules(errors, 'spec.behavior.scaleDown', spec.behavior?.scaleDown);
  return errors;
}

export function validateAutoscalerStatus({
  status,
}: {
  status?: { currentReplicas?: number; desiredReplicas?: number };
}): FieldError[] {
  const errors: Errors = [];
  for (const field of ['currentReplicas', 'desiredReplicas'] as const) {
    checkNonNegative(errors, `status.${field}`, status?.[field]);
  }
  return errors;
}

function targetRule(
  { scaleTargetRef }: Partial<HorizontalPodAutoscalerSpec>,
  old: HorizontalPodAutoscalerSpec | undefined,
): ApiVersionRule {
  const { apiVersion = '', kind } = scaleTargetRef ?? {};
  const before = old?.scaleTargetRef;
  if (before && (before.apiVersion ?? '') === apiVersion && before.kind === kind) return 'any';
  return kind === 'ReplicationController' ? 'parsable' : 'group';
}

function metricRule(old: HorizontalPodAutoscalerSpec | undefined): ApiVersionRule {
  const broken = old?.metrics?.some(
    ({ type, object }) =>
      type === 'Object' && object && apiVersionProblem(object.describedObject?.apiVersion, 'parsable'),
  );
  return broken ? 'any' : 'parsable';
}

function apiVersionProblem(apiVersion: string | undefined, rule: ApiVersionRule): string | undefined {
  if (rule === 'any') return undefined;
  const text = apiVersion ?? '';
  const parts = text.split('/');
  if (parts.length > 2) return `unexpected GroupVersion string: ${text}`;
  return rule === 'group' && (parts.length < 2 || parts[0] === '')
    ? 'apiVersion must specify API group'
    : undefined;
}

function checkReference(
  errors: Errors,
  path: string,
  reference: CrossVersionObjectReference | undefined,
  rule: ApiVersionRule,
): void {
  for (const field of ['kind', 'name'] as const) {
    const value = reference?.[field];
    if (!value) errors.push(required(child(path, field)));
    else checkFormat(errors, child(path, field), value, pathSegmentName(value));
  }
  const problem = apiVersionProblem(reference?.apiVersion, rule);
  if (problem !== undefined) {
    errors.push(invalid(child(path, 'apiVersion'), reference?.apiVersion ?? '', problem));
  }
}

function validateMetric(errors: Errors, path: string, metric: MetricSpec, rule: ApiVersionRule): void {
  const type = metric.type ?? '';
  const field = child(path, 'type');
  if (type === '') errors.push(required(field, 'must specify a metric source type'));
  if (!TYPES.includes(type)) errors.push(notSupported(field, type, TYPES));
  const present = SOURCES.filter((source) => metric[source] !== undefined);
  if (present[0] !== undefined) validateSource(errors, child(path, present[0]), metric, present[0], rule);
  const expected = SOURCES.find((source) => source.toLowerCase() === type.toLowerCase());
  if (expected !== undefined && TYPES.includes(type) && metric[expected] === undefined) {
    const why = 'must populate information for the given metric source';
    errors.push(required(child(path, expected), why));
  }
  if (present.length === 1) return;
  for (const source of present) {
    if (source === expected) continue;
    errors.push(forbidden(child(path, source), 'must populate the given metric source only'));
  }
}

function validateSource(
  errors: Errors,
  path: string,
  metric: MetricSpec,
  source: (typeof SOURCES)[number],
  rule: ApiVersionRule,
): void {
  if (source === 'resource' || source === 'containerResource') {
    validateResource(errors, path, metric, source);
    return;
  }
  const value = metric[source];
  const target = value?.target;
  if (source === 'object') {
    checkReference(errors, child(path, 'describedObject'), metric.object?.describedObject, rule);
  }
  checkIdentifier(errors, child(path, 'metric'), value?.metric);
  checkTarget(errors, child(path, 'target'), target);
  const average = child(path, 'target', 'averageValue');
  const none = target?.averageValue === undefined && (source === 'pods' || target?.value === undefined);
  if (none) {
    const whys = {
      object: 'must set either a target value or averageValue',
      external: 'must set either a target value for metric or a per-pod target',
      pods: 'must specify a positive target averageValue',
    };
    errors.push(required(average, whys[source]));
  }
  if (source === 'external' && target?.value !== undefined && target.averageValue !== undefined) {
    const why = 'may not set both a target value for metric and a per-pod target';
    errors.push(forbidden(child(path, 'target', 'value'), why));
  }
}

function validateResource(
  errors: Errors,
  path: string,
  metric: MetricSpec,
  source: 'resource' | 'containerResource',
): void {
  const value = metric[source];
  const name = value?.name ?? '';
  if (name === '') errors.push(required(child(path, 'name'), 'must specify a resource name'));
  else if (source === 'containerResource') checkContainerResourceName(errors, child(path, 'name'), name);
  if (source === 'containerResource') {
    const container = metric.containerResource?.container ?? '';
    const field = child(path, 'container');
    if (container === '') errors.push(required(field, 'must specify a container'));
    else checkFormat(errors, field, container, dnsLabel(container));
  }
  checkTarget(errors, child(path, 'target'), value?.target);
  const { averageUtilization, averageValue } = value?.target ?? {};
  if (averageUtilization === undefined && averageValue === undefined) {
    const why = 'must set either a target raw value or a target utilization';
    errors.push(required(child(path, 'target', 'averageUtilization'), why));
  }
  if (averageUtilization !== undefined && averageValue !== undefined) {
    const why = 'may not set both a target raw value and a target utilization';
    errors.push(forbidden(child(path, 'target', 'averageValue'), why));
  }
}

function checkIdentifier(errors: Errors, path: string, metric: MetricIdentifier | undefined): void {
  const name = metric?.name ?? '';
  if (name === '') errors.push(required(child(path, 'name'), 'must specify a metric name'));
  else checkFormat(errors, child(path, 'name'), name, pathSegmentName(name));
}

function checkTarget(errors: Errors, path: string, target: MetricTarget | undefined): void {
  const type = target?.type ?? '';
  if (type === '') errors.push(required(child(path, 'type'), 'must specify a metric target type'));
  if (!['Utilization', 'Value', 'AverageValue'].includes(type)) {
    const why = 'must be either Utilization, Value, or AverageValue';
    errors.push(invalid(child(path, 'type'), type, why));
  }
  for (const field of ['value', 'averageValue'] as const) {
    const amount = target?.[field];
    if (amount === undefined || compareQuantities(amount, '0') > 0) continue;
    errors.push(invalid(child(path, field), canonicalQuantity(amount), 'must be positive'));
  }
  const utilization = target?.averageUtilization;
  if (utilization !== undefined && utilization < 1) {
    errors.push(invalid(child(path, 'averageUtilization'), utilization, 'must be greater than 0'));
  }
}

function validateRules(errors: Errors, path: string, rules: HPAScalingRules | undefined): void {
  if (!rules) return;
  const window = rules.stabilizationWindowSeconds;
  const field = child(path, 'stabilizationWindowSeconds');
  if (window !== undefined && window < 0) {
    errors.push(invalid(field, window, 'must be greater than or equal to zero'));
  }
  if (window !== undefined && window > MAX_WINDOW_SECONDS) {
    errors.push(invalid(field, window, `must be less than or equal to ${MAX_WINDOW_SECONDS}`));
  }
  const choices = ['Disabled', 'Max', 'Min'];
  if (rules.selectPolicy !== undefined && !choices.includes(rules.selectPolicy)) {
    errors.push(notSupported(child(path, 'selectPolicy'), rules.selectPolicy, choices));
  }
  const policies = child(path, 'policies');
  if (!rules.policies?.length) errors.push(required(policies, 'must specify at least one Policy'));
  (rules.policies ?? []).forEach((policy, index) => validatePolicy(errors, at(policies, index), policy));
  const { tolerance } = rules;
  if (tolerance !== undefined && compareQuantities(tolerance, '0') < 0) {
    const why = 'must be greater than or equal to 0';
    errors.push(invalid(child(path, 'tolerance'), canonicalQuantity(tolerance), why));
  }
}

function validatePolicy(errors: Errors, path: string, policy: Partial<HPAScalingPolicy>): void {
  const { type = '', value = 0, periodSeconds = 0 } = policy;
  if (type !== 'Pods' && type !== 'Percent') {
    errors.push(notSupported(child(path, 'type'), type, ['Percent', 'Pods']));
  }
  if (value <= 0) errors.push(invalid(child(path, 'value'), value, 'must be greater than zero'));
  const field = child(path, 'periodSeconds');
  if (periodSeconds <= 0) errors.push(invalid(field, periodSeconds, 'must be greater than zero'));
  if (periodSeconds > MAX_PERIOD_SECONDS) {
    errors.push(invalid(field, periodSeconds, `must be less than or equal to ${MAX_PERIOD_SECONDS}`));
  }
}
