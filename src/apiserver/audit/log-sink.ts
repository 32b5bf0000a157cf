import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { AuditSink } from './record.ts';

export interface LogSinkOptions {
  path: string;
  /** Days after which old files go; 0 keeps them. */
  maxAgeDays: number;
  /** Old files that are kept; 0 keeps all. */
  maxBackups: number;
  /** The size at which a file is put aside. */
  maxSizeBytes: number;
  clock: Clock;
  log: Logger;
  /** Told how many events were lost: on a full disk, or because it is too slow. */
  lost?: (events: number) => void;
}

const DAY_MS = 86_400_000;
/** Events that wait for the disk; beyond it they are dropped, and that is said. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/**
 * A file with one JSON event a line, put aside under the time when it is full. Lines that wait are written
 * together. Mirrors apiserver plugin/pkg/audit/log and lumberjack's names.
 */
export class LogSink implements AuditSink {
  readonly #options: LogSinkOptions;
  #file: FileHandle | undefined;
  #size = 0;
  #lines: string[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #writing: Promise<void> | undefined;

  constructor(options: LogSinkOptions) {
    this.#options = options;
  }

  write(event: string): void {
    if (this.#waitingBytes + event.length > MAX_WAITING_BYTES) {
      this.#dropped += 1;
      this.#options.lost?.(1);
      return;
    }
    this.#lines.push(event);
    this.#waitingBytes += event.length + 1;
    this.#writing ??= this.#drain();
  }

  async close(): Promise<void> {
    while (this.#writing) await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #drain(): Promise<void> {
    let events = 0;
    try {
      while (this.#lines.length > 0) {
        const bytes = Buffer.from(`${this.#lines.join('\n')}\n`);
        events = this.#lines.length;
        this.#lines = [];
        this.#waitingBytes = 0;
        await this.#append(bytes);
      }
      if (this.#dropped > 0) {
        this.#options.log.error({ events: this.#dropped }, 'audit events were dropped: the disk is too slow');
        this.#dropped = 0;
      }
    } catch (error) {
      const { path, log, lost } = this.#options;
      lost?.(events);
      log.error({ path, events, error: messageOf(error) }, 'audit events could not be written');
      // Half a line would spoil the next one, too.
      await this.#file?.truncate(this.#size).catch(() => undefined);
      await this.#file?.close().catch(() => undefined);
      this.#file = undefined;
    } finally {
      this.#writing = undefined;
      if (this.#lines.length > 0) this.#writing = this.#drain();
    }
  }

  async #append(bytes: Buffer): Promise<void> {
    const { path, maxSizeBytes } = this.#options;
    if (!this.#file) {
      this.#file = await open(path, 'a', 0o600);
      this.#size = (await this.#file.stat()).size;
    }
    if (this.#size > 0 && this.#size + bytes.length > maxSizeBytes) {
      await this.#rotate();
      this.#file = await open(path, 'a', 0o600);
      this.#size = 0;
    }
    await this.#file.appendFile(bytes);
    this.#size += bytes.length;
  }

  async #rotate(): Promise<void> {
    const { path, clock } = this.#options;
    await this.#file?.close();
    this.#file = undefined;
    const time = new Date(clock.now()).toISOString().slice(0, -1).replaceAll(':', '-');
    const extension = extname(path);
    const stem = path.slice(0, path.length - extension.length);
    await rename(path, `${stem}-${time}${extension}`);
    await this.#sweep();
  }

  /** Old files go by their number and by their age. */
  async #sweep(): Promise<void> {
    const { path, maxAgeDays, maxBackups, clock } = this.#options;
    const directory = dirname(path);
    const extension = extname(path);
    const start = `${basename(path, extension)}-`;
    const old = (await readdir(directory))
      .filter((name) => name.startsWith(start) && name.endsWith(extension) && name !== basename(path))
      .sort()
      .toReversed();
    for (const [index, name] of old.entries()) {
      const file = join(directory, name);
      const isTooMany = maxBackups > 0 && index >= maxBackups;
      const isTooOld = maxAgeDays > 0 && clock.now() - (await stat(file)).mtimeMs > maxAgeDays * DAY_MS;
      if (isTooMany || isTooOld) await rm(file, { force: true });
    }
  }
}
