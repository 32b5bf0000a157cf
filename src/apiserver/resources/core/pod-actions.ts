import type { Binding, Pod } from '../../../api/gen/types/core-v1.ts';
import type { Eviction, PodDisruptionBudget } from '../../../api/gen/types/policy-v1.ts';
import { PODDISRUPTIONBUDGETS, PODS } from '../../../api/gen/resources.ts';

import { rfc3339 } from '../../../base/clock.ts';
import { aggregateText, fieldErrorText, notSupported, required } from '../../field-error.ts';
import type { StatusError } from '../../status-errors.ts';
import type { ObjectDeleteOptions, ObjectStore } from '../../object-store.ts';
import type { RequestContext } from '../../request-context.ts';
import type { ActionSubresource } from '../../resource-definition.ts';
import {
  badRequest,
  conflict,
  failure,
  forbiddenRequest,
  notFound,
  tooManyRequests,
} from '../../status-errors.ts';
import type { Errors } from '../validation/checks.ts';
import { selectorMatches } from '../validation/selectors.ts';

const PODS_RESOURCE = { group: '', resource: 'pods' };
const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
const MAX_DISRUPTED_PODS = 2000;

/** What a subresource may not touch of the metadata. Mirrors ResetObjectMetaForStatus of apimachinery. */
export function keepMetadata(
  object: { metadata?: Pod['metadata'] },
  old: { metadata?: Pod['metadata'] },
): void {
  const kept = { ...old.metadata };
  if (object.metadata?.resourceVersion) kept.resourceVersion = object.metadata.resourceVersion;
  object.metadata = kept;
}

/** Assigns a pod to a node, once. Mirrors BindingREST of pkg/registry/core/pod/storage/storage.go. */
export function podBinding(name: 'binding'): ActionSubresource<Pod> {
  return {
    type: 'action',
    name,
    verbs: ['create'],
    kind: { group: '', version: 'v1', kind: 'Binding' },
    async handle(request) {
      const binding = (await request.admit(request.body ?? {})) as Binding;
      await bindPod(binding, request.namespace, request.name, request.context, request.store);
      return { object: SUCCESS, status: 201 };
    },
  };
}

