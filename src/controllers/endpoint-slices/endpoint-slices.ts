import { ENDPOINTSLICES, NODES, PODS, SERVICES } from '../../api/gen/resources.ts';
import type { Service } from '../../api/gen/types/core-v1.ts';
import type { EndpointSlice } from '../../api/gen/types/discovery-v1.ts';
import { isNotFound } from '../../client/errors.ts';
import { isNamespaceGone, keyedLoop } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition } from '../shared/controller.ts';
import { keyOf, metaOf, nameOf, splitKey, uidOf } from '../shared/meta.ts';
import { OwnWrites } from '../shared/own-writes.ts';
import { MANAGED_BY, MANAGER, planSlices, SERVICE_NAME } from './plan.ts';
import type { SlicePlan } from './plan.ts';
import { hasSelector, podsOf, watchPodsOfServices } from './service-pods.ts';

const ZONE = 'topology.kubernetes.io/zone';

/** Keeps the EndpointSlices of services that select pods. Mirrors pkg/controller/endpointslice. */
export const endpointSliceController: ControllerDefinition = {
  name: 'endpoint-slices',
  inputs: ['services', 'pods', 'nodes', 'endpointslices'],
  outputs: ['endpointslices'],
  start(context) {
    const services = context.informers.for(SERVICES);
    const pods = context.informers.for(PODS, { indexes: { node: (pod) => [pod.spec?.nodeName ?? ''] } });
    const nodes = context.informers.for(NODES);
    const slices = context.informers.for(ENDPOINTSLICES, {
      labelSelector: `${MANAGED_BY}=${MANAGER}`,
      indexes: { service: (slice) => [serviceKey(slice)] },
    });
    const writes = new OwnWrites(context.clock);
    const { queue, loop } = keyedLoop(context, {
      name: 'endpoint-slices',
      async sync(key) {
        const { namespace, name } = splitKey(key);
        const service = services.get(name, namespace);
        // The slices of a service that is gone go with it: they are owned by it.
        if (!service) return writes.forget(key);
        if (!writes.caughtUp(key)) return queue.addAfter(key, 1_000);
        if (!hasSelector(service)) return;
        const own = slices.byIndex('service', key);
        const nodeOf = (node: string) => nodes.get(node);
        await carryOut(
          context,
          key,
          planSlices({ service, pods: podsOf(service, pods), slices: own, nodeOf }),
          writes,
        );
      },
    });
    const enqueue = (service: Service): void => queue.add(keyOf(service));
    services.subscribe({ added: enqueue, updated: (_, service) => enqueue(service), deleted: enqueue });
    const told = (slice: EndpointSlice): void => {
      writes.seen(serviceKey(slice), slice);
      queue.add(serviceKey(slice));
    };
    slices.subscribe({
      added: told,
      updated: (_, slice) => told(slice),
      deleted(slice) {
        writes.gone(serviceKey(slice), slice);
        queue.add(serviceKey(slice));
      },
    });
    watchPodsOfServices(pods, services, (key) => queue.add(key));
    nodes.subscribe({
      updated(old, node) {
        if (metaOf(old).labels?.[ZONE] === metaOf(node).labels?.[ZONE]) return;
        for (const pod of pods.byIndex('node', nameOf(node)))
          for (const service of services.list(metaOf(pod).namespace))
            if (hasSelector(service)) enqueue(service);
      },
    });
    return [loop];
  },
};

function serviceKey(slice: EndpointSlice): string {
  return `${metaOf(slice).namespace ?? ''}/${metaOf(slice).labels?.[SERVICE_NAME] ?? ''}`;
}

async function carryOut(
  { client }: ControllerContext,
  key: string,
  plan: SlicePlan,
  writes: OwnWrites,
): Promise<void> {
  for (const slice of plan.create) {
    const created = await client.create(ENDPOINTSLICES, slice).catch((error: unknown) => {
      if (!isNamespaceGone(error)) throw error;
      return undefined;
    });
    if (created) writes.wrote(key, created);
  }
  for (const slice of plan.update) writes.wrote(key, await client.update(ENDPOINTSLICES, slice));
  for (const slice of plan.delete) {
    const ref = { namespace: metaOf(slice).namespace, name: nameOf(slice) };
    await client.delete(ENDPOINTSLICES, ref, { preconditions: { uid: uidOf(slice) } }).then(
      () => writes.deleted(key, slice),
      (error: unknown) => {
        if (!isNotFound(error)) throw error;
      },
    );
  }
}
