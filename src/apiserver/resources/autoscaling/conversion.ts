import type { HorizontalPodAutoscaler as HpaV1 } from '../../../api/gen/types/autoscaling-v1.ts';
import type {
  HorizontalPodAutoscaler as HpaV2,
  MetricSpec,
  MetricStatus,
} from '../../../api/gen/types/autoscaling-v2.ts';

/** What autoscaling/v1 has no fields for, it keeps in annotations. Mirrors pkg/apis/autoscaling/annotations.go. */
const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const CURRENT = 'autoscaling.alpha.kubernetes.io/current-metrics';
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';
const ALL = [METRICS, CURRENT, CONDITIONS, BEHAVIOR];

const isCpu = (metric: { type?: string; resource?: { name?: string } }): boolean =>
  metric.type === 'Resource' && metric.resource?.name === 'cpu';

/** Mirrors pkg/apis/autoscaling/v1/conversion.go. */
export function toV2(hpa: HpaV1): HpaV2 {
  const { metadata, spec, status } = hpa;
  const annotations = { ...metadata?.annotations };
  const stored = (key: string): unknown => parse(annotations[key]);
  const metrics = (stored(METRICS) as MetricSpec[] | undefined) ?? [];
  const target = spec?.targetCPUUtilizationPercentage;
  if (target !== undefined) {
    const averageUtilization = { type: 'Utilization', averageUtilization: target };
    metrics.unshift({ type: 'Resource', resource: { name: 'cpu', target: averageUtilization } });
  }
  const behavior = stored(BEHAVIOR);
  const conditions = stored(CONDITIONS);
  const current = (stored(CURRENT) as MetricStatus[] | undefined) ?? [];
  const used = status?.currentCPUUtilizationPercentage;
  if (used !== undefined) {
    const averageUtilization = { averageUtilization: used };
    current.unshift({ type: 'Resource', resource: { name: 'cpu', current: averageUtilization } });
  }
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
  v2.spec = { ...sameSpec, ...(metrics.length > 0 ? { metrics } : {}), ...(behavior ? { behavior } : {}) };
  if (status) {
    v2.status = {
      ...withoutZero(sameStatus),
      ...(current.length > 0 ? { currentMetrics: current } : {}),
      ...(conditions ? { conditions } : {}),
    } as NonNullable<HpaV2['status']>;
  }
  return v2;
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
    currentMetrics = [],
    conditions,
    ...sameStatus
  } = status ?? { desiredReplicas: 0, currentReplicas: 0 };
  const annotations = { ...metadata?.annotations };
  const cpu = metrics.find(
    (metric) => isCpu(metric) && metric.resource?.target?.averageUtilization !== undefined,
  );
  const others = metrics.filter((metric) => metric !== cpu);
  const cpuNow = currentMetrics?.find(
    (metric) => isCpu(metric) && metric.resource?.current?.averageUtilization !== undefined,
  );
  const othersNow = (currentMetrics ?? []).filter((metric) => metric !== cpuNow);
  if (others.length > 0) annotations[METRICS] = JSON.stringify(others);
  if (othersNow.length > 0) annotations[CURRENT] = JSON.stringify(othersNow);
  if (conditions?.length) annotations[CONDITIONS] = JSON.stringify(conditions);
  if (behavior) annotations[BEHAVIOR] = JSON.stringify(behavior);
  const v1 = { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler' } as HpaV1;
  v1.metadata = withAnnotations(metadata, annotations);
  const target = cpu?.resource?.target?.averageUtilization;
  v1.spec = target === undefined ? sameSpec : { ...sameSpec, targetCPUUtilizationPercentage: target };
  if (status) {
    const used = cpuNow?.resource?.current?.averageUtilization;
    const rest = { currentReplicas: 0, ...sameStatus };
    v1.status = used === undefined ? rest : { ...rest, currentCPUUtilizationPercentage: used };
  }
  return v1;
}

function withAnnotations(metadata: HpaV2['metadata'], annotations: Record<string, string>) {
  const { annotations: _old, ...rest } = metadata ?? {};
  return Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest;
}

/** Annotations are users' text: what cannot be read is left where it is. */
function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
