import { open, readFile, rename, rm, symlink, mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { codeOf } from '../../base/errors.ts';
import { parseCertificate } from '../../pki/parse.ts';

export interface StoredCertificate {
  certPem: string;
  keyPem: string;
  notBeforeMs: number;
  notAfterMs: number;
  ipAddresses: string[];
  dnsNames: string[];
}

const KEEP = 3;

/**
 * Certificates with their keys, each in a file of its own, and a link '<prefix>-current.pem' to the newest:
 * upstream's layout. The link moves at once, so that readers see a whole pair.
 */
export class CertificateStore {
  readonly #folder: string;
  readonly #prefix: string;
  readonly #clock: Clock;

  /** @param prefix 'kubelet-client' or 'kubelet-server'. */
  constructor(folder: string, prefix: string, clock: Clock) {
    this.#folder = folder;
    this.#prefix = prefix;
    this.#clock = clock;
  }

  get currentPath(): string {
    return join(this.#folder, `${this.#prefix}-current.pem`);
  }

  /** undefined where there is none, or it cannot be read as one. */
  async current(): Promise<StoredCertificate | undefined> {
    let text: string;
    try {
      text = await readFile(this.currentPath, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    try {
      return toStored(text);
    } catch {
      return undefined;
    }
  }

  async save(certPem: string, keyPem: string): Promise<StoredCertificate> {
    await mkdir(this.#folder, { recursive: true, mode: 0o755 });
    const stamp = new Date(this.#clock.now()).toISOString().slice(0, 19).replace(/[T:]/g, '-');
    const path = join(this.#folder, `${this.#prefix}-${stamp}.pem`);
    const text = `${certPem.trim()}\n${keyPem.trim()}\n`;
    await writeDurably(path, text);
    const link = join(this.#folder, `${this.#prefix}-updated.pem`);
    await rm(link, { force: true });
    await symlink(basename(path), link);
    await rename(link, this.currentPath);
    await this.#prune(basename(path));
    return toStored(text);
  }

  async #prune(current: string): Promise<void> {
    const pattern = new RegExp(`^${this.#prefix}-\\d{4}-.*\\.pem$`);
    const old = (await readdir(this.#folder)).filter((name) => pattern.test(name) && name !== current).sort();
    for (const name of old.slice(0, Math.max(0, old.length - (KEEP - 1)))) {
      await rm(join(this.#folder, name), { force: true });
    }
  }
}

/** Written to another name, synced, then renamed: never half a file under its name. */
export async function writeDurably(path: string, text: string, mode = 0o600): Promise<void> {
  const file = await open(`${path}.tmp`, 'w', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
}

function toStored(text: string): StoredCertificate {
  const key = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/.exec(text)?.[0];
  if (!key) throw new Error('no private key');
  const certPem = text.slice(0, text.indexOf(key)).trim() || text.replace(key, '').trim();
  const parsed = parseCertificate(certPem);
  return {
    certPem: `${certPem}\n`,
    keyPem: `${key}\n`,
    notBeforeMs: parsed.notBeforeMs,
    notAfterMs: parsed.notAfterMs,
    ipAddresses: parsed.ipAddresses ?? [],
    dnsNames: parsed.dnsNames ?? [],
  };
}
