import type { Worker } from 'node:worker_threads';
import { systemClock } from '../../base/clock.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { SlipwayError } from '../../base/errors.ts';
import { startWorkerThread } from '../../base/worker-thread.ts';
import { requestEntityTooLarge, StatusError, tooManyRequests } from '../status-errors.ts';
import { read } from './reading-job.ts';
import type { ReadingJob, ReadingJobs } from './reading-job.ts';
import type { ReadingReply, ReadingRequest } from './reading-messages.ts';

/** Larger bodies are read beside the loop; YAML takes ten times as long as JSON. */
const LARGE_BYTES = 128 * 1024;
const LARGE_YAML_BYTES = 16 * 1024;
/** Bodies that may wait for the thread; whoever comes then is told to come again. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** The thread's heap: what takes more than this of 3 MiB is made to. */
const MAX_HEAP_MB = 256;
/** No body that anyone means takes so long. */
const MAX_JOB_MS = 20_000;
/** The thread ends when nothing was large for so long. */
const IDLE_MS = 30_000;

interface Waiting {
  request: ReadingRequest;
  bytes: number;
  signal: AbortSignal;
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/**
 * Reads bodies so that none stalls the others: small ones at once, large ones one after the other in a thread of its
 * own, which is there while there are any. A body that takes the thread too long, or too much memory, costs only itself.
 */
export class BodyReading {
  readonly #clock: Clock;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #current: Waiting | undefined;
  #worker: Worker | undefined;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rejects as `read` throws; with a 429 where too much waits already. */
  read<J extends ReadingJob>(
    job: J,
    ask: ReadingJobs[J]['ask'],
    signal: AbortSignal,
  ): ReadingJobs[J]['answer'] | Promise<ReadingJobs[J]['answer']> {
    const { length } = ask.bytes;
    const isYaml = job === 'yaml' || ('type' in ask && ask.type.endsWith('yaml'));
    if (length < (isYaml ? LARGE_YAML_BYTES : LARGE_BYTES)) return read(job, ask);
    if (this.#waitingBytes + length > MAX_WAITING_BYTES) {
      return Promise.reject(tooManyRequests('too many large requests, please try again later.', 1));
    }
    return new Promise((resolve, reject) => {
      const request = { job, ask };
      const settle = resolve as (answer: unknown) => void;
      this.#waiting.push({ request, bytes: length, signal, resolve: settle, reject });
      this.#waitingBytes += length;
      this.#next();
    });
  }

  #next(): void {
    if (this.#current) return;
    const next = this.#waiting.shift();
    this.#timer?.cancel();
    if (!next) {
      this.#timer = this.#clock.after(IDLE_MS, () => this.#end());
      this.#worker?.unref();
      return;
    }
    this.#waitingBytes -= next.bytes;
    if (next.signal.aborted) {
      next.reject(new DOMException('the client is gone', 'AbortError'));
      this.#next();
      return;
    }
    this.#current = next;
    this.#timer = this.#clock.after(MAX_JOB_MS, () => this.#give('takes too long to read'));
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.postMessage(next.request, []);
  }

  #start(): Worker {
    const worker = startWorkerThread('src/apiserver/codec/reading-thread.ts', {
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    worker.on('message', (reply: ReadingReply) => {
      if (worker === this.#worker) this.#settle(reply);
    });
    worker.on('error', (error: Error & { code?: string }) => {
      if (worker !== this.#worker) return;
      const isMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      if (isMemory) this.#give('takes too much memory to read');
      else this.#drop(error);
    });
    return worker;
  }

  #settle(reply: ReadingReply): void {
    const current = this.#current;
    this.#current = undefined;
    if (reply.failure === undefined) current?.resolve(reply.answer);
    else {
      const { failure } = reply;
      if (failure.status) current?.reject(new StatusError(failure.status));
      else if (failure.code) current?.reject(new SlipwayError(failure.code, failure.message));
      else current?.reject(new Error(failure.message));
    }
    this.#next();
  }

  /** Gives the body up that is being read, and the thread with it. */
  #give(why: string): void {
    this.#drop(requestEntityTooLarge(`the body ${why}`));
  }

  #drop(error: Error): void {
    const current = this.#current;
    this.#current = undefined;
    this.#end();
    current?.reject(error);
    this.#next();
  }

  #end(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }
}

/** One for the process: its servers share the thread, as they share the processor. */
export const bodyReading = new BodyReading(systemClock);
