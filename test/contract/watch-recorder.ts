import type { Storage, StorageEvent, StorageWatchHandler } from '../../src/storage/storage.ts';

/** A watch handler that keeps what it was given and lets a test wait for it. */
export class WatchRecorder implements StorageWatchHandler {
  readonly events: StorageEvent[] = [];
  /** The events of each call. */
  readonly calls: StorageEvent[][] = [];
  ended: Error | undefined;
  #waiting: Array<() => void> = [];

  onEvents(events: readonly StorageEvent[]): void {
    this.events.push(...events);
    this.calls.push([...events]);
    this.#wake();
  }

  onEnd(error: Error): void {
    this.ended = error;
    this.#wake();
  }

  get revisions(): number[] {
    return this.events.map((event) => event.revision);
  }

  /** Resolves as soon as `count` events have come, or the watch has ended. */
  async until(count: number): Promise<StorageEvent[]> {
    await this.#while(() => this.events.length < count && !this.ended);
    return this.events;
  }

  async untilEnded(): Promise<Error> {
    await this.#while(() => !this.ended);
    return this.ended!;
  }

  async #while(condition: () => boolean): Promise<void> {
    while (condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export async function watch(storage: Storage, prefix: string, from: number): Promise<WatchRecorder> {
  const recorder = new WatchRecorder();
  await storage.watch(prefix, from, recorder);
  return recorder;
}
