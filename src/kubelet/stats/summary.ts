import { readFile } from 'node:fs/promises';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { rfc3339, type Clock } from '../../base/clock.ts';
import { CONTAINER_NAME, POD_UID } from '../containers/labels.ts';
import type { ContainerStats, CriRuntime } from '../cri/runtime.ts';
import { fileSystemFacts, meminfo } from '../node/machine.ts';
import { nameOf, namespaceOf, uidOf } from '../pods/pod-spec.ts';

/** Nanoseconds of one tick of /proc/stat. */
const TICK_NS = 10_000_000;

interface Sample {
  atMs: number;
  cpuNanoSeconds: number;
}

/** /stats/summary: CPU and memory of the node and of its pods. Mirrors k8s.io/kubelet/pkg/apis/stats/v1alpha1. */
export class StatsSummary {
  readonly #runtime: CriRuntime;
  readonly #clock: Clock;
  readonly #nodeName: string;
  readonly #rootDir: string;
  readonly #pods: () => Pod[];
  readonly #startMs: number;
  /** The samples before, by container ('' for the node): rates are taken between two of them. */
  #samples = new Map<string, Sample>();
  #rates = new Map<string, number>();

  constructor(options: {
    runtime: CriRuntime;
    clock: Clock;
    nodeName: string;
    rootDir: string;
    pods: () => Pod[];
  }) {
    this.#runtime = options.runtime;
    this.#clock = options.clock;
    this.#nodeName = options.nodeName;
    this.#rootDir = options.rootDir;
    this.#pods = options.pods;
    this.#startMs = options.clock.now();
  }

  async read(): Promise<object> {
    const stats = await this.#runtime.listContainerStats();
    const live = new Set(['', ...stats.map(({ id }) => id)]);
    for (const id of this.#samples.keys()) if (!live.has(id)) this.#samples.delete(id);
    const byPod = Map.groupBy(stats, ({ labels }) => labels[POD_UID] ?? '');
    const pods = this.#pods().filter((pod) => byPod.has(uidOf(pod)));
    return {
      node: await this.#node(),
      pods: pods.map((pod) => this.#pod(pod, byPod.get(uidOf(pod)) ?? [])),
    };
  }

  async #node(): Promise<object> {
    const now = this.#clock.now();
    const [memory, cpu, disk] = await Promise.all([
      readFile('/proc/meminfo', 'utf8').then(meminfo),
      readFile('/proc/stat', 'utf8').then(cpuNanoSeconds),
      fileSystemFacts(this.#rootDir),
    ]);
    const total = memory.MemTotal ?? 0;
    const available = memory.MemAvailable ?? 0;
    return {
      nodeName: this.#nodeName,
      startTime: rfc3339(this.#startMs),
      cpu: this.#cpu('', now, cpu),
      memory: {
        time: rfc3339(now),
        availableBytes: available,
        usageBytes: total - (memory.MemFree ?? 0),
        workingSetBytes: total - available,
        rssBytes: memory.AnonPages ?? 0,
      },
      fs: {
        time: rfc3339(now),
        availableBytes: disk.availableBytes,
        capacityBytes: disk.capacityBytes,
        usedBytes: disk.capacityBytes - disk.availableBytes,
        inodes: disk.inodes,
        inodesFree: disk.inodesFree,
        inodesUsed: disk.inodes - disk.inodesFree,
      },
    };
  }

  #pod(pod: Pod, stats: ContainerStats[]): object {
    const containers = stats.map((one) => this.#container(one));
    const sum = (read: (one: ContainerStats) => number) => stats.reduce((total, one) => total + read(one), 0);
    const time = rfc3339(Math.max(...stats.map(({ timestampMs }) => timestampMs)));
    return {
      podRef: { name: nameOf(pod), namespace: namespaceOf(pod), uid: uidOf(pod) },
      startTime: pod.status?.startTime ?? time,
      containers,
      cpu: {
        time,
        usageNanoCores: stats.reduce((total, { id }) => total + (this.#rates.get(id) ?? 0), 0),
        usageCoreNanoSeconds: sum((one) => one.cpuNanoSeconds),
      },
      memory: {
        time,
        usageBytes: sum((one) => one.memoryUsageBytes),
        workingSetBytes: sum((one) => one.memoryWorkingSetBytes),
        rssBytes: sum((one) => one.memoryRssBytes),
      },
    };
  }

  #container(one: ContainerStats): object {
    const time = rfc3339(one.timestampMs);
    return {
      name: one.labels[CONTAINER_NAME] ?? '',
      startTime: time,
      cpu: this.#cpu(one.id, one.timestampMs, one.cpuNanoSeconds),
      memory: {
        time,
        usageBytes: one.memoryUsageBytes,
        workingSetBytes: one.memoryWorkingSetBytes,
        rssBytes: one.memoryRssBytes,
      },
      rootfs: { time, usedBytes: one.writableLayerBytes, inodesUsed: one.writableLayerInodes },
    };
  }

  #cpu(key: string, atMs: number, total: number): object {
    const before = this.#samples.get(key);
    const passedMs = before ? atMs - before.atMs : 0;
    // Two requests in a row must not divide by next to nothing.
    if (!before || passedMs >= 1_000) this.#samples.set(key, { atMs, cpuNanoSeconds: total });
    if (before && passedMs >= 1_000) {
      this.#rates.set(key, Math.round(((total - before.cpuNanoSeconds) / passedMs) * 1000));
    }
    return {
      time: rfc3339(atMs),
      usageNanoCores: this.#rates.get(key) ?? 0,
      usageCoreNanoSeconds: total,
    };
  }
}

/** Time that all CPUs have worked, from the first line of /proc/stat: user, nice, system, irq, softirq, steal. */
export function cpuNanoSeconds(stat: string): number {
  const fields = (stat.split('\n')[0] ?? '').trim().split(/\s+/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return (user + nice + system + irq + softirq + steal) * TICK_NS;
}
