import type { Container, Pod, PodAffinityTerm } from '../gen/types/core-v1.ts';
import { addTo, one, readAmounts } from './amounts.ts';
import type { Amounts } from './amounts.ts';
import { meets } from './evaluator.ts';
import type { QuotaEvaluator } from './evaluator.ts';
import { hasPodLevelResources, podLimits, podRequests } from './pod-amounts.ts';

const COUNTED =
  /^(count\/pods|pods|((requests|limits)\.)?(cpu|memory|ephemeral-storage)|(requests\.)?hugepages-.+)$/;
/** Where these are limited, each container must say them. */
const MUST_BE_SAID = /^((requests|limits)\.)?(cpu|memory)$/;
const DEVICE_CLASS = 'deviceclass.resource.kubernetes.io/';

/** Mirrors pkg/quota/v1/evaluator/core/pods.go. */
export const podEvaluator: QuotaEvaluator = {
  handles({ operation, subresource, object, oldObject }) {
    if (subresource === 'resize') return operation === 'UPDATE';
    if (subresource !== '') return false;
    if (operation === 'UPDATE' && object && oldObject)
      return isTerminating(object as Pod) !== isTerminating(oldObject as Pod);
    return operation === 'CREATE';
  },
  counts(name) {
    if (COUNTED.test(name)) return true;
    const requested = name.startsWith('requests.') ? name.slice('requests.'.length) : '';
    return requested.startsWith(DEVICE_CLASS) || isForeign(requested);
  },
  matchesScope(scope, object) {
    const pod = object as Pod;
    const priorityClass = pod.spec?.priorityClassName;
    switch (scope.scopeName) {
      case 'Terminating':
        return isTerminating(pod);
      case 'NotTerminating':
        return !isTerminating(pod);
      case 'BestEffort':
        return isBestEffort(pod);
      case 'NotBestEffort':
        return !isBestEffort(pod);
      case 'PriorityClass':
        return meets(scope, priorityClass ? [priorityClass] : []);
      case 'CrossNamespacePodAffinity':
        return reachesOtherNamespaces(pod);
      default:
        return false;
    }
  },
  usage(object, nowMs) {
    const pod = object as Pod;
    const usage: Amounts = new Map([['count/pods', one()]]);
    if (!isAlive(pod, nowMs)) return usage;
    const options = { fromStatus: true, overhead: true };
    addTo(usage, computeUsage(podRequests(pod, options), podLimits(pod, options)));
    return usage;
  },
  missing(names, object) {
    const pod = object as Pod;
    if (hasPodLevelResources(pod)) return undefined;
    const lacking = new Map<string, Set<string>>();
    for (const container of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]) {
      const said = containerUsage(container);
      for (const name of names) {
        if (!MUST_BE_SAID.test(name) || said.has(name)) continue;
        lacking.set(name, (lacking.get(name) ?? new Set()).add(container.name));
      }
    }
    if (lacking.size === 0) return undefined;
    const texts = [...lacking.keys()]
      .sort()
      .map((name) => `${name} for: ${[...(lacking.get(name) ?? [])].sort().join(',')}`);
    return `must specify ${texts.join('; ')}`;
  },
};

function containerUsage({ resources }: Container): Amounts {
  return computeUsage(readAmounts(resources?.requests), readAmounts(resources?.limits));
}

function computeUsage(requests: Amounts, limits: Amounts): Amounts {
  const usage: Amounts = new Map([['pods', one()]]);
  for (const name of ['cpu', 'memory', 'ephemeral-storage']) {
    const request = requests.get(name);
    const limit = limits.get(name);
    if (request) usage.set(name, request).set(`requests.${name}`, request);
    if (limit) usage.set(`limits.${name}`, limit);
  }
  for (const [name, request] of requests) {
    if (name.startsWith('hugepages-')) usage.set(name, request).set(`requests.${name}`, request);
    const extended = isForeign(name) && !name.startsWith('requests.');
    if (extended || name.startsWith(DEVICE_CLASS)) usage.set(`requests.${name}`, request);
  }
  return usage;
}

/** A resource that is not of Kubernetes itself. */
const isForeign = (name: string): boolean => name.includes('/') && !name.includes('kubernetes.io/');

function isTerminating(pod: Pod): boolean {
  return (pod.spec?.activeDeadlineSeconds ?? -1) >= 0;
}

function isBestEffort(pod: Pod): boolean {
  if (pod.status?.qosClass) return pod.status.qosClass === 'BestEffort';
  if (hasPodLevelResources(pod)) return false;
  return [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].every(({ resources }) =>
    [resources?.requests, resources?.limits].every((list) => {
      const amounts = readAmounts(list);
      return ['cpu', 'memory'].every((name) => (amounts.get(name)?.nanos ?? 0n) <= 0n);
    }),
  );
}

/** Ended pods cost nothing, and neither do those that should be gone: their node may be lost. */
function isAlive({ status, metadata }: Pod, nowMs: number): boolean {
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded') return false;
  if (!metadata?.deletionTimestamp || metadata.deletionGracePeriodSeconds === undefined) return true;
  return nowMs <= Date.parse(metadata.deletionTimestamp) + metadata.deletionGracePeriodSeconds * 1000;
}

function reachesOtherNamespaces({ spec }: Pod): boolean {
  const reaches = (term: PodAffinityTerm): boolean =>
    (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined;
  return [spec?.affinity?.podAffinity, spec?.affinity?.podAntiAffinity].some(
    (affinity) =>
      affinity?.requiredDuringSchedulingIgnoredDuringExecution?.some(reaches) ||
      affinity?.preferredDuringSchedulingIgnoredDuringExecution?.some(({ podAffinityTerm }) =>
        reaches(podAffinityTerm),
      ),
  );
}
