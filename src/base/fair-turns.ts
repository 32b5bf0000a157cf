/** Work of one turn, after which the loop goes round: a little of what a stall may be, for there is other work too. */
const BUDGET_MS = 4;

/**
 * Lets pieces of work that arrive together take turns. Sixty requests that came in one packet would
 * otherwise be one stall of sixty times their cost, because nothing between them is waited for. Each waits
 * here before its expensive part; after some milliseconds of such work the event loop goes round once.
 */
export class FairTurns {
  readonly #budgetMs: number;
  readonly #monotonicMs: () => number;
  #waiting: Array<() => void> = [];
  #running = false;
  #startedMs = 0;

  constructor(budgetMs = BUDGET_MS, monotonicMs: () => number = () => performance.now()) {
    this.#budgetMs = budgetMs;
    this.#monotonicMs = monotonicMs;
  }

  /** Resolves when it is the caller's turn, in order of arrival: at once where nobody else works. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#running) return;
      this.#running = true;
      this.#startedMs = this.#monotonicMs();
      this.#release();
    });
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (!next) {
      this.#running = false;
      return;
    }
    next();
    // A tick that a microtask sets comes when all microtasks are done: when the work just begun waits for
    // something. (A tick that a tick sets would come before them.)
    queueMicrotask(() => process.nextTick(() => this.#afterOne()));
  }

  #afterOne(): void {
    if (this.#waiting.length === 0 || this.#monotonicMs() - this.#startedMs < this.#budgetMs) {
      this.#release();
      return;
    }
    setImmediate(() => {
      this.#startedMs = this.#monotonicMs();
      this.#release();
    });
  }
}

/** The turns of this process' one event loop. */
export const fairTurns = new FairTurns();
