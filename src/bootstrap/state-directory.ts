import { chmod, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { codeOf } from '../base/errors.ts';
import type { PkiFiles } from '../pki/cluster-pki.ts';
import { withRotation } from '../pki/rotation.ts';
import { withTokenRotation } from '../pki/token-key-rotation.ts';
import { checkStateLock } from './state-lock.ts';

/** Which snapshot the store is being taken back to, while a run is under way or was cut off. */
export const SNAPSHOT_RESTORE = 'restore-snapshot.json';
const PKI_FOLDERS = ['pki', 'identities', 'nodes'];

/**
 * What the operator keeps of a cluster: the root keys, which no server ever sees, all identities, the accepted host
 * keys, and the kubeconfig. Losing it means losing the right to issue certificates.
 */
export class StateDirectory {
  readonly path: string;
  #token: string | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** `override`, else $XDG_STATE_HOME/slipway/<cluster>, else ~/.local/state/slipway/<cluster>. */
  static locate(clusterName: string, override: string | undefined, env: NodeJS.ProcessEnv): StateDirectory {
    const home = env['XDG_STATE_HOME'] || join(homedir(), '.local/state');
    return new StateDirectory(override ?? join(home, 'slipway', clusterName));
  }

  get kubeconfigPath(): string {
    return join(this.path, 'admin.kubeconfig');
  }

  get knownHostsPath(): string {
    return join(this.path, 'known_hosts');
  }

  /** The PKI as it counts: where something is being replaced, as its present stage has it. */
  async readPki(): Promise<PkiFiles> {
    return withTokenRotation(withRotation(await this.readPkiFiles()));
  }

  /** The PKI's files as they are. */
  async readPkiFiles(): Promise<PkiFiles> {
    const files: PkiFiles = {};
    for (const folder of PKI_FOLDERS) {
      const names = await readdir(join(this.path, folder), { recursive: true }).catch(() => []);
      for (const name of names.filter((path) => /\.(crt|key|pub)$|rotation\.json$/.test(path))) {
        files[`${folder}/${name}`] = await readFile(join(this.path, folder, name), 'utf8');
      }
    }
    return files;
  }

  async read(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.path, name), 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** From now on whatever is written must find this lock's token (state-lock.ts); undefined: none. */
  fence(token: string | undefined): void {
    this.#token = token;
  }

  /** Bytes of a file; 0 where there is none. */
  async size(name: string): Promise<number> {
    try {
      return (await stat(join(this.path, name))).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return 0;
      throw error;
    }
  }

  /** Removes a file or a folder with all that is in it. */
  async remove(name: string): Promise<void> {
    await this.#check();
    await rm(join(this.path, name), { recursive: true, force: true });
  }

  /** Adds lines to a file for the owner alone, and syncs it. */
  async append(name: string, lines: string): Promise<void> {
    await this.#check();
    const path = join(this.path, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, 'a', 0o600);
    try {
      await file.appendFile(lines);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Writes one file: temporary name, synced, renamed. Everything but certificates is for the owner alone. */
  async write(name: string, content: string): Promise<void> {
    await this.#check();
    const path = join(this.path, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await chmod(this.path, 0o700);
    const temporary = `${path}.new`;
    const file = await open(temporary, 'w', /\.(crt|pub)$/.test(name) ? 0o644 : 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  }

  async #check(): Promise<void> {
    if (this.#token !== undefined) await checkStateLock(this.path, this.#token);
  }
}
