import type { Container, ContainerStatus, Pod, PodStatus, Probe } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ProbeVerdict, ProbeVerdicts } from '../pods/action-types.ts';
import { findContainer, initContainers, isSidecar, specOf, uidOf } from '../pods/pod-spec.ts';
import type { Readiness } from '../status/pod-status.ts';
import { ProbeResults } from './probe-results.ts';
import { ProbeWorker, type ProbeKind } from './probe-worker.ts';
import type { ProbeRunner } from './prober.ts';

export interface ProbeManagerOptions {
  runner: ProbeRunner;
  status: (uid: string) => PodStatus | undefined;
  /** A verdict changed: the pod has to be looked at. */
  onChange: (uid: string) => void;
  clock: Clock;
  log: Logger;
}

/** Runs the probes of all pods and answers with their verdicts. Mirrors pkg/kubelet/prober/prober_manager.go. */
export class ProbeManager implements ProbeVerdicts {
  readonly #options: ProbeManagerOptions;
  readonly #startMs: number;
  /** By pod, then by kind and container. */
  readonly #workers = new Map<string, Map<string, ProbeWorker>>();
  readonly #pods = new Map<string, Pod>();

  readonly #verdicts = {
    Liveness: new Map<string, ProbeResults>(),
    Readiness: new Map<string, ProbeResults>(),
    Startup: new Map<string, ProbeResults>(),
  };

  constructor(options: ProbeManagerOptions) {
    this.#options = options;
    this.#startMs = options.clock.now();
  }

  liveness(containerId: string): ProbeVerdict {
    return this.#find('Liveness', containerId);
  }

  startup(containerId: string): ProbeVerdict {
    return this.#find('Startup', containerId);
  }

  /** Starts the pod's probes, those that do not run yet. */
  add(pod: Pod): void {
    const uid = uidOf(pod);
    this.#pods.set(uid, pod);
    const workers = this.#workers.get(uid) ?? new Map<string, ProbeWorker>();
    this.#workers.set(uid, workers);
    for (const container of [...specOf(pod).containers, ...initContainers(pod).filter(isSidecar)]) {
      for (const [kind, spec] of probesOf(container)) {
        const key = `${kind}/${container.name}`;
        if (!workers.has(key)) this.#start(uid, workers, key, kind, container, spec);
      }
    }
  }

  stopLivenessAndStartup(uid: string): void {
    const workers = this.#workers.get(uid);
    for (const [key, worker] of workers ?? []) {
      if (key.startsWith('Readiness/')) continue;
      worker.stop();
      workers?.delete(key);
    }
  }

  remove(uid: string): void {
    for (const worker of this.#workers.get(uid)?.values() ?? []) worker.stop();
    this.#workers.delete(uid);
    this.#pods.delete(uid);
    for (const kind of ['Liveness', 'Readiness', 'Startup'] as const) this.#verdicts[kind].delete(uid);
  }

  stop(): void {
    for (const uid of this.#workers.keys()) this.remove(uid);
  }

  /** Whether the pod's containers have started and are ready, by their probes or by having none. */
  readinessOf(pod: Pod): Readiness {
    const uid = uidOf(pod);
    const before = this.#options.status(uid) ?? pod.status ?? {};
    /** What was said of a container that ran before this kubelet began, until a probe says otherwise. */
    const said = (id: string, field: 'ready' | 'started') => {
      const status = statusesOf(before).find(({ containerID }) => containerID?.endsWith(id));
      const startedMs = Date.parse(status?.state?.running?.startedAt ?? '');
      return startedMs < this.#startMs - 1000 && status?.[field] === true;
    };
    return {
      started: (id, name) => {
        if (!findContainer(pod, name)?.startupProbe) return true;
        const verdict = this.#verdicts.Startup.get(uid)?.get(id);
        return verdict === undefined ? said(id, 'started') : verdict === 'Success';
      },
      ready: (id, name) => {
        if (!findContainer(pod, name)?.readinessProbe) return true;
        const verdict = this.#verdicts.Readiness.get(uid)?.get(id);
        return verdict === undefined ? said(id, 'ready') : verdict === 'Success';
      },
    };
  }

  #find(kind: ProbeKind, containerId: string): ProbeVerdict {
    for (const results of this.#verdicts[kind].values()) {
      const verdict = results.get(containerId);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  }

  #results(kind: ProbeKind, uid: string): ProbeResults {
    const known = this.#verdicts[kind].get(uid);
    if (known) return known;
    const results = new ProbeResults(() => this.#options.onChange(uid));
    this.#verdicts[kind].set(uid, results);
    return results;
  }

  #start(
    uid: string,
    workers: Map<string, ProbeWorker>,
    key: string,
    kind: ProbeKind,
    container: Container,
    spec: Probe,
  ): void {
    const { clock, runner, status } = this.#options;
    const pod = () => this.#pods.get(uid) ?? {};
    const worker = new ProbeWorker({
      kind,
      pod,
      container,
      spec,
      status: () => status(uid),
      results: this.#results(kind, uid),
      probe: (id, podIp) => runner.run(kind, pod(), container, spec, id, podIp),
      kubeletStartMs: this.#startMs,
      clock,
    });
    workers.set(key, worker);
    void this.#follow(worker, workers, key, container);
  }

  async #follow(
    worker: ProbeWorker,
    workers: Map<string, ProbeWorker>,
    key: string,
    container: Container,
  ): Promise<void> {
    try {
      await worker.run();
    } catch (error) {
      this.#options.log.error({ container: container.name, error: messageOf(error) }, 'probe broke off');
    }
    if (workers.get(key) === worker) workers.delete(key);
  }
}

function probesOf(container: Container): Array<[ProbeKind, Probe]> {
  const probes: Array<[ProbeKind, Probe]> = [];
  if (container.startupProbe) probes.push(['Startup', container.startupProbe]);
  if (container.readinessProbe) probes.push(['Readiness', container.readinessProbe]);
  if (container.livenessProbe) probes.push(['Liveness', container.livenessProbe]);
  return probes;
}

const statusesOf = (status: PodStatus): ContainerStatus[] => [
  ...(status.containerStatuses ?? []),
  ...(status.initContainerStatuses ?? []),
];
