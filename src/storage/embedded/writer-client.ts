import type { Worker } from 'node:worker_threads';
import type { Clock } from '../../base/clock.ts';
import { startWorkerThread } from '../../base/worker-thread.ts';
import { StorageClosedError, StorageCorruptError, StorageFormatError, StorageFullError } from '../errors.ts';
import type { Failure, PendingWrite, Reply, Request, Written } from './messages.ts';
import { packWrites, unpackWritten } from './messages.ts';
import { FORMAT } from './schema.ts';
import type { WriterThreadData } from './writer-thread.ts';

interface Waiting extends PendingWrite {
  resolve: (written: Written) => void;
  reject: (error: Error) => void;
}

type ReplyOf<Type extends Reply['type']> = Extract<Reply, { type: Type }>;

/** Writes in one commit, at most: bounds the size of a batch and how long its slowest member waits. */
const MAX_BATCH = 1000;
const MAX_BATCH_BYTES = 8 * 1024 * 1024;

export interface WriterClientOptions {
  dir: string;
  path: string;
  maxBytes: number | undefined;
  clock: Clock;
  /** Each durable batch, in order, before the promises of its writes resolve. `tookMs` is the time of its commit. */
  onWritten: (writes: readonly PendingWrite[], results: readonly Written[], tookMs: number) => void;
  /** The writer has stopped for good. */
  onBroken: (error: Error) => void;
}

/**
 * The loop's side of the writer's thread. Writes of one turn of the loop, and those that arrive while a
 * commit is under way, share the next commit: its one fsync acknowledges them all.
 */
export class WriterClient {
  readonly #options: WriterClientOptions;
  readonly #worker: Worker;
  readonly #replies: Array<{ resolve: (reply: Reply) => void; reject: (error: Error) => void }> = [];
  #waiting: Waiting[] = [];
  #scheduled = false;
  #committing = false;
  #broken: Error | undefined;
  #closing: Promise<void> | undefined;
  #drained: Array<() => void> = [];

  private constructor(options: WriterClientOptions, worker: Worker) {
    this.#options = options;
    this.#worker = worker;
    worker.on('message', (reply: Reply) => this.#replies.shift()?.resolve(reply));
    worker.on('error', (error) => this.#break(new StorageClosedError('its writer failed', error)));
    worker.on('exit', () => this.#break(new StorageClosedError('its writer has ended')));
  }

  static async open(
    options: WriterClientOptions,
  ): Promise<{ writer: WriterClient; opened: ReplyOf<'opened'> }> {
    const workerData: WriterThreadData = { path: options.path, maxBytes: options.maxBytes };
    const worker = startWorkerThread('src/storage/embedded/writer-thread.ts', {
      workerData,
      name: 'store-writer',
      // A batch lives in array buffers outside the heap; what is left is small.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    const writer = new WriterClient(options, worker);
    try {
      return { writer, opened: await writer.#reply('opened') };
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  write(write: PendingWrite): Promise<Written> {
    if (this.#broken) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...write, resolve, reject });
      this.#schedule();
    });
  }

  async compact(revision: number): Promise<void> {
    await this.#request({ type: 'compact', revision }, 'compacted');
  }

  /** Resolves with the revision up to which the log is clean. */
  async sweep(limit: number): Promise<number> {
    return (await this.#request({ type: 'sweep', limit }, 'swept')).swept;
  }

  /** Commits what waits, then stops the thread. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#waiting.length > 0 || this.#committing) {
      await new Promise<void>((resolve) => this.#drained.push(resolve));
    }
    if (!this.#broken) {
      await this.#request({ type: 'close' }, 'closed').catch(() => {});
      this.#broken = new StorageClosedError('it was closed');
    }
    await this.#worker.terminate();
  }

  #schedule(): void {
    if (this.#scheduled || this.#committing) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#commit();
    });
  }

  async #commit(): Promise<void> {
    if (this.#broken || this.#waiting.length === 0) return;
    const batch = this.#takeBatch();
    this.#committing = true;
    const startedMs = this.#options.clock.monotonicMs();
    try {
      const packed = packWrites(batch);
      const transfer = [packed.expected.buffer, packed.lengths.buffer, packed.values.buffer];
      const reply = await this.#request({ type: 'write', ...packed }, 'written', transfer);
      const results = unpackWritten(
        reply,
        batch.map((write) => write.key),
      );
      this.#options.onWritten(batch, results, this.#options.clock.monotonicMs() - startedMs);
      batch.forEach((write, i) => write.resolve(results[i]!));
    } catch (error) {
      for (const write of batch) write.reject(error as Error);
    }
    this.#committing = false;
    if (this.#waiting.length > 0) this.#schedule();
    else for (const resolve of this.#drained.splice(0)) resolve();
  }

  #takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && count < MAX_BATCH && bytes < MAX_BATCH_BYTES) {
      bytes += this.#waiting[count++]!.value?.length ?? 0;
    }
    if (count === this.#waiting.length) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    return this.#waiting.splice(0, count);
  }

  #request<Type extends Reply['type']>(
    request: Request,
    type: Type,
    transfer: ArrayBuffer[] = [],
  ): Promise<ReplyOf<Type>> {
    if (this.#broken) return Promise.reject(this.#broken);
    const reply = this.#reply(type);
    this.#worker.postMessage(request, transfer);
    return reply;
  }

  /** The thread answers in order, so the next reply belongs to the oldest request. It holds the process up only until then. */
  async #reply<Type extends Reply['type']>(type: Type): Promise<ReplyOf<Type>> {
    this.#worker.ref();
    const reply = await new Promise<Reply>((resolve, reject) => this.#replies.push({ resolve, reject }));
    if (this.#replies.length === 0) this.#worker.unref();
    if (reply.type === 'failed') throw this.#failed(reply.failure);
    if (reply.type !== type) throw new Error(`the store's writer answered ${reply.type} to ${type}`);
    return reply as ReplyOf<Type>;
  }

  #failed({ kind, message, found }: Failure): Error {
    const cause = new Error(message);
    const { dir } = this.#options;
    if (kind === 'full') return new StorageFullError(dir, cause);
    const error =
      kind === 'format'
        ? new StorageFormatError(dir, found ?? 0, FORMAT)
        : kind === 'corrupt'
          ? new StorageCorruptError(dir, message, cause)
          : new StorageClosedError(`its disk failed: ${message}`, cause);
    this.#break(error);
    return error;
  }

  #break(error: Error): void {
    if (this.#broken || this.#closing) return;
    this.#broken = error;
    for (const { reject } of this.#replies.splice(0)) reject(error);
    for (const write of this.#waiting.splice(0)) write.reject(error);
    for (const resolve of this.#drained.splice(0)) resolve();
    this.#options.onBroken(error);
  }
}
