import type {
  CrossVersionObjectReference,
  MetricIdentifier,
  MetricSpec,
  MetricStatus,
  MetricTarget,
} from '../../../api/gen/types/autoscaling-v2.ts';
import type { LabelSelector } from '../../../api/gen/types/meta-v1.ts';

/** A metric in the words of autoscaling/v1, wanted or measured: what its annotations hold. */
export interface OldMetric {
  type?: string;
  object?: OldSource;
  pods?: OldSource;
  resource?: OldSource;
  containerResource?: OldSource;
  external?: OldSource;
}

interface OldSource {
  target?: CrossVersionObjectReference;
  name?: string;
  container?: string;
  metricName?: string;
  selector?: LabelSelector;
  metricSelector?: LabelSelector;
  averageValue?: string;
  targetValue?: string;
  targetAverageValue?: string;
  targetAverageUtilization?: number;
  currentValue?: string;
  currentAverageValue?: string;
  currentAverageUtilization?: number;
}

type Values = Pick<MetricTarget, 'value' | 'averageValue' | 'averageUtilization'>;

/** Go leaves out what is not there. */
function given<T extends object>(value: T): T {
  const members = Object.entries(value).filter(([, member]: [string, unknown]) => member !== undefined);
  return Object.fromEntries(members) as unknown as T;
}

function identifier(name = '', selector: LabelSelector | undefined): MetricIdentifier {
  return given<object>({ name, selector }) as MetricIdentifier;
}

function target(type: string, values: { [Name in keyof Values]?: Values[Name] | undefined }): MetricTarget {
  return given<object>({ type, ...values }) as MetricTarget;
}

/** Mirrors the conversions of pkg/apis/autoscaling/v1/conversion.go from the older form. */
export function metricOf(old: OldMetric): MetricSpec {
  const { object, pods, resource, containerResource, external } = old;
  const metric: MetricSpec = { type: old.type ?? '' };
  if (object) {
    const { averageValue, targetValue = '0' } = object;
    metric.object = {
      describedObject: object.target ?? { kind: '', name: '' },
      metric: identifier(object.metricName, object.selector),
      target:
        averageValue === undefined
          ? target('Value', { value: targetValue })
          : target('AverageValue', { value: targetValue === '0' ? undefined : targetValue, averageValue }),
    };
  }
  if (pods) {
    metric.pods = {
      metric: identifier(pods.metricName, pods.selector),
      target: target('AverageValue', { averageValue: pods.targetAverageValue ?? '0' }),
    };
  }
  const resourceTarget = (source: OldSource): MetricTarget =>
    target(source.targetAverageUtilization === undefined ? 'AverageValue' : 'Utilization', {
      averageValue: source.targetAverageValue,
      averageUtilization: source.targetAverageUtilization,
    });
  if (resource) metric.resource = { name: resource.name ?? '', target: resourceTarget(resource) };
  if (containerResource) {
    metric.containerResource = {
      name: containerResource.name ?? '',
      container: containerResource.container ?? '',
      target: resourceTarget(containerResource),
    };
  }
  if (external) {
    const { targetValue: value, targetAverageValue: averageValue } = external;
    metric.external = {
      metric: identifier(external.metricName, external.metricSelector),
      target: target(value === undefined ? 'AverageValue' : 'Value', { value, averageValue }),
    };
  }
  return metric;
}

/** As metricOf, the other way; fields stand in the order in which Go writes them. */
export function metricText({
  type,
  object,
  pods,
  resource,
  containerResource,
  external,
}: MetricSpec): OldMetric {
  return given({
    type,
    object: object && {
      target: reference(object.describedObject),
      metricName: object.metric?.name ?? '',
      targetValue: object.target?.value ?? '0',
      ...given({ selector: object.metric?.selector, averageValue: object.target?.averageValue }),
    },
    pods: pods && {
      metricName: pods.metric?.name ?? '',
      targetAverageValue: pods.target?.averageValue ?? '0',
      ...given({ selector: pods.metric?.selector }),
    },
    resource: resource && { name: resource.name, ...targetText(resource.target) },
    containerResource: containerResource && {
      name: containerResource.name,
      ...targetText(containerResource.target),
      container: containerResource.container,
    },
    external: external && {
      metricName: external.metric?.name ?? '',
      ...given({
        metricSelector: external.metric?.selector,
        targetValue: external.target?.value,
        targetAverageValue: external.target?.averageValue,
      }),
    },
  }) as OldMetric;
}

function reference({ kind, name, apiVersion }: CrossVersionObjectReference): CrossVersionObjectReference {
  return given({ kind, name, apiVersion }) as CrossVersionObjectReference;
}

function targetText(of: MetricTarget | undefined): OldSource {
  return given({
    targetAverageUtilization: of?.averageUtilization,
    targetAverageValue: of?.averageValue,
  }) as OldSource;
}

/** What was measured, from the older form. */
export function statusOf(old: OldMetric): MetricStatus {
  const { object, pods, resource, containerResource, external } = old;
  const status: MetricStatus = { type: old.type ?? '' };
  if (object) {
    const { currentValue: value = '0', averageValue } = object;
    status.object = {
      describedObject: object.target ?? { kind: '', name: '' },
      metric: identifier(object.metricName, object.selector),
      current: given({ value, averageValue }) as Values,
    };
  }
  if (pods) {
    status.pods = {
      metric: identifier(pods.metricName, pods.selector),
      current: { averageValue: pods.currentAverageValue ?? '0' },
    };
  }
  const current = (source: OldSource): Values =>
    given({
      averageValue: source.currentAverageValue ?? '0',
      averageUtilization: source.currentAverageUtilization,
    }) as Values;
  if (resource) status.resource = { name: resource.name ?? '', current: current(resource) };
  if (containerResource) {
    const { name = '', container = '' } = containerResource;
    status.containerResource = { name, container, current: current(containerResource) };
  }
  if (external) {
    const { currentValue: value = '0', currentAverageValue: averageValue } = external;
    status.external = {
      metric: identifier(external.metricName, external.metricSelector),
      current: given({ value, averageValue }) as Values,
    };
  }
  return status;
}

/** As statusOf, the other way. */
export function statusText(status: MetricStatus): OldMetric {
  const { type, object, pods, resource, containerResource, external } = status;
  return given({
    type,
    object: object && {
      target: reference(object.describedObject),
      metricName: object.metric?.name ?? '',
      currentValue: object.current?.value ?? '0',
      ...given({ selector: object.metric?.selector, averageValue: object.current?.averageValue }),
    },
    pods: pods && {
      metricName: pods.metric?.name ?? '',
      currentAverageValue: pods.current?.averageValue ?? '0',
      ...given({ selector: pods.metric?.selector }),
    },
    resource: resource && { name: resource.name, ...currentText(resource.current) },
    containerResource: containerResource && {
      name: containerResource.name,
      ...currentText(containerResource.current),
      container: containerResource.container,
    },
    external: external && {
      metricName: external.metric?.name ?? '',
      ...given({ metricSelector: external.metric?.selector }),
      currentValue: external.current?.value ?? '0',
      ...given({ currentAverageValue: external.current?.averageValue }),
    },
  }) as OldMetric;
}

function currentText(of: Values | undefined): OldSource {
  return given({
    currentAverageUtilization: of?.averageUtilization,
    currentAverageValue: of?.averageValue ?? '0',
  }) as OldSource;
}
