import type { HorizontalPodAutoscaler as HpaV1 } from '../../../api/gen/types/autoscaling-v1.ts';
import type {
  HorizontalPodAutoscaler as HpaV2,
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerCondition,
  MetricSpec,
  MetricStatus,
} from '../../../api/gen/types/autoscaling-v2.ts';
import { behaviorOf, behaviorText } from './behavior-annotation.ts';
import { metricOf, metricText, statusOf, statusText } from './metric-annotations.ts';
import type { OldMetric } from './metric-annotations.ts';

/** What autoscaling/v1 has no fields for, it keeps in annotations. Mirrors pkg/apis/autoscaling/annotations.go. */
const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const CURRENT = 'autoscaling.alpha.kubernetes.io/current-metrics';
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';
const ALL = [
  METRICS,
  CURRENT,
  CONDITIONS,
  BEHAVIOR,
  'autoscaling.alpha.kubernetes.io/scale-down-tolerance',
  'autoscaling.alpha.kubernetes.io/scale-up-tolerance',
];

const DEFAULT_UTILIZATION = 80;

const isCpu = (metric: { type?: string; resource?: { name?: string } }): boolean =>
  metric.type === 'Resource' && metric.resource?.name === 'cpu';

function cpuTarget(averageUtilization: number): MetricSpec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

/** Mirrors pkg/apis/autoscaling/v1/conversion.go. */
export function toV2(hpa: HpaV1): HpaV2 {
  const { metadata, spec, status } = hpa;
  const annotations = { ...metadata?.annotations };
  const listed = (key: string): unknown[] | undefined => {
    const value = parse(annotations[key]);
    return Array.isArray(value) ? (value as unknown[]) : undefined;
  };
  const metrics = ((listed(METRICS) ?? []) as OldMetric[]).map(metricOf);
  const target = spec?.targetCPUUtilizationPercentage;
  if (target !== undefined) metrics.push(cpuTarget(target));
  if (metrics.length === 0) metrics.push(cpuTarget(DEFAULT_UTILIZATION));
  const behavior = behaviorOf(parse(annotations[BEHAVIOR]));
  const known = listed(CONDITIONS) as HorizontalPodAutoscalerCondition[] | undefined;
  const conditions = known?.map(timeOmitted);
  const current = currentMetrics(hpa, listed(CURRENT) as OldMetric[] | undefined);
  for (const key of ALL) delete annotations[key];
  const { targetCPUUtilizationPercentage: _target, ...sameSpec } = spec ?? {
    maxReplicas: 0,
    scaleTargetRef: { kind: '', name: '' },
  };
  const { currentCPUUtilizationPercentage: _used, ...sameStatus } = status ?? {
    currentReplicas: 0,
    desiredReplicas: 0,
  };
  const v2 = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler' } as HpaV2;
  v2.metadata = withAnnotations(metadata, annotations);
  v2.spec = { ...sameSpec, metrics, ...(behavior ? { behavior } : {}) };
  if (status || current || conditions?.length) {
    v2.status = {
      ...withoutZero(sameStatus),
      // Never left out in this version.
      currentMetrics: current ?? [],
      ...(conditions?.length ? { conditions } : {}),
    };
  }
  return v2;
}

/** The annotation has more information than the field. */
function currentMetrics({ status }: HpaV1, old: OldMetric[] | undefined): MetricStatus[] | undefined {
  if (old) return old.map(statusOf);
  const averageUtilization = status?.currentCPUUtilizationPercentage;
  if (averageUtilization === undefined) return undefined;
  return [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization } } }];
}

/** Unlike version 1, version 2 leaves a zero out. */
function withoutZero<T extends { currentReplicas?: number }>(status: T): T {
  const { currentReplicas, ...rest } = status;
  return (currentReplicas ? status : rest) as T;
}

export function fromV2(hpa: HpaV2): HpaV1 {
  const { metadata, spec, status } = hpa;
  const {
    metrics = [],
    behavior,
    ...sameSpec
  } = spec ?? { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } };
  const {
    currentMetrics: current,
    conditions,
    ...sameStatus
  } = status ?? { desiredReplicas: 0, currentReplicas: 0 };
  const annotations = { ...metadata?.annotations };
  for (const key of ALL) delete annotations[key];
  const cpu = metrics.filter(
    (metric) => isCpu(metric) && metric.resource?.target?.averageUtilization !== undefined,
  );
  const others = metrics.filter((metric) => !cpu.includes(metric));
  addAnnotations(annotations, { others, current: current ?? [], conditions, behavior });
  const v1 = { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler' } as HpaV1;
  v1.metadata = withAnnotations(metadata, annotations);
  const target = metrics.find(isCpu)?.resource?.target?.averageUtilization;
  v1.spec = target === undefined ? sameSpec : { ...sameSpec, targetCPUUtilizationPercentage: target };
  if (status) {
    const used = current?.find(isCpu)?.resource?.current?.averageUtilization;
    const rest = { currentReplicas: 0, ...sameStatus };
    v1.status = used === undefined ? rest : { ...rest, currentCPUUtilizationPercentage: used };
  }
  return v1;
}

function addAnnotations(
  annotations: Record<string, string>,
  parts: {
    others: readonly MetricSpec[];
    current: readonly MetricStatus[];
    conditions: readonly HorizontalPodAutoscalerCondition[] | undefined;
    behavior: HorizontalPodAutoscalerBehavior | undefined;
  },
): void {
  const { others, current, conditions, behavior } = parts;
  if (others.length > 0) annotations[METRICS] = JSON.stringify(others.map(metricText));
  if (current.length > 0) annotations[CURRENT] = JSON.stringify(current.map(statusText));
  if (conditions?.length) {
    // As Go writes the structure: the fields' order is fixed, and a time that is not known is null.
    const texts = conditions.map(({ type, status, lastTransitionTime = null, reason, message }) => ({
      type,
      status,
      lastTransitionTime,
      ...(reason ? { reason } : {}),
      ...(message ? { message } : {}),
    }));
    annotations[CONDITIONS] = JSON.stringify(texts);
  }
  if (behavior) annotations[BEHAVIOR] = behaviorText(behavior);
}

function timeOmitted(condition: HorizontalPodAutoscalerCondition): HorizontalPodAutoscalerCondition {
  const { lastTransitionTime, ...rest } = condition;
  return lastTransitionTime ? condition : rest;
}

function withAnnotations(metadata: HpaV2['metadata'], annotations: Record<string, string>) {
  const { annotations: _old, ...rest } = metadata ?? {};
  return Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest;
}

/** Annotations are users' text: what cannot be read is as if it were not there. */
function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
