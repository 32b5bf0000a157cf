import { sha256, type FileSpec } from '../provision/files.ts';
import type { StateDirectory } from './state-directory.ts';

const FILE = 'applied.json';

/** Hashes of files by server and path. */
type Hashes = Record<string, Record<string, string>>;

/**
 * What was last written to each server, as the operator's side remembers it: with it a run can tell what somebody
 * changed on a server from what changed in the inventory. Without it, or where it is old, nothing but that is lost.
 */
export class AppliedState {
  readonly #hashes: Hashes;
  #changed = false;

  constructor(hashes: Hashes) {
    this.#hashes = hashes;
  }

  static async read(state: StateDirectory): Promise<AppliedState> {
    try {
      return new AppliedState(JSON.parse((await state.read(FILE)) ?? '{}') as Hashes);
    } catch {
      return new AppliedState({});
    }
  }

  lastHash(node: string, path: string): string | undefined {
    return this.#hashes[node]?.[path];
  }

  wrote(node: string, files: readonly FileSpec[]): void {
    this.#changed = true;
    const own = (this.#hashes[node] ??= {});
    for (const { path, content } of files) own[path] = sha256(content);
  }

  async save(state: StateDirectory): Promise<void> {
    if (this.#changed) await state.write(FILE, `${JSON.stringify(this.#hashes, null, 1)}\n`);
  }
}
