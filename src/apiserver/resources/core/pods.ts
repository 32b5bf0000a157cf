import { rfc3339 } from '../../../base/clock.ts';
import { PODS } from '../../../api/gen/resources.ts';
import type { Pod } from '../../../api/gen/types/core-v1.ts';
import type { ResourceDefinition, StatusSubresource, StrategyContext } from '../../resource-definition.ts';
import { define } from '../define.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { sameJson } from '../validation/checks.ts';
import { POD_COLUMNS } from './pod-columns.ts';
import { podBinding, podEviction } from './pod-actions.ts';
import { qosClass } from './pod-qos.ts';
import { ephemeralContainers, resize } from './pod-parts.ts';
import { dropDisabledPodStatus } from './pod-spec/disabled-fields.ts';
import { defaultPod } from './pod-spec/defaults.ts';
import { podStreams } from './pod-streams.ts';
import { validatePodStatusUpdate, validatePodUpdate } from './pod-update.ts';
import { validatePodCreate } from './pod-validation.ts';
import { podProxy } from './proxies.ts';
import { dnsLabel } from '../validation/formats.ts';
import { APPARMOR_CONTAINER } from './pod-spec/annotations.ts';
import { appArmorOf, podWarnings } from './pod-spec/warnings.ts';

/** Seconds until a deleted pod is gone. Mirrors CheckGracefulDelete of pkg/registry/core/pod/strategy.go. */
export function podGracePeriod(pod: Pod, requested: number | undefined): number {
  const phase = pod.status?.phase;
  // Nothing runs that would have to be stopped.
  if (!pod.spec?.nodeName || phase === 'Failed' || phase === 'Succeeded') return 0;
  const period = requested ?? pod.spec.terminationGracePeriodSeconds ?? 0;
  return period < 0 ? 1 : period;
}

/**
 * AppArmor's annotations become fields, where these are not there. Warns here: later on one cannot tell.
 * Mirrors applyAppArmorVersionSkew of pkg/registry/core/pod/strategy.go.
 */
function takeAppArmor({ metadata, spec }: Pod, { request }: StrategyContext): void {
  if (spec?.os?.name === 'windows') return;
  const ofPod = spec?.securityContext?.appArmorProfile;
  for (const list of ['initContainers', 'containers'] as const) {
    for (const container of spec?.[list] ?? []) {
      const name = APPARMOR_CONTAINER + container.name;
      const annotation = metadata?.annotations?.[name];
      if (annotation === undefined || container.securityContext?.appArmorProfile) continue;
      const profile = appArmorOf(annotation);
      if (profile && ofPod && sameJson(profile, ofPod)) continue;
      if (profile) container.securityContext = { ...container.securityContext, appArmorProfile: profile };
      const field = `metadata.annotations[${name}]`;
      request.warn(`${field}: deprecated since v1.30; use the "appArmorProfile" field instead`);
    }
  }
}

function prepareForCreate(pod: Pod, context: StrategyContext): void {
  const { now } = context;
  takeAppArmor(pod, context);
  if ((pod.spec?.terminationGracePeriodSeconds ?? 0) < 0 && pod.spec)
    pod.spec.terminationGracePeriodSeconds = 1;
  pod.status = { phase: 'Pending', qosClass: qosClass(pod) };
  if (!pod.spec?.schedulingGates?.length) return;
  pod.status.conditions = [
    {
      type: 'PodScheduled',
      status: 'False',
      reason: 'SchedulingGated',
      message: 'Scheduling is blocked due to non-empty scheduling gates',
      lastTransitionTime: rfc3339(now),
    },
  ];
}

/** Conditions keep the generation that they were observed at when a client that knows none writes them. */
function prepareStatus(pod: Pod, old: Pod): void {
  if (old.spec) pod.spec = old.spec;
  pod.status ??= {};
  dropDisabledPodStatus(pod.status);
  if (!pod.status.qosClass && old.status?.qosClass) pod.status.qosClass = old.status.qosClass;
  if (!pod.status.observedGeneration && old.status?.observedGeneration) {
    pod.status.observedGeneration = old.status.observedGeneration;
  }
  for (const condition of pod.status.conditions ?? []) {
    const before = old.status?.conditions?.find((one) => one.type === condition.type);
    if (!condition.observedGeneration && before?.observedGeneration) {
      condition.observedGeneration = before.observedGeneration;
    }
  }
  if (pod.metadata) {
    if (old.metadata?.ownerReferences) pod.metadata.ownerReferences = old.metadata.ownerReferences;
    else delete pod.metadata.ownerReferences;
  }
}

const status: StatusSubresource<Pod> = {
  type: 'part',
  name: 'status',
  prepareForUpdate: prepareStatus,
  validateUpdate: validatePodStatusUpdate,
};

function hostNameWarnings({ metadata }: Pod): string[] {
  const problems = dnsLabel(metadata?.name);
  if (problems.length === 0) return [];
  const why = "this is used in the Pod's hostname, which can result in surprising behavior";
  return [`metadata.name: ${why}; a DNS label is recommended: [${problems.join(' ')}]`];
}

function podFields(pod: Pod): Record<string, string> {
  return {
    'spec.nodeName': pod.spec?.nodeName ?? '',
    'spec.restartPolicy': pod.spec?.restartPolicy ?? '',
    'spec.schedulerName': pod.spec?.schedulerName ?? '',
    'spec.serviceAccountName': pod.spec?.serviceAccountName ?? '',
    'spec.hostNetwork': String(pod.spec?.hostNetwork ?? false),
    'status.phase': pod.status?.phase ?? '',
    'status.podIP': pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? '',
    'status.nominatedNodeName': pod.status?.nominatedNodeName ?? '',
  };
}

/** Mirrors pkg/registry/core/pod/strategy.go. */
export function pods(environment: ResourceEnvironment): ResourceDefinition {
  return define(PODS, {
    shortNames: ['po'],
    categories: ['all'],
    strategy: {
      returnsDeletedObject: true,
      defaults: defaultPod,
      prepareForCreate,
      prepareForUpdate: (pod, old) => {
        if (old.status) pod.status = old.status;
      },
      // Upstream warns of pods when they are made alone: people do not change them.
      warningsOnCreate: (pod) => [...hostNameWarnings(pod), ...podWarnings('', pod)],
      validateCreate: validatePodCreate,
      validateUpdate: validatePodUpdate,
      generation: (pod, old) => !sameJson(pod.spec, old.spec),
      gracePeriodSeconds: (pod, options) => podGracePeriod(pod, options.gracePeriodSeconds),
    },
    subresources: [
      status,
      ephemeralContainers,
      resize,
      podBinding('binding'),
      podEviction,
      ...podStreams(environment),
      podProxy(),
    ],
    fields: podFields,
    selectableFields: Object.keys(podFields({})),
    columns: POD_COLUMNS,
  });
}