export async function bindPod(
  binding: Binding,
  namespace: string,
  name: string,
  context: RequestContext,
  store: ObjectStore,
): Promise<void> {
  const { metadata, target } = binding;
  if (metadata?.name !== undefined && metadata.name !== '' && metadata.name !== name) {
    throw badRequest('name in URL does not match name in Binding object');
  }
  const errors: Errors = [];
  if (target?.kind && target.kind !== 'Node') {
    errors.push(notSupported('target.kind', target.kind, ['Node', '<empty>']));
  }
  if (!target?.name) errors.push(required('target.name'));
  // Upstream gives them no code.
  if (errors.length > 0) throw failure(500, '', aggregateText(errors.map(fieldErrorText)));
  const apply = (pod: Pod): Pod => {
    const refuse = (why: string) => conflict({ group: '', resource: 'pods/binding' }, name, why);
    if (metadata?.uid && metadata.uid !== pod.metadata?.uid) {
      throw conflict(
        PODS_RESOURCE,
        name,
        `StorageError: invalid object, Code: 4, Key: /registry/pods/${namespace}/${name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${pod.metadata?.uid}`,
      );
    }
    if (pod.metadata?.deletionTimestamp) {
      throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
    }
    if (pod.spec?.nodeName) {
      throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`);
    }
    if (pod.spec?.schedulingGates?.length) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
    const now = rfc3339(context.clock.now());
    const spec = { ...(pod.spec as NonNullable<Pod['spec']>), nodeName: target.name as string };
    const status = { ...pod.status };
    delete status.nominatedNodeName;
    setCondition(status, { type: 'PodScheduled', status: 'True' }, now);
    return {
      ...pod,
      metadata: {
        ...pod.metadata,
        annotations: { ...pod.metadata?.annotations, ...metadata?.annotations },
        labels: { ...pod.metadata?.labels, ...metadata?.labels },
      },
      spec,
      status,
    };
  };
  if (context.dryRun) {
    const pod = await store.getFresh(PODS, name, namespace);
    if (!pod) throw notFound(PODS_RESOURCE, name);
    apply(pod);
    return;
  }
  await store.update(PODS, name, namespace, apply);
}

type PodCondition = NonNullable<NonNullable<Pod['status']>['conditions']>[number];

/** Sets a condition; its transition time changes with its status alone. */
export function setCondition(
  status: NonNullable<Pod['status']>,
  condition: Omit<PodCondition, 'lastTransitionTime'>,
  now: string,
): void {
  const others = (status.conditions ?? []).filter((one) => one.type !== condition.type);
  const before = status.conditions?.find((one) => one.type === condition.type);
  const since = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
  status.conditions = [...others, { ...condition, lastTransitionTime: since }];
}

/** Deletes a pod where its disruption budgets allow it. Mirrors pkg/registry/core/pod/storage/eviction.go. */
export const podEviction: ActionSubresource<Pod> = {
  type: 'action',
  name: 'eviction',
  verbs: ['create'],
  kind: { group: 'policy', version: 'v1', kind: 'Eviction' },
  async handle(request) {
    const { namespace, name, context, store } = request;
    const eviction = (await request.admit(request.body ?? {})) as Eviction;
    if (eviction.metadata?.name !== name) {
      throw badRequest('name in URL does not match name in Eviction object');
    }
    const pod = await store.getFresh(PODS, name, namespace);
    if (!pod) throw notFound(PODS_RESOURCE, name);
    const dryRun = context.dryRun || (eviction.deleteOptions?.dryRun?.length ?? 0) > 0;
    const options = deleteOptions(eviction, dryRun);
    const phase = pod.status?.phase ?? '';
    const free = ['Succeeded', 'Failed', 'Pending'].includes(phase) || pod.metadata?.deletionTimestamp;
    if (!free) await useBudget(pod, namespace, store, context, dryRun);
    await markAndDelete(pod, namespace, options, context, store, dryRun);
    return { object: SUCCESS, status: 201 };
  },
};

function deleteOptions(eviction: Eviction, dryRun: boolean): ObjectDeleteOptions {
  const given = eviction.deleteOptions ?? {};
  const options: ObjectDeleteOptions = {};
  if (given.gracePeriodSeconds !== undefined) options.gracePeriodSeconds = given.gracePeriodSeconds;
  if (given.preconditions) options.preconditions = given.preconditions;
  if (given.propagationPolicy) {
    options.propagationPolicy = given.propagationPolicy as 'Foreground' | 'Background' | 'Orphan';
  }
  if (dryRun) options.dryRun = true;
  return options;
}

async function useBudget(
  pod: Pod,
  namespace: string,
  store: ObjectStore,
  context: RequestContext,
  dryRun: boolean,
): Promise<void> {
  const all = await store.list(PODDISRUPTIONBUDGETS, namespace);
  const budgets = all.filter(
    (one) => one.spec?.selector && selectorMatches(one.spec.selector, pod.metadata?.labels),
  );
  if (budgets.length > 1) {
    const message =
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
    throw failure(500, '', message);
  }
  const [budget] = budgets;
  if (!budget) return;
  if (!pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')) {
    if (budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return;
    const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {};
    if (currentHealthy >= desiredHealthy && desiredHealthy > 0) return;
  }
  const podName = pod.metadata?.name ?? '';
  const name = budget.metadata?.name ?? '';
  if (dryRun) {
    takeDisruption(budget, podName, context);
    return;
  }
  const take = (current: PodDisruptionBudget) => takeDisruption(current, podName, context);
  await store.update(PODDISRUPTIONBUDGETS, name, namespace, take);
}

/** The budget with one disruption less. Throws 429 where it has none left. */
function takeDisruption(
  budget: PodDisruptionBudget,
  pod: string,
  context: RequestContext,
): PodDisruptionBudget {
  const name = budget.metadata?.name ?? '';
  const status = budget.status;
  const resource = { group: 'policy', resource: 'poddisruptionbudget' };
  if ((status?.observedGeneration ?? 0) < (budget.metadata?.generation ?? 0)) {
    throw budgetError(10, `The disruption budget ${name} is still being processed by the server.`);
  }
  const allowed = status?.disruptionsAllowed ?? 0;
  if (!status || allowed < 0) throw forbiddenRequest(resource, name, 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > MAX_DISRUPTED_PODS) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    throw forbiddenRequest(resource, name, why);
  }
  if (allowed === 0) throw budgetError(0, noneLeft(name, budget));
  const left = allowed - 1;
  const now = rfc3339(context.clock.now());
  const next = {
    ...status,
    disruptionsAllowed: left,
    disruptedPods: { ...status.disruptedPods, [pod]: now },
  };
  if (left === 0) {
    const others = (status.conditions ?? []).filter((one) => one.type !== 'DisruptionAllowed');
    const condition = {
      type: 'DisruptionAllowed',
      status: 'False',
      reason: 'InsufficientPods',
      message: '',
      lastTransitionTime: now,
      observedGeneration: status.observedGeneration ?? 0,
    };
    next.conditions = [...others, condition];
  }
  return { ...budget, status: next };
}

function noneLeft(name: string, budget: PodDisruptionBudget): string {
  const { conditions, currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {};
  const condition = conditions?.find((one) => one.type === 'DisruptionAllowed');
  const said = condition?.status === 'False' && condition.message ? condition : undefined;
  if (said?.reason === 'SyncFailed') {
    return `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${said.message}`;
  }
  if (currentHealthy <= desiredHealthy) {
    return `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  }
  const plain = `The disruption budget ${name} does not allow evicting pods currently`;
  return said ? `${plain} (${said.reason}): ${said.message}` : plain;
}

function budgetError(retryAfterSeconds: number, message: string): StatusError {
  const text = "Cannot evict pod as it would violate the pod's disruption budget.";
  const error = tooManyRequests(text, retryAfterSeconds);
  error.status.details = { ...error.status.details, causes: [{ reason: 'DisruptionBudget', message }] };
  return error;
}

async function markAndDelete(
  pod: Pod,
  namespace: string,
  options: ObjectDeleteOptions,
  context: RequestContext,
  store: ObjectStore,
  dryRun: boolean,
): Promise<void> {
  const name = pod.metadata?.name ?? '';
  const uid = options.preconditions?.uid;
  if (uid && uid !== pod.metadata?.uid) {
    const why =
      `the UID in the precondition (${uid}) does not match the UID in record (${pod.metadata?.uid}). ` +
      'The object might have been deleted and then recreated';
    throw conflict({ group: '', resource: 'Pod' }, name, why);
  }
  let preconditions = options.preconditions;
  if (!dryRun) {
    const updated = await store.update(PODS, name, namespace, (current) => {
      const version = options.preconditions?.resourceVersion;
      if (version && version !== current.metadata?.resourceVersion) {
        const why =
          `the ResourceVersion in the precondition (${version}) does not match the ResourceVersion in record ` +
          `(${current.metadata?.resourceVersion}). The object might have been modified`;
        throw conflict({ group: '', resource: 'Pod' }, name, why);
      }
      const status = { ...current.status };
      const reason = 'EvictionByEvictionAPI';
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason,
        message: 'Eviction API: evicting',
      };
      setCondition(status, condition, rfc3339(context.clock.now()));
      return { ...current, status };
    });
    if (preconditions?.resourceVersion && updated.metadata?.resourceVersion) {
      preconditions = { ...preconditions, resourceVersion: updated.metadata.resourceVersion };
    }
  }
  await store.delete(PODS, name, namespace, preconditions ? { ...options, preconditions } : options);
}
