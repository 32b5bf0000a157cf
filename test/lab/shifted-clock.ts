import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { debianProgram } from '../helpers/debian-program.ts';
import type { LabServer } from './server.ts';

const LIBRARY = '/usr/local/lib/libfaketime.so.1';
const OFFSET = '/run/lab-clock';
/** The monotonic clock is nobody's to set: on no machine does it jump. */
const ENVIRONMENT = [
  `LD_PRELOAD=${LIBRARY}`,
  `FAKETIME_TIMESTAMP_FILE=${OFFSET}`,
  'FAKETIME_CACHE_DURATION=1',
  'FAKETIME_DONT_FAKE_MONOTONIC=1',
  'FAKETIME_DISABLE_SHM=1',
  'NO_FAKE_STAT=1',
];

/** Debian's libfaketime, unpacked into the cache; undefined where it cannot be had. */
function library(): string | undefined {
  // The package has no program: its library's folder stands where one would be looked for.
  const folder = '../lib/x86_64-linux-gnu/faketime/libfaketime.so.1';
  const { program } = debianProgram(folder, 'libfaketime');
  return program !== undefined && existsSync(program) ? program : undefined;
}

export const shiftedClockSkipReason = (): string | undefined =>
  library() === undefined ? 'libfaketime cannot be had' : undefined;

/**
 * Lets a server have a wall clock of its own, though all servers of the lab share the machine's: every component of ours
 * on it, and whatever comes in by SSH, is told another time by a library that is loaded before it. Programs in Go (etcd,
 * containerd) ask the kernel directly and keep the true time. Restarts our components there once; from then on `set`
 * makes the clock jump while they run.
 */
export class ShiftedClock {
  readonly #server: LabServer;

  private constructor(server: LabServer) {
    this.#server = server;
  }

  static async install(server: LabServer): Promise<ShiftedClock> {
    const path = library();
    if (path === undefined) throw new Error('libfaketime cannot be had');
    await server.writeFile(LIBRARY, await readFile(path), 0o755);
    const clock = new ShiftedClock(server);
    await clock.set(0);
    const lines = ENVIRONMENT.map((line) => `Environment=${line}\n`).join('');
    // Not in /etc, where it would be a change that others made: a reboot takes it away.
    await server.writeFile(
      join('/run/systemd/system', 'slipway-.service.d/clock.conf'),
      `[Service]\n${lines}`,
    );
    await server.writeFile('/etc/environment', `${ENVIRONMENT.join('\n')}\n`);
    await server.exec('systemctl daemon-reload && systemctl restart "slipway-*.service"');
    return clock;
  }

  /** From now on, or a second from now, the server's clock is so far ahead (or behind, where it is negative). */
  async set(offsetSeconds: number): Promise<void> {
    const text = `${offsetSeconds < 0 ? '-' : '+'}${Math.abs(offsetSeconds)}`;
    await this.#server.writeFile(OFFSET, `${text}\n`);
  }
}
