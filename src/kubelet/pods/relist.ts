import type { Pod } from '../../api/gen/types/core-v1.ts';
import { isAbort, messageOf } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { POD_NAME, POD_NAMESPACE, POD_UID, readContainerAnnotations } from '../containers/labels.ts';
import { isRuntimeError } from '../cri/runtime-error.ts';
import type { ContainerSummary, CriRuntime, PodSandbox } from '../cri/runtime.ts';

export interface RelistOptions {
  runtime: CriRuntime;
  clock: Clock;
  log: Logger;
  /** The pod's sandboxes or containers are others than at the last look. */
  onChange: (uid: string) => void;
  /** After each look, with all that the runtime holds. */
  onRelist: (found: RuntimeInventory) => void;
}

export interface RuntimeInventory {
  sandboxes: PodSandbox[];
  containers: ContainerSummary[];
}

const RELIST_MS = 1_000;
/** With the runtime's own events the lists are only a safety net. */
const RELIST_WITH_EVENTS_MS = 10_000;
const RETRY_EVENTS_MS = 5_000;
/** Upstream calls the generator unhealthy after three minutes without a list. */
const UNHEALTHY_MS = 180_000;

/** Notices what changes in the runtime. Mirrors pkg/kubelet/pleg/generic.go and evented.go. */
export class Relist {
  readonly #options: RelistOptions;
  #before = new Map<string, string>();
  #lastMs: number;
  #events = false;
  #failed = false;

  constructor(options: RelistOptions) {
    this.#options = options;
    this.#lastMs = options.clock.monotonicMs();
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#relistLoop(signal), this.#eventLoop(signal)]);
  }

  /** Why the runtime is not heard; undefined where it is. */
  problem(): string | undefined {
    const silentMs = this.#options.clock.monotonicMs() - this.#lastMs;
    if (this.#failed) return 'container runtime is down';
    if (silentMs > UNHEALTHY_MS)
      return `PLEG is not healthy: pleg was last seen active ${Math.round(silentMs / 1000)}s ago; threshold is 3m0s`;
    return undefined;
  }

  async relist(): Promise<void> {
    const { onChange, onRelist, runtime } = this.#options;
    const [sandboxes, containers] = await Promise.all([runtime.listPodSandbox(), runtime.listContainers()]);
    const now = new Map<string, string>();
    const note = (uid: string, text: string) => now.set(uid, `${now.get(uid) ?? ''}${text} `);
    for (const { id, metadata, ready } of sandboxes) note(metadata.uid, `${id}${ready ? '+' : '-'}`);
    for (const { id, labels, state } of containers) note(labels[POD_UID] ?? '', `${id}${state}`);
    const before = this.#before;
    this.#before = now;
    this.#lastMs = this.#options.clock.monotonicMs();
    this.#failed = false;
    onRelist({ sandboxes, containers });
    for (const uid of new Set([...before.keys(), ...now.keys()])) {
      if (before.get(uid) !== now.get(uid)) onChange(uid);
    }
  }

  async #relistLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.relist();
      } catch (error) {
        if (!this.#failed)
          this.#options.log.warn({ error: messageOf(error) }, 'the container runtime does not answer');
        this.#failed = true;
      }
      const delayMs = this.#events ? RELIST_WITH_EVENTS_MS : RELIST_MS;
      await this.#options.clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  async #eventLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#options.runtime.containerEvents(signal, (uid) => {
          this.#events = true;
          this.#options.onChange(uid);
        });
      } catch (error) {
        if (isRuntimeError(error, 'Unimplemented') || isAbort(error)) return;
      }
      this.#events = false;
      await this.#options.clock.sleep(RETRY_EVENTS_MS, signal).catch(() => undefined);
    }
  }
}

/**
 * A pod as far as its labels and annotations in the runtime tell: enough to end it. Mirrors
 * restoreSpecsFromContainerLabels of kuberuntime_container.go.
 */
export function podFromRuntime(uid: string, inventory: RuntimeInventory): Pod | undefined {
  const sandbox = inventory.sandboxes.find(({ metadata }) => metadata.uid === uid);
  const containers = inventory.containers.filter(({ labels }) => labels[POD_UID] === uid);
  const labels = sandbox?.labels ?? containers[0]?.labels;
  if (!labels) return undefined;
  const annotations = containers.map((one) => readContainerAnnotations(one.annotations));
  const deletion = annotations.find((one) => one.deletionGracePeriodSeconds !== undefined);
  const termination = annotations.find((one) => one.terminationGracePeriodSeconds !== undefined);
  const seconds = deletion?.deletionGracePeriodSeconds;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      uid,
      name: labels[POD_NAME] ?? sandbox?.metadata.name ?? '',
      namespace: labels[POD_NAMESPACE] ?? sandbox?.metadata.namespace ?? '',
      ...(seconds === undefined ? {} : { deletionGracePeriodSeconds: seconds }),
    },
    spec: {
      terminationGracePeriodSeconds: termination?.terminationGracePeriodSeconds ?? 30,
      containers: containers.map(({ name }, index) => ({
        name,
        ports: annotations[index]?.ports,
        ...(annotations[index]?.preStop ? { lifecycle: { preStop: annotations[index].preStop } } : {}),
      })),
    },
  };
}
