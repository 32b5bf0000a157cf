import type { StateDirectory } from './state-directory.ts';

const FILE = 'executables.json';
/** A disk may rot without a sign: what was hashed longer ago is hashed again. */
const LONGEST_MS = 24 * 3_600_000;

/** What a server's file was like when it was hashed: inode, size, and the times of its content and of any change. */
export interface KnownExecutable {
  path: string;
  stamp: string;
  sha256: string;
  hashedMs: number;
}

/**
 * Which executables the last runs hashed on which server. Hashing takes a good part of a second of a core, and a file whose
 * inode, size and times are the same is the same, but for what a disk does to it by itself. Losing it costs that time.
 */
export class KnownExecutables {
  readonly #servers: Record<string, KnownExecutable>;
  #changed = false;

  constructor(servers: Record<string, KnownExecutable> = {}) {
    this.#servers = servers;
  }

  static async read(state: StateDirectory): Promise<KnownExecutables> {
    try {
      return new KnownExecutables(
        JSON.parse((await state.read(FILE)) ?? '{}') as Record<string, KnownExecutable>,
      );
    } catch {
      return new KnownExecutables();
    }
  }

  /** Undefined: it must be hashed. */
  of(server: string, path: string, nowMs: number): KnownExecutable | undefined {
    const known = this.#servers[server];
    const ageMs = nowMs - (known?.hashedMs ?? 0);
    return known?.path === path && ageMs >= 0 && ageMs < LONGEST_MS ? known : undefined;
  }

  note(server: string, found: KnownExecutable): void {
    const known = this.#servers[server];
    if (known?.path === found.path && known.stamp === found.stamp && known.sha256 === found.sha256) {
      // The same file: that it was looked at again is no reason to trust it for longer.
      if (this.of(server, found.path, found.hashedMs) !== undefined) return;
    }
    this.#servers[server] = found;
    this.#changed = true;
  }

  async save(state: StateDirectory): Promise<void> {
    if (this.#changed) await state.write(FILE, `${JSON.stringify(this.#servers, null, 1)}\n`);
  }
}
