import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import { decryptKey, isEncryptedKey } from '../../pki/keys.ts';
import { isIssuedBy, matchesKey, parseCertificate } from '../../pki/parse.ts';
import { EmbeddedStorage } from '../../storage/embedded/embedded-storage.ts';
import { seedStore } from '../../storage/embedded/seed-store.ts';
import type { BackupHead } from './contents.ts';
import { openBackup } from './open-backup.ts';

export interface VerifyOptions {
  path: string;
  passphrase: string;
  clock: Clock;
  /**
   * Opens stored values with the keys of the backup's own state directory; undefined where it has none. Throws where
   * a value does not open.
   */
  opener: (head: BackupHead) => ((key: string, value: Buffer) => Buffer) | undefined;
}

export interface VerifyResult {
  cluster: string;
  madeAt: string;
  release: string;
  bytes: number;
  revision: number;
  objects: number;
  /** By the store's folder: 'pods', 'deployments.apps'. */
  kinds: Record<string, number>;
  /** How many values were encrypted, and were opened. */
  encrypted: number;
  certificates: number;
  seconds: number;
  /** Empty where the backup is good. */
  problems: string[];
}

const PAGE = 500;

/**
 * Rehearses a restore: puts the backup into a store of its own in a temporary folder, reads everything back from it,
 * and opens every value and every key. Errors: E_BACKUP, E_PASSPHRASE, E_STORAGE_FILL; what is wrong inside of a
 * backup that opens is told as problems.
 */
export async function verifyBackup(options: VerifyOptions): Promise<VerifyResult> {
  const { clock, passphrase, path } = options;
  const startedMs = clock.monotonicMs();
  const backup = await openBackup(path, passphrase);
  const { head, revision } = backup;
  const folder = await mkdtemp(join(tmpdir(), 'slipway-verify-'));
  try {
    const { keys } = await seedStore(folder, backup.records, revision);
    const problems = pkiProblems(head.files, passphrase);
    const found = await readBack(folder, options, head, problems);
    if (found.objects !== keys)
      problems.push(`${keys} objects went into the store, and ${found.objects} came out`);
    if (found.objects === 0) problems.push('it holds no objects');
    return {
      cluster: head.cluster,
      madeAt: head.madeAt,
      release: head.release,
      bytes: (await stat(path)).size,
      revision,
      ...found,
      certificates: Object.keys(head.files).filter((name) => name.endsWith('.crt')).length,
      seconds: Number(((clock.monotonicMs() - startedMs) / 1000).toFixed(2)),
      problems,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readBack(
  folder: string,
  { clock, opener }: VerifyOptions,
  head: BackupHead,
  problems: string[],
): Promise<Pick<VerifyResult, 'objects' | 'kinds' | 'encrypted'>> {
  const open = opener(head);
  const kinds: Record<string, number> = {};
  let [objects, encrypted] = [0, 0];
  const storage = await EmbeddedStorage.open(folder, { clock });
  try {
    for (let start: string | undefined = '/'; start !== undefined;) {
      const page = await storage.range({ prefix: '/', start, limit: PAGE });
      for (const { key, value } of page.kvs) {
        const folderName = key.split('/')[2] ?? '';
        kinds[folderName] = (kinds[folderName] ?? 0) + 1;
        objects += 1;
        try {
          const isSealed = value.subarray(0, 8).toString('latin1') === 'k8s:enc:';
          if (isSealed) encrypted += 1;
          checkObject(key, isSealed ? opened(open, key, value) : value);
        } catch (error) {
          problems.push(`${key}: ${messageOf(error)}`);
        }
      }
      const last = page.kvs.at(-1);
      start = page.more && last ? `${last.key}\0` : undefined;
    }
  } finally {
    await storage.close();
  }
  return { objects, kinds, encrypted };
}

function opened(open: ReturnType<VerifyOptions['opener']>, key: string, value: Buffer): Buffer {
  if (open) return open(key, value);
  throw new SlipwayError(
    'E_ENCRYPTION_KEYS',
    'the value is encrypted, and the backup has no keys of the store',
  );
}

/** What the API servers keep for themselves, with no name in it. */
const NAMELESS = '/registry/masterleases/';

function checkObject(key: string, value: Buffer): void {
  const object = JSON.parse(value.toString()) as { metadata?: { name?: string } };
  if (!key.startsWith(NAMELESS) && typeof object.metadata?.name !== 'string')
    throw new Error('it is no object: it has no name');
}

/** Every certificate must be of its key and of its authority, and every encrypted key must open. */
function pkiProblems(files: Record<string, string>, passphrase: string): string[] {
  const problems: string[] = [];
  for (const required of ['pki/ca.crt', 'pki/ca.key', 'pki/sa.key']) {
    if (files[required] === undefined) problems.push(`${required} is missing`);
  }
  const authorities = Object.entries(files).flatMap(([path, pem]) =>
    path.startsWith('pki/') && path.endsWith('.crt') ? [pem] : [],
  );
  for (const [path, pem] of Object.entries(files)) {
    if (!path.endsWith('.crt')) continue;
    try {
      const key = files[path.replace(/crt$/, 'key')];
      if (key === undefined) throw new Error('its key is missing');
      if (!matchesKey(pem, isEncryptedKey(key) ? decryptKey(key, passphrase) : key))
        throw new Error('its key is another’s');
      const { selfSigned } = parseCertificate(pem);
      if (!selfSigned && !authorities.some((authority) => isIssuedBy(pem, authority))) {
        throw new Error('none of the authorities has issued it');
      }
    } catch (error) {
      problems.push(`${path}: ${messageOf(error)}`);
    }
  }
  return problems;
}
