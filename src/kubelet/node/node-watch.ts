import { isAbort, messageOf } from '../../base/errors.ts';
import type { Image } from '../cri/runtime.ts';
import type { AgentParts, KubeletOptions } from '../options.ts';
import { availableMemoryBytes, fileSystemFacts, machineFacts, type MachineFacts } from './machine.ts';
import type { NodeFacts } from './node-status.ts';

const CALM_MS = 5_000;
const HURRY_MS = 300;
const IMAGES_MS = 60_000;

/** Looks at the host and at the runtime's own condition. */
export class NodeWatch {
  readonly #options: KubeletOptions;
  readonly #parts: AgentParts;
  readonly #machine: MachineFacts;
  #last: NodeFacts;
  #images: Image[] = [];
  #imagesMs = -Infinity;
  #runtime: string | undefined = 'container runtime status check may not have completed yet';
  #network: string | undefined = 'container runtime status check may not have completed yet';
  #onReady: () => void = () => undefined;

  constructor(options: KubeletOptions, parts: AgentParts, machine: MachineFacts, last: NodeFacts) {
    this.#options = options;
    this.#parts = parts;
    this.#machine = machine;
    this.#last = last;
  }

  last(): NodeFacts {
    return this.#last;
  }

  networkProblem(): string | undefined {
    return this.#network;
  }

  onNetworkReady(call: () => void): void {
    this.#onReady = call;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#check();
      } catch (error) {
        if (isAbort(error)) return;
        this.#runtime = 'container runtime is down';
        log.debug({ error: messageOf(error) }, 'the runtime tells no status');
      }
      const delayMs = this.#network === undefined && this.#runtime === undefined ? CALM_MS : HURRY_MS;
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  /** The node's facts now. `problems` of others are added to the runtime's. */
  async look(problems: Array<string | undefined>): Promise<NodeFacts> {
    const facts = await hostFacts(this.#options, this.#parts, this.#machine);
    const all = [this.#runtime, this.#network, ...problems].filter((one) => one !== undefined);
    this.#last = { ...facts, images: await this.#listImages(), problems: [...new Set(all)] };
    return this.#last;
  }

  async #check(): Promise<void> {
    const before = this.#network;
    const conditions = await this.#parts.runtime.status();
    const problemOf = (type: string, words: string) => {
      const one = conditions.find((condition) => condition.type === type);
      if (one?.status) return undefined;
      return `${words}: ${type}=false reason:${one?.reason ?? ''} message:${one?.message ?? ''}`;
    };
    this.#runtime = problemOf('RuntimeReady', 'container runtime not ready');
    this.#network = problemOf('NetworkReady', 'container runtime network not ready');
    if (before !== undefined && this.#network === undefined) this.#onReady();
  }

  async #listImages(): Promise<Image[]> {
    const now = this.#options.clock.monotonicMs();
    if (now - this.#imagesMs < IMAGES_MS) return this.#images;
    try {
      this.#images = await this.#parts.runtime.listImages();
      this.#imagesMs = now;
    } catch {
      // The list of before is as good as it was; the runtime's silence is reported elsewhere.
    }
    return this.#images;
  }
}

export async function createNodeWatch(options: KubeletOptions, parts: AgentParts): Promise<NodeWatch> {
  const machine = await machineFacts();
  const facts = await hostFacts(options, parts, machine);
  return new NodeWatch(options, parts, machine, { ...facts, images: [], problems: [] });
}

async function hostFacts(
  options: KubeletOptions,
  { version }: AgentParts,
  machine: MachineFacts,
): Promise<Omit<NodeFacts, 'images' | 'problems'>> {
  return {
    machine,
    disk: await fileSystemFacts(options.rootDir),
    memoryAvailableBytes: await availableMemoryBytes(),
    runtimeName: version.runtimeName,
    runtimeVersion: version.runtimeVersion.replace(/^v/, ''),
    hostname: options.nodeName,
    nodeIps: options.nodeIps,
    kubeletPort: options.port ?? 10_250,
    maxPods: options.maxPods ?? 110,
  };
}
