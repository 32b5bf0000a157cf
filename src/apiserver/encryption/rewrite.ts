import { messageOf } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { EncryptedStorage } from './encrypted-storage.ts';

const RETRY_MS = 10_000;

/**
 * Writes what is kept with an old key, or in the clear, anew after a start: so a new configuration takes hold by itself.
 * Tells by `rewriting` when it is done, which a rotation of keys waits for before it drops the old one.
 */
export class StaleRewriter {
  readonly #storage: EncryptedStorage;
  readonly #folders: () => readonly string[];
  readonly #clock: Clock;
  readonly #log: Logger;
  #rewriting = true;

  /** `folders`: of all resources that are served, e.g. 'secrets', 'deployments.apps'. */
  constructor(
    storage: EncryptedStorage,
    folders: () => readonly string[],
    deps: { clock: Clock; log: Logger },
  ) {
    this.#storage = storage;
    this.#folders = folders;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /** Whether something may still be kept with an old key. */
  get rewriting(): boolean {
    return this.#rewriting;
  }

  /** Rewrites whatever is stale until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    while (!signal.aborted) {
      const wake = Promise.withResolvers<void>();
      this.#storage.onStale(() => {
        this.#rewriting = true;
        wake.resolve();
      });
      await this.#untilFresh(signal);
      // What became stale while it ran is looked for again at once.
      await Promise.race([wake.promise, stopped]);
    }
  }

  async #untilFresh(signal: AbortSignal): Promise<void> {
    this.#rewriting = true;
    while (!signal.aborted) {
      try {
        let rewritten = 0;
        for (const folder of this.#folders()) rewritten += await this.#storage.rewriteStale(folder, signal);
        if (rewritten > 0) this.#log.info({ rewritten }, 'values were written anew with the present key');
        this.#rewriting = false;
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.error({ error: messageOf(error) }, 'values could not be written anew with the present key');
        await this.#clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
  }
}
