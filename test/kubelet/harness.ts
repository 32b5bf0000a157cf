import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { PODS } from '../../src/api/gen/resources.ts';
import type { Pod, Service } from '../../src/api/gen/types/core-v1.ts';
import { silentLogger } from '../../src/base/log.ts';
import type { Informer } from '../../src/client/informer.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { FakeRuntime } from '../../src/kubelet/cri/fake-runtime.ts';
import type { PodEvents } from '../../src/kubelet/events.ts';
import { createPodMachinery, type PodMachinery } from '../../src/kubelet/pod-machinery.ts';
import { Relist } from '../../src/kubelet/pods/relist.ts';
import type { Mounter } from '../../src/kubelet/volumes/mounts.ts';
import { createClock, type FakeClock } from '../helpers/fake-clock.ts';
import { waitFor } from '../helpers/wait-for.ts';

/** Mounts that are only remembered: no root is needed. */
export class FakeMounter implements Mounter {
  readonly mounts = new Map<string, string>();

  async tmpfs(target: string): Promise<void> {
    this.mounts.set(target, 'tmpfs');
  }

  async bind(source: string, target: string): Promise<void> {
    this.mounts.set(target, source);
  }

  async unmount(target: string): Promise<void> {
    this.mounts.delete(target);
  }

  async under(path: string): Promise<string[]> {
    return [...this.mounts.keys()]
      .filter((point) => point === path || point.startsWith(`${path}/`))
      .toReversed();
  }
}

/** The kubelet's pod machinery over a fake runtime, a fake API and a clock that stands still. */
export interface Harness {
  clock: FakeClock;
  client: MemoryClient;
  runtime: FakeRuntime;
  machinery: PodMachinery;
  mounter: FakeMounter;
  /** 'Normal Started Container started', in order. */
  events: string[];
  /** Puts a pod into the API and hands it to the kubelet. */
  add(pod: Pod): Promise<void>;
  /** Hands the API's newest form of the pod to the kubelet, as the informer does. */
  deliver(name?: string): Promise<void>;
  /** Lists the runtime, and waits until every worker rests. */
  settle(): Promise<void>;
  pod(name?: string): Promise<Pod>;
  /** A new kubelet over the same runtime, API and disk: what a restart is. */
  restart(): Promise<void>;
}

export async function createHarness(t: ExecutionContext): Promise<Harness> {
  const root = await mkdtemp(join(tmpdir(), 'slipway-kubelet-'));
  const clock = createClock();
  const client = new MemoryClient(clock);
  const runtime = new FakeRuntime(clock);
  runtime.addImage('slipway.local/busybox:1');
  const events: string[] = [];
  const recorder: PodEvents = {
    event: (_pod, type, eventReason, message) => events.push(`${type} ${eventReason} ${message}`),
    nodeEvent: (type, eventReason, message) => events.push(`${type} ${eventReason} ${message}`),
  };
  const mounter = new FakeMounter();
  const services = { synced: true, list: () => [] } as unknown as Informer<Service>;
  const start = () =>
    createPodMachinery({
      client,
      runtime,
      version: { runtimeName: 'containerd', runtimeVersion: '1.6.20', runtimeApiVersion: 'v1' },
      events: recorder,
      clock,
      log: silentLogger,
      rootDir: join(root, 'kubelet'),
      podLogsDir: join(root, 'pods'),
      containerLogsDir: join(root, 'containers'),
      clusterDomain: 'cluster.local',
      hostIps: () => ['192.0.2.1'],
      allocatable: () => ({ cpu: '4', memory: '8Gi', pods: '110' }),
      memoryCapacityBytes: 8 * 2 ** 30,
      networkProblem: () => undefined,
      services: () => services,
      dns: async () => ({
        clusterDns: ['10.96.0.10'],
        clusterDomain: 'cluster.local',
        node: { servers: [], searches: [], options: [] },
      }),
      runtimeHandler: async () => '',
      mounter,
      // Only a real cgroup file system lets its folders be removed with their files.
      cgroupMount: '/proc/no-cgroups-here',
    });
  const relistOf = (machinery: PodMachinery) =>
    new Relist({
      runtime,
      clock,
      log: silentLogger,
      onChange: (uid) => machinery.workers.poke(uid),
      onRelist: () => undefined,
    });
  const harness: Harness = {
    clock,
    client,
    runtime,
    mounter,
    events,
    machinery: start(),
    async add(pod) {
      client.seed(PODS, pod);
      await harness.deliver(pod.metadata?.name);
      await harness.settle();
    },
    async deliver(name = 'web') {
      const pod = await harness.pod(name);
      harness.machinery.status.observe(pod);
      harness.machinery.workers.update(pod);
    },
    async settle() {
      await relist.relist();
      await harness.machinery.workers.whenIdle();
      await harness.machinery.status.whenIdle();
    },
    pod: (name = 'web') => client.get(PODS, { namespace: 'default', name }),
    async restart() {
      await harness.machinery.stop();
      harness.machinery = start();
      relist = relistOf(harness.machinery);
      for (const pod of (await client.list(PODS)).items) await harness.deliver(pod.metadata?.name);
      await harness.settle();
    },
  };
  let relist = relistOf(harness.machinery);
  t.teardown(async () => {
    await harness.machinery.stop();
    await rm(root, { recursive: true, force: true });
  });
  return harness;
}

/** Moves time on in steps, with a list of the runtime at each, until the question is answered. */
export async function advanceUntil(
  harness: Harness,
  what: string,
  ask: () => boolean | Promise<boolean>,
  stepMs = 1_000,
): Promise<void> {
  await waitFor(
    what,
    async () => {
      if (await ask()) return true;
      await harness.clock.advance(stepMs);
      await harness.settle();
      return false;
    },
    { intervalMs: 1 },
  );
}
