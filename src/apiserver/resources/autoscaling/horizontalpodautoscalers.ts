import { HORIZONTALPODAUTOSCALERS, HORIZONTALPODAUTOSCALERS_V1 } from '../../../api/gen/resources.ts';
import type { HorizontalPodAutoscaler as HpaV1 } from '../../../api/gen/types/autoscaling-v1.ts';
import type {
  HPAScalingRules,
  HorizontalPodAutoscaler as HpaV2,
} from '../../../api/gen/types/autoscaling-v2.ts';
import type { TableColumn } from '../../resource-definition.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { fromV2, toV2 } from './conversion.ts';
import { validateAutoscaler, validateAutoscalerStatus } from './hpa-validation.ts';

function defaults({ spec }: HpaV2): void {
  if (!spec) return;
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) {
    const target = { type: 'Utilization', averageUtilization: 80 };
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
  }
  if (!spec.behavior) return;
  spec.behavior.scaleUp = { ...scaleUpRules(), ...spec.behavior.scaleUp };
  spec.behavior.scaleDown = { ...scaleDownRules(), ...spec.behavior.scaleDown };
}

/** How autoscalers behave that say nothing of it. Mirrors pkg/apis/autoscaling/v2/defaults.go. */
function scaleUpRules(): HPAScalingRules {
  const pods = { type: 'Pods', value: 4, periodSeconds: 15 };
  const share = { type: 'Percent', value: 100, periodSeconds: 15 };
  return { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [pods, share] };
}

function scaleDownRules(): HPAScalingRules {
  return { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] };
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
    validateCreate: (hpa) => validateAutoscaler(hpa),
    validateUpdate: validateAutoscaler,
  },
  subresources: [statusOf<HpaV2>(validateAutoscalerStatus)],
  columns,
});

/**
 * Makes the older form that of the newer one. What only the newer one has fields for stands in annotations:
 * whatever treats a spec or a status treats its annotations with it.
 */
function become(hpa: HpaV1, v2: HpaV2): void {
  const { metadata, spec, status } = fromV2(v2);
  const { annotations } = metadata ?? {};
  if (hpa.metadata) {
    if (annotations) hpa.metadata.annotations = annotations;
    else delete hpa.metadata.annotations;
  }
  if (spec) hpa.spec = spec;
  if (status) hpa.status = status;
  else delete hpa.status;
}

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
    generation: false,
    defaults(hpa) {
      const v2 = toV2(hpa);
      defaults(v2);
      become(hpa, v2);
    },
    prepareForCreate(hpa) {
      const v2 = toV2(hpa);
      delete v2.status;
      become(hpa, v2);
    },
    prepareForUpdate(hpa, old) {
      const { status } = toV2(old);
      const { status: _own, ...v2 } = toV2(hpa);
      become(hpa, status ? { ...v2, status } : v2);
    },
    validateCreate: (hpa) => validateAutoscaler(toV2(hpa)),
    validateUpdate: (hpa, old) => validateAutoscaler(toV2(hpa), toV2(old)),
  },
  subresources: [
    {
      ...statusOf<HpaV1>(validateAutoscalerStatus),
      prepareForUpdate(hpa, old) {
        const { spec } = toV2(old);
        const v2 = toV2(hpa);
        if (spec) v2.spec = spec;
        become(hpa, v2);
      },
    },
  ],
  columns: columns.map((one): TableColumn<HpaV1> => ({
    ...one,
    cell: (hpa, now) => one.cell(toV2(hpa), now),
  })),
});
