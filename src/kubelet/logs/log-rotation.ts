import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { CriRuntime } from '../cri/runtime.ts';

export interface LogRotationOptions {
  runtime: CriRuntime;
  clock: Clock;
  log: Logger;
  /** Default 10 MiB and 5 files, the one being written among them. */
  maxBytes?: number;
  maxFiles?: number;
}

/** Keeps containers' logs small. Mirrors pkg/kubelet/logs/container_log_manager.go. */
export class LogRotation {
  readonly #options: Required<LogRotationOptions>;

  constructor(options: LogRotationOptions) {
    this.#options = { maxBytes: 10 * 1024 * 1024, maxFiles: 5, ...options };
  }

  /** Looks at the logs of all running containers once. */
  async run(): Promise<void> {
    const { runtime, log, maxBytes } = this.#options;
    for (const container of await runtime.listContainers()) {
      if (container.state !== 'Running') continue;
      try {
        const { logPath } = await runtime.containerStatus(container.id);
        const size = await stat(logPath).then(
          (found) => found.size,
          () => 0,
        );
        if (size >= maxBytes) await this.rotate(container.id, logPath);
      } catch (error) {
        log.warn({ container: container.id, error: messageOf(error) }, 'log not rotated');
      }
    }
  }

  async rotate(containerId: string, path: string): Promise<void> {
    await this.#makeRoom(path);
    const stamp = new Date(this.#options.clock.now()).toISOString().slice(0, 19).replace(/[-:]/g, '');
    const rotated = `${path}.${stamp.replace('T', '-')}`;
    await rename(path, rotated);
    try {
      await this.#options.runtime.reopenContainerLog(containerId);
    } catch (error) {
      // The runtime goes on writing into the renamed file: it must keep its name.
      await rename(rotated, path);
      throw error;
    }
  }

  /** Compresses all but the newest rotated file and removes those beyond the limit. */
  async #makeRoom(path: string): Promise<void> {
    const folder = dirname(path);
    const prefix = `${basename(path)}.`;
    const names = (await readdir(folder)).filter((name) => name.startsWith(prefix)).sort();
    for (const name of names.filter((one) => one.endsWith('.tmp'))) await rm(join(folder, name));
    const rotated = names.filter((name) => !name.endsWith('.tmp'));
    // Room for the file that is being written and the one that is rotated next.
    const surplus = Math.max(0, rotated.length - (this.#options.maxFiles - 2));
    for (const name of rotated.slice(0, surplus)) await rm(join(folder, name));
    for (const name of rotated.slice(surplus)) {
      if (!name.endsWith('.gz')) await compress(join(folder, name));
    }
  }
}

async function compress(path: string): Promise<void> {
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.tmp`));
  await rename(`${path}.tmp`, `${path}.gz`);
  await rm(path);
}
