import type { Clock } from '../base/clock.ts';

/** A wait that can be cut short: by `poke`, or by the signal. A poke between two waits is not lost. */
export class Wake {
  readonly #clock: Clock;
  #poked = false;
  #end: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  poke(): void {
    this.#poked = true;
    this.#end?.();
  }

  /** Resolves after the delay at the latest; never rejects. */
  async wait(delayMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#poked && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(delayMs, () => this.#end?.());
        const end = () => {
          timer.cancel();
          signal.removeEventListener('abort', end);
          resolve();
        };
        this.#end = end;
        signal.addEventListener('abort', end, { once: true });
      });
      this.#end = undefined;
    }
    this.#poked = false;
  }
}
