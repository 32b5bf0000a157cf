import type { Container, ContainerStatus, Pod, PodStatus, Probe } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { isAbort } from '../../base/errors.ts';
import { containerShouldRestart, isSidecar } from '../pods/pod-spec.ts';
import type { ProbeOutcome } from './prober.ts';
import type { ProbeResults } from './probe-results.ts';

export type ProbeKind = 'Liveness' | 'Readiness' | 'Startup';

export interface ProbeWorkerOptions {
  kind: ProbeKind;
  pod: () => Pod;
  container: Container;
  spec: Probe;
  /** The pod's newest status; undefined while none has been made. */
  status: () => PodStatus | undefined;
  results: ProbeResults;
  /** Runs the probe once; undefined where it could not be run, which says nothing. */
  probe: (containerId: string, podIp: string) => Promise<ProbeOutcome | undefined>;
  /** When this kubelet began: what ran before it is not doubted until a probe fails. */
  kubeletStartMs: number;
  clock: Clock;
}

/** Probes one container in one way, every period, until stopped. Mirrors pkg/kubelet/prober/worker.go. */
export class ProbeWorker {
  readonly #options: ProbeWorkerOptions;
  readonly #stop = new AbortController();
  #containerId = '';
  #last: ProbeOutcome | undefined;
  #run = 0;
  /** A verdict was reached that only a new container can change. */
  #onHold = false;

  constructor(options: ProbeWorkerOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { clock, spec } = this.#options;
    const periodMs = (spec.periodSeconds ?? 10) * 1000;
    try {
      while (!this.#stop.signal.aborted && (await this.once())) {
        await clock.sleep(periodMs, this.#stop.signal);
      }
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }

  stop(): void {
    this.#stop.abort();
    if (this.#containerId !== '') this.#options.results.remove(this.#containerId);
  }

  /** One tick. @returns whether to go on. */
  async once(): Promise<boolean> {
    const { kind, pod, container, results } = this.#options;
    const status = this.#options.status();
    if (!status) return true;
    if (status.phase === 'Failed' || status.phase === 'Succeeded') return false;
    const current = findStatus(status, container.name);
    if (!current?.containerID) return true;
    this.#follow(current);
    if (this.#onHold) return true;
    if (!current.state?.running) {
      results.set(this.#containerId, 'Failure');
      const ended = current.state?.terminated;
      return !ended || isSidecar(container) || containerShouldRestart(container, pod(), ended.exitCode ?? 0);
    }
    if (pod().metadata?.deletionTimestamp && kind !== 'Readiness') {
      // The pod ends anyway: it must not be restarted meanwhile.
      results.set(this.#containerId, 'Success');
      return false;
    }
    if (!this.#isDue(current)) return true;
    return this.#probe(status.podIP ?? '');
  }

  #follow(current: ContainerStatus): void {
    const id = (current.containerID ?? '').replace(/^.*:\/\//, '');
    if (id === this.#containerId) return;
    const { clock, kind, kubeletStartMs, results } = this.#options;
    if (this.#containerId !== '') results.remove(this.#containerId);
    this.#containerId = id;
    this.#onHold = false;
    this.#last = undefined;
    this.#run = 0;
    const startedMs = Date.parse(current.state?.running?.startedAt ?? '') || clock.now();
    const older = startedMs < kubeletStartMs - 1000;
    if (older && kind === 'Startup' && current.started === true) {
      results.set(id, 'Success');
      this.#onHold = true;
    } else if (!older) results.set(id, INITIAL[kind]);
  }

  #isDue(current: ContainerStatus): boolean {
    const { clock, kind, spec } = this.#options;
    const startedMs = Date.parse(current.state?.running?.startedAt ?? '');
    const ageSeconds = Math.floor((clock.now() - startedMs) / 1000);
    if (ageSeconds < (spec.initialDelaySeconds ?? 0)) return false;
    // Until the startup probe has succeeded it is the only one; afterwards it rests.
    return current.started === true ? kind !== 'Startup' : kind === 'Startup';
  }

  async #probe(podIp: string): Promise<boolean> {
    const { kind, probe, results, spec } = this.#options;
    const id = this.#containerId;
    const outcome = await probe(id, podIp);
    if (this.#stop.signal.aborted || outcome === undefined || id !== this.#containerId) return true;
    if (this.#last === outcome) this.#run += 1;
    else {
      this.#last = outcome;
      this.#run = 1;
    }
    const threshold = outcome === 'Failure' ? (spec.failureThreshold ?? 3) : (spec.successThreshold ?? 1);
    if (this.#run < threshold) return true;
    results.set(id, outcome);
    if ((kind === 'Liveness' && outcome === 'Failure') || kind === 'Startup') {
      this.#onHold = true;
      this.#run = 0;
    }
    return true;
  }
}

const INITIAL = { Liveness: 'Success', Readiness: 'Failure', Startup: 'Unknown' } as const;

function findStatus(status: PodStatus, name: string): ContainerStatus | undefined {
  return [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])].find(
    (one) => one.name === name,
  );
}
