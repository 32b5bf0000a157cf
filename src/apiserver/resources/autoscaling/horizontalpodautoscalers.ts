import { HORIZONTALPODAUTOSCALERS, HORIZONTALPODAUTOSCALERS_V1 } from '../../../api/gen/resources.ts';
import type { HorizontalPodAutoscaler as HpaV1 } from '../../../api/gen/types/autoscaling-v1.ts';
import type { HorizontalPodAutoscaler as HpaV2, MetricSpec } from '../../../api/gen/types/autoscaling-v2.ts';
import { invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { TableColumn } from '../../resource-definition.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { at, child } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { fromV2, toV2 } from './conversion.ts';

const TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];

function defaults({ spec }: HpaV2): void {
  if (!spec) return;
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) {
    const target = { type: 'Utilization', averageUtilization: 80 };
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
  }
}

/** Mirrors validateHorizontalPodAutoscalerSpec of pkg/apis/autoscaling/validation/validation.go. */
function validate({ spec }: HpaV2): FieldError[] {
  const errors: Errors = [];
  if (!spec) return errors;
  const { minReplicas, maxReplicas, scaleTargetRef } = spec;
  if (minReplicas !== undefined && minReplicas < 1) {
    errors.push(invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'));
  }
  if (maxReplicas < 1) errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'));
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'));
  }
  for (const field of ['kind', 'name'] as const) {
    if (!scaleTargetRef?.[field]) errors.push(required(`spec.scaleTargetRef.${field}`));
  }
  (spec.metrics ?? []).forEach((metric, index) => validateMetric(errors, at('spec.metrics', index), metric));
  return errors;
}

function validateMetric(errors: Errors, path: string, metric: MetricSpec): void {
  if (!metric.type) errors.push(required(child(path, 'type'), 'must specify a metric source type'));
  else if (!TYPES.includes(metric.type)) errors.push(notSupported(child(path, 'type'), metric.type, TYPES));
  const resource = metric.resource ?? metric.containerResource;
  const here = child(path, metric.resource ? 'resource' : 'containerResource');
  if (!resource) return;
  if (!resource.name) errors.push(required(child(here, 'name'), 'must specify a resource name'));
  const { averageUtilization, averageValue } = resource.target ?? {};
  if (averageUtilization === undefined && averageValue === undefined) {
    const why = 'must set either a target raw value or a target utilization';
    errors.push(required(child(here, 'target', 'averageUtilization'), why));
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    errors.push(
      invalid(child(here, 'target', 'averageUtilization'), averageUtilization, 'must be greater than 0'),
    );
  }
}

function metrics({ spec, status }: HpaV2): string {
  const specs = spec?.metrics ?? [];
  if (specs.length === 0) return '<none>';
  const texts = specs.map((metric, index) => {
    const current = status?.currentMetrics?.[index];
    if (metric.type !== 'Resource' || !metric.resource) return '<unknown>';
    const { averageUtilization, averageValue } = metric.resource.target ?? {};
    if (averageValue !== undefined) {
      return `${metric.resource.name}: ${current?.resource?.current?.averageValue ?? '<unknown>'}/${averageValue}`;
    }
    const used = current?.resource?.current?.averageUtilization;
    const goal = averageUtilization === undefined ? '<auto>' : `${averageUtilization}%`;
    return `${metric.resource.name}: ${used === undefined ? '<unknown>' : `${used}%`}/${goal}`;
  });
  const shown = texts.slice(0, 2).join(', ');
  return texts.length > 2 ? `${shown} + ${texts.length - 2} more...` : shown;
}

const columns: ReadonlyArray<TableColumn<HpaV2>> = [
  nameColumn(),
  column(
    'Reference',
    'string',
    ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ''}/${spec?.scaleTargetRef?.name ?? ''}`,
  ),
  column('Targets', 'string', metrics),
  column('MinPods', 'string', ({ spec }) => String(spec?.minReplicas ?? '<unset>')),
  column('MaxPods', 'integer', ({ spec }) => spec?.maxReplicas ?? 0),
  column('Replicas', 'integer', ({ status }) => status?.currentReplicas ?? 0),
  ageColumn(),
];

/** Mirrors pkg/registry/autoscaling/horizontalpodautoscaler/strategy.go. */
export const horizontalpodautoscalers = define(HORIZONTALPODAUTOSCALERS, {
  shortNames: ['hpa'],
  categories: ['all'],
  strategy: {
    ...statusStrategy,
    defaults,
    generation: false,
    validateCreate: validate,
    validateUpdate: validate,
  },
  subresources: [statusOf<HpaV2>()],
  columns,
});

/** The older version of the same objects. */
export const horizontalpodautoscalersV1 = define(HORIZONTALPODAUTOSCALERS_V1, {
  shortNames: ['hpa'],
  categories: ['all'],
  storedAs: {
    info: HORIZONTALPODAUTOSCALERS,
    toStored: toV2,
    fromStored: (object) => fromV2(object as HpaV2),
  },
  strategy: {
    ...statusStrategy,
    generation: false,
    defaults({ spec }) {
      if (spec) spec.minReplicas ??= 1;
    },
    validateCreate: (hpa) => validate(toV2(hpa)),
    validateUpdate: (hpa) => validate(toV2(hpa)),
  },
  subresources: [statusOf<HpaV1>()],
  columns: columns.map((one): TableColumn<HpaV1> => ({
    ...one,
    cell: (hpa, now) => one.cell(toV2(hpa), now),
  })),
});
