import { watch, type FSWatcher } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { codeOf } from '../../base/errors.ts';
import { Wake } from '../wake.ts';
import { nanosecondsOf, parseCriLogLine } from './cri-log.ts';
import { tailOffset } from './tail.ts';

export interface LogOptions {
  follow: boolean;
  /** Lines from the end; all where undefined. */
  tailLines?: number;
  /** Only lines written at or after this. */
  sinceNanoseconds?: bigint;
  timestamps: boolean;
  limitBytes?: number;
  /** Both where undefined. */
  stream?: 'stdout' | 'stderr';
}

export interface LogSource {
  path: string;
  /** Whether the container may still write: a follower waits while it does. */
  running: () => Promise<boolean>;
  clock: Clock;
  signal: AbortSignal;
}

const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
/** A change is noticed at once where the kernel tells of it, and after this where it does not. */
const POLL_MS = 1_000;

/** The text of a container's log, as `kubectl logs` prints it. Mirrors k8s.io/cri-client/pkg/logs. */
export async function* readLog(source: LogSource, options: LogOptions): AsyncGenerator<Buffer> {
  let left = options.limitBytes ?? Infinity;
  for await (const text of formatted(source, options)) {
    if (text.length >= left) {
      yield text.subarray(0, left);
      return;
    }
    left -= text.length;
    yield text;
  }
}

async function* formatted(source: LogSource, options: LogOptions): AsyncGenerator<Buffer> {
  let atLineStart = true;
  for await (const lines of rawLines(source, options)) {
    const parts: Buffer[] = [];
    for (const raw of lines) {
      const line = parseCriLogLine(raw);
      if (!line) continue;
      if (options.stream && line.stream !== options.stream) continue;
      if (options.sinceNanoseconds !== undefined) {
        if (nanosecondsOf(line.timestamp) < options.sinceNanoseconds) continue;
      }
      // The rest of a line that came in parts has no time of its own.
      if (options.timestamps && atLineStart) parts.push(Buffer.from(`${line.timestamp} `));
      parts.push(line.content);
      atLineStart = !line.partial;
      if (!line.partial) parts.push(Buffer.from('\n'));
    }
    if (parts.length > 0) yield Buffer.concat(parts);
  }
}

/** Complete lines, in batches; follows the file through its rotation. */
async function* rawLines(source: LogSource, options: LogOptions): AsyncGenerator<Buffer[]> {
  const { path, signal } = source;
  const waiter = options.follow ? new ChangeWaiter(path, source.clock, signal) : undefined;
  let file = await openLog(path);
  try {
    let position = 0;
    if (file && options.tailLines !== undefined) position = await tailOffset(file, options.tailLines);
    let rest: Buffer = Buffer.alloc(0);
    const block = Buffer.allocUnsafe(BLOCK_BYTES);
    while (!signal.aborted) {
      const { bytesRead } = file ? await file.read(block, 0, BLOCK_BYTES, position) : { bytesRead: 0 };
      if (bytesRead > 0) {
        position += bytesRead;
        const { lines, left } = cut(Buffer.concat([rest, block.subarray(0, bytesRead)]));
        rest = left;
        if (lines.length > 0) yield lines;
        continue;
      }
      if (!waiter) break;
      const next = await reopened(file, path);
      if (next) {
        await file?.close();
        file = next;
        position = 0;
        rest = Buffer.alloc(0);
        continue;
      }
      // Asked before the wait: what was written before the end is read once more.
      if (!(await source.running())) {
        const { size } = file ? await file.stat() : { size: 0 };
        if (size <= position) break;
        continue;
      }
      await waiter.wait();
    }
    // A last line without its end, of a runtime that was killed.
    if (rest.length > 0 && !signal.aborted) yield [rest];
  } finally {
    waiter?.close();
    await file?.close();
  }
}

function cut(buffer: Buffer): { lines: Buffer[]; left: Buffer } {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = buffer.indexOf(NEWLINE); end >= 0; end = buffer.indexOf(NEWLINE, start)) {
    lines.push(buffer.subarray(start, end));
    start = end + 1;
  }
  return { lines, left: Buffer.from(buffer.subarray(start)) };
}

async function openLog(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    // The runtime makes it with the first output.
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The file that stands under the name now, where it is another one than that which was read. */
async function reopened(file: FileHandle | undefined, path: string): Promise<FileHandle | undefined> {
  if (!file) return openLog(path);
  try {
    const [now, before] = await Promise.all([stat(path), file.stat()]);
    if (now.ino === before.ino && now.dev === before.dev) return undefined;
    return await openLog(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

class ChangeWaiter {
  readonly #signal: AbortSignal;
  readonly #wake: Wake;
  readonly #watcher: FSWatcher | undefined;

  constructor(path: string, clock: Clock, signal: AbortSignal) {
    this.#signal = signal;
    this.#wake = new Wake(clock);
    try {
      this.#watcher = watch(dirname(path), () => this.#wake.poke());
      this.#watcher.on('error', () => undefined);
    } catch {
      // Without inotify the polls do.
      this.#watcher = undefined;
    }
  }

  wait(): Promise<void> {
    return this.#wake.wait(POLL_MS, this.#signal);
  }

  close(): void {
    this.#watcher?.close();
  }
}
