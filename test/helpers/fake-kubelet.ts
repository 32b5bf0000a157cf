import { LEASES, NODES, PODS } from '../../src/api/gen/resources.ts';
import type { Pod } from '../../src/api/gen/types/core-v1.ts';
import { rfc3339, rfc3339Micro } from '../../src/base/clock.ts';
import type { Clock } from '../../src/base/clock.ts';
import { untilAborted } from '../../src/base/lifecycle.ts';
import type { Logger } from '../../src/base/log.ts';
import type { Client } from '../../src/client/client.ts';
import { ResourceInformer } from '../../src/client/informer.ts';

export interface FakeKubeletOptions {
  client: Client;
  /** Nodes to register, each with 4 cores, 8 GiB and room for 110 pods. */
  nodes: readonly string[];
  clock: Clock;
  log: Logger;
}

/**
 * Stands for the kubelets of some nodes: registers them with a lease, makes their pods Running and Ready, and
 * finishes those that are being deleted. Runs no container.
 */
export async function runFakeKubelet(options: FakeKubeletOptions, signal: AbortSignal): Promise<void> {
  const { client, nodes, clock, log } = options;
  for (const [index, name] of nodes.entries()) await register(client, clock, name, index);
  const informer = new ResourceInformer<Pod>({ client, resource: PODS, clock, log });
  const writes = new Set<Promise<unknown>>();
  let next = 1;
  const act = (pod: Pod): void => {
    const { namespace, name = '', deletionTimestamp } = pod.metadata ?? {};
    if (!nodes.includes(pod.spec?.nodeName ?? '')) return;
    const ref = { namespace, name };
    let write: Promise<unknown> | undefined;
    if (deletionTimestamp) write = client.delete(PODS, ref, { gracePeriodSeconds: 0 });
    else if ((pod.status?.phase ?? 'Pending') === 'Pending')
      write = client.patch(
        PODS,
        ref,
        { status: running(pod, next++, clock) },
        { type: 'strategic', subresource: 'status' },
      );
    if (!write) return;
    // A pod that went away in between is none of our business.
    const settled = Promise.allSettled([write]);
    writes.add(settled);
    void settled.finally(() => writes.delete(settled));
  };
  informer.subscribe({ added: act, updated: (_, pod) => act(pod) });
  const watching = informer.run(signal);
  while (!signal.aborted) {
    await clock.sleep(10_000, signal).catch(() => {});
    for (const name of nodes) if (!signal.aborted) await renew(client, clock, name).catch(() => {});
  }
  await untilAborted(signal);
  await watching;
  await Promise.all(writes);
}

async function register(client: Client, clock: Clock, name: string, index: number): Promise<void> {
  const now = rfc3339(clock.now());
  const condition = (type: string, status: string): object => ({
    type,
    status,
    reason: 'Fake',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  await client.create(NODES, { metadata: { name, labels: { 'kubernetes.io/hostname': name } } });
  const status = {
    capacity: { cpu: '4', memory: '8Gi', pods: '110' },
    allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
    addresses: [{ type: 'InternalIP', address: `192.0.2.${index + 10}` }],
    conditions: [
      condition('Ready', 'True'),
      condition('MemoryPressure', 'False'),
      condition('DiskPressure', 'False'),
      condition('PIDPressure', 'False'),
    ],
  };
  await client.patch(NODES, { name }, { status }, { type: 'strategic', subresource: 'status' });
  await client.create(LEASES, {
    metadata: { name, namespace: 'kube-node-lease' },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: rfc3339Micro(clock.now()) },
  });
}

async function renew(client: Client, clock: Clock, name: string): Promise<void> {
  await client.patch(
    LEASES,
    { namespace: 'kube-node-lease', name },
    { spec: { renewTime: rfc3339Micro(clock.now()) } },
    { type: 'merge' },
  );
}

function running(pod: Pod, index: number, clock: Clock): object {
  const now = rfc3339(clock.now());
  const ip = `10.244.${index >> 8}.${index & 255}`;
  return {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    startTime: now,
    conditions: ['Initialized', 'Ready', 'ContainersReady'].map((type) => ({
      type,
      status: 'True',
      lastTransitionTime: now,
    })),
    containerStatuses: pod.spec?.containers.map(({ name, image = '' }) => ({
      name,
      image,
      imageID: image,
      ready: true,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: now } },
    })),
  };
}
