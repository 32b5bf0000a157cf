import { NAMESPACES, PODS } from '../../api/gen/resources.ts';
import type { Namespace } from '../../api/gen/types/core-v1.ts';
import type { KubeObject } from '../../api/resource.ts';
import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import { listAll } from '../../client/list-all.ts';
import { keyedLoop } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition } from '../shared/controller.ts';
import type { ServedResource } from '../shared/discovery.ts';
import { metaOf, nameOf } from '../shared/meta.ts';
import { namespaceConditions } from './conditions.ts';

/** What a terminating namespace still holds is looked at again after this; a pod's end is an event. */
const RECHECK_MS = 1_000;
const MAX_RECHECK_MS = 15_000;
const FINALIZER = 'kubernetes';

interface Round {
  discoveryFailures: string[];
  contentFailures: string[];
  remaining: Map<string, number>;
  finalizers: Map<string, number>;
}

/**
 * Empties a terminating namespace, pods first, and then lets it go. Mirrors
 * pkg/controller/namespace/deletion/namespaced_resources_deleter.go.
 */
export const namespaceController: ControllerDefinition = {
  name: 'namespace',
  inputs: ['namespaces', 'pods'],
  outputs: ['* of a terminating namespace', 'namespaces/status', 'namespaces/finalize'],
  start(context) {
    const namespaces = context.informers.for(NAMESPACES);
    const rounds = new Map<string, number>();
    const { queue, loop } = keyedLoop(context, {
      name: 'namespace',
      workers: 5,
      async sync(name) {
        const namespace = namespaces.get(name);
        if (
          !namespace ||
          !metaOf(namespace).deletionTimestamp ||
          !namespace.spec?.finalizers?.includes(FINALIZER)
        ) {
          rounds.delete(name);
          return;
        }
        const done = await empty(context, namespace);
        if (done) return;
        const round = rounds.get(name) ?? 0;
        rounds.set(name, round + 1);
        queue.addAfter(name, Math.min(RECHECK_MS * 2 ** round, MAX_RECHECK_MS));
      },
    });
    const enqueue = (namespace: Namespace): void => {
      if (metaOf(namespace).deletionTimestamp) queue.add(nameOf(namespace));
    };
    namespaces.subscribe({
      added: enqueue,
      updated: (_, namespace) => enqueue(namespace),
      deleted: ({ metadata }) => rounds.delete(metadata?.name ?? ''),
    });
    context.informers.for(PODS).subscribe({
      deleted: ({ metadata }) => {
        const namespace = namespaces.get(metadata?.namespace ?? '');
        if (namespace) enqueue(namespace);
      },
    });
    return [loop];
  },
};

/** One round; true when the namespace was let go. */
async function empty(context: ControllerContext, cached: Namespace): Promise<boolean> {
  const { client, clock, discovery } = context;
  let namespace = cached;
  if (namespace.status?.phase !== 'Terminating')
    namespace = await client.update(
      NAMESPACES,
      { ...namespace, status: { ...namespace.status, phase: 'Terminating' } },
      { subresource: 'status' },
    );
  const { resources, failures } = await discovery.discover();
  const round: Round = {
    discoveryFailures: failures,
    contentFailures: [],
    remaining: new Map(),
    finalizers: new Map(),
  };
  const deletable = resources.filter(
    ({ namespaced, verbs }) => namespaced && verbs.includes('delete') && verbs.includes('list'),
  );
  const pods = deletable.filter(({ group, resource }) => group === '' && resource === 'pods');
  const others = deletable.filter((resource) => !pods.includes(resource));
  const name = nameOf(namespace);
  for (const resource of pods) await deleteAll(context, resource, name, round);
  // Pods may still need the Secrets and ConfigMaps beside them while they stop.
  if (round.remaining.size === 0)
    await Promise.all(others.map((resource) => deleteAll(context, resource, name, round)));
  const old = namespace.status?.conditions ?? [];
  const conditions = namespaceConditions(old, round, clock.now());
  if (conditions !== old) {
    const status = { ...namespace.status, conditions: [...conditions] };
    namespace = await client.update(NAMESPACES, { ...namespace, status }, { subresource: 'status' });
  }
  if (round.remaining.size > 0 || round.contentFailures.length > 0 || failures.length > 0) return false;
  const finalizers = namespace.spec?.finalizers?.filter((finalizer) => finalizer !== FINALIZER);
  await client
    .update(
      NAMESPACES,
      { ...namespace, spec: { ...namespace.spec, finalizers } },
      { subresource: 'finalize' },
    )
    .catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  return true;
}

async function deleteAll(
  context: ControllerContext,
  resource: ServedResource,
  namespace: string,
  round: Round,
): Promise<void> {
  const { client } = context;
  const scope = { namespace, metadataOnly: true };
  try {
    let { items } = await listAll<KubeObject>(client, resource, scope);
    if (items.length === 0) return;
    if (resource.verbs.includes('deletecollection'))
      await client.deleteCollection(resource, { namespace, propagationPolicy: 'Background' });
    else await deleteEach(context, resource, items);
    ({ items } = await listAll<KubeObject>(client, resource, scope));
    if (items.length === 0) return;
    round.remaining.set(`${resource.resource}.${resource.group}`, items.length);
    const finalizers = items.flatMap((item) => metaOf(item).finalizers ?? []);
    for (const finalizer of finalizers)
      round.finalizers.set(finalizer, (round.finalizers.get(finalizer) ?? 0) + 1);
    const stopping = items.every((item) => metaOf(item).deletionTimestamp);
    if (!stopping)
      round.contentFailures.push(
        `unexpected items still remain in namespace: ${namespace} for gvr: ${resource.group}/${resource.version}, Resource=${resource.resource}`,
      );
  } catch (error) {
    round.contentFailures.push(`${resource.resource}.${resource.group}: ${messageOf(error)}`);
  }
}

async function deleteEach(
  { client }: ControllerContext,
  resource: ServedResource,
  items: readonly KubeObject[],
): Promise<void> {
  for (const item of items) {
    const { namespace, name = '' } = metaOf(item);
    await client
      .delete(resource, { namespace, name }, { propagationPolicy: 'Background' })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  }
}
