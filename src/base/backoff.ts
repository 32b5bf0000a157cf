/** Exponential back-off with a cap and a reset, as client-go's wait.Backoff; jitter is a share of the delay. */
export interface BackoffOptions {
  initialMs: number;
  maxMs: number;
  factor?: number;
  /** 0.2 spreads a delay over 1 to 1.2 times its length. Default 0. */
  jitter?: number;
  random?: () => number;
}

export class Backoff {
  #nextMs: number;
  readonly #options: Required<BackoffOptions>;

  constructor(options: BackoffOptions) {
    this.#options = { factor: 2, jitter: 0, random: Math.random, ...options };
    this.#nextMs = options.initialMs;
  }

  /** The delay to wait now; the following one is longer. */
  next(): number {
    const { factor, maxMs, jitter, random } = this.#options;
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMs * factor, maxMs);
    return delayMs * (1 + jitter * random());
  }

  reset(): void {
    this.#nextMs = this.#options.initialMs;
  }
}
