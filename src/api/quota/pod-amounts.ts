import type { Container, ContainerStatus, Pod } from '../gen/types/core-v1.ts';
import { addTo, raiseTo, readAmounts } from './amounts.ts';
import type { Amounts } from './amounts.ts';

/** What may be said for a pod as a whole. */
const POD_LEVEL = /^(cpu|memory|hugepages-.*)$/;

interface Options {
  /** Counts what a container still has while it is being resized. */
  fromStatus: boolean;
  overhead: boolean;
}

/** Whether the pod says its resources as a whole. */
export function hasPodLevelResources({ spec }: Pod): boolean {
  const { requests = {}, limits = {} } = spec?.resources ?? {};
  return [...Object.keys(requests), ...Object.keys(limits)].some((name) => POD_LEVEL.test(name));
}

/** What a pod asks for. Mirrors PodRequests of component-helpers resource/helpers.go. */
export function podRequests(pod: Pod, options: Options): Amounts {
  const sum = aggregate(pod, (container, status) => {
    const own = readAmounts(container.resources?.requests);
    if (!options.fromStatus || !status?.resources) return own;
    const effective: Amounts = isInfeasible(pod) ? new Map() : own;
    raiseTo(effective, readAmounts(status.resources.requests));
    raiseTo(effective, readAmounts(status.allocatedResources));
    return effective;
  });
  for (const [name, amount] of readAmounts(pod.spec?.resources?.requests)) {
    if (POD_LEVEL.test(name)) sum.set(name, amount);
  }
  if (options.overhead) addTo(sum, readAmounts(pod.spec?.overhead));
  return sum;
}

/** What a pod may use at most, of what is limited. Mirrors PodLimits of component-helpers resource/helpers.go. */
export function podLimits(pod: Pod, options: Options): Amounts {
  const sum = aggregate(pod, (container, status) => {
    const own = readAmounts(container.resources?.limits);
    if (!options.fromStatus || !status?.resources) return own;
    const effective: Amounts = isInfeasible(pod) ? new Map() : own;
    raiseTo(effective, readAmounts(status.resources.limits));
    return effective;
  });
  for (const [name, amount] of readAmounts(pod.spec?.resources?.limits)) {
    if (POD_LEVEL.test(name)) sum.set(name, amount);
  }
  if (!options.overhead) return sum;
  for (const [name, amount] of readAmounts(pod.spec?.overhead)) {
    if ((sum.get(name)?.nanos ?? 0n) !== 0n) addTo(sum, new Map([[name, amount]]));
  }
  return sum;
}

/** The most that is needed at any time: init containers run one after the other, beside the sidecars before them. */
function aggregate(pod: Pod, of: (container: Container, status?: ContainerStatus) => Amounts): Amounts {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const statuses = new Map([...containerStatuses, ...initContainerStatuses].map((one) => [one.name, one]));
  const sum: Amounts = new Map();
  for (const container of pod.spec?.containers ?? []) addTo(sum, of(container, statuses.get(container.name)));
  const sidecars: Amounts = new Map();
  const starting: Amounts = new Map();
  for (const container of pod.spec?.initContainers ?? []) {
    if (container.restartPolicy === 'Always') {
      const own = of(container, statuses.get(container.name));
      addTo(sum, own);
      addTo(sidecars, own);
      raiseTo(starting, sidecars);
    } else {
      const own: Amounts = of(container);
      addTo(own, sidecars);
      raiseTo(starting, own);
    }
  }
  raiseTo(sum, starting);
  return sum;
}

function isInfeasible({ status }: Pod): boolean {
  const pending = status?.conditions?.find(({ type }) => type === 'PodResizePending');
  return pending?.reason === 'Infeasible';
}
