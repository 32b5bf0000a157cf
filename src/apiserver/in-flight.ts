import type { RequestInfo } from './request-context.ts';

const READ_ONLY: ReadonlySet<string> = new Set(['get', 'list', 'watch', 'head']);

/**
 * How many requests may be under way at once, reads and writes apart; upstream's numbers. Watches and
 * streams do not count, and health is always answered.
 */
export class InFlight {
  readonly #maxReads: number;
  readonly #maxWrites: number;
  #reads = 0;
  #writes = 0;

  constructor(maxReads = 400, maxWrites = 200) {
    this.#maxReads = maxReads;
    this.#maxWrites = maxWrites;
  }

  get reads(): number {
    return this.#reads;
  }

  get writes(): number {
    return this.#writes;
  }

  /** The way to leave again; undefined where there are too many. */
  enter(info: RequestInfo, longRunning: boolean): (() => void) | undefined {
    if (longRunning || !info.isResourceRequest) return () => undefined;
    if (READ_ONLY.has(info.verb)) {
      if (this.#reads >= this.#maxReads) return undefined;
      this.#reads += 1;
      return () => (this.#reads -= 1);
    }
    if (this.#writes >= this.#maxWrites) return undefined;
    this.#writes += 1;
    return () => (this.#writes -= 1);
  }
}
