import { ENDPOINTSLICES, NODES, PODS, SERVICES } from '../../api/gen/resources.ts';
import type { Service } from '../../api/gen/types/core-v1.ts';
import type { EndpointSlice } from '../../api/gen/types/discovery-v1.ts';
import type { Client } from '../../client/client.ts';
import { isNotFound } from '../../client/errors.ts';
import { isNamespaceGone, keyedLoop } from '../shared/controller.ts';
import type { ControllerDefinition } from '../shared/controller.ts';
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
        const plan = planSlices({ service, pods: podsOf(service, pods), slices: own, nodeOf });
        await carryOut(context.client, plan, noted(key));
      },
    });
    const noted = (key: string): Noted => {
      const cached = (slice: EndpointSlice) => slices.get(nameOf(slice), metaOf(slice).namespace);
      return {
        wrote: (slice) => writes.wrote(key, slice, cached(slice)),
        deleted: (slice) => writes.deleted(key, slice, cached(slice)),
      };
    };
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

/** Told of each write, so that the next round waits until the cache shows it. */
interface Noted {
  wrote(slice: EndpointSlice): void;
  deleted(slice: EndpointSlice): void;
}

async function carryOut(client: Client, plan: SlicePlan, noted: Noted): Promise<void> {
  for (const slice of plan.create) {
    const created = await client.create(ENDPOINTSLICES, slice).catch((error: unknown) => {
      if (!isNamespaceGone(error)) throw error;
      return undefined;
    });
    if (created) noted.wrote(created);
  }
  for (const slice of plan.update) noted.wrote(await client.update(ENDPOINTSLICES, slice));
  for (const slice of plan.delete) {
    const ref = { namespace: metaOf(slice).namespace, name: nameOf(slice) };
    await client.delete(ENDPOINTSLICES, ref, { preconditions: { uid: uidOf(slice) } }).then(
      () => noted.deleted(slice),
      (error: unknown) => {
        if (!isNotFound(error)) throw error;
      },
    );
  }
}
