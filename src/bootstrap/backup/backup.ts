import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { rfc3339 } from '../../base/clock.ts';
import { SlipwayError } from '../../base/errors.ts';
import { encodeRecords } from '../../storage/record-stream.ts';
import type { StoreRecord } from '../../storage/records.ts';
import { runAction, type ActionOptions } from '../actions/run-action.ts';
import type { Cluster } from '../cluster.ts';
import type { ClusterPhase } from '../phase.ts';
import { connect } from '../phases/connect.ts';
import { facts } from '../phases/facts.ts';
import type { BackupHead } from './contents.ts';
import { readStore } from './read-store.ts';
import { seal } from './sealed-file.ts';

export interface BackupOptions extends ActionOptions {
  inventoryText: string;
  /** The file to make. */
  path: string;
}

export interface BackupResult {
  path: string;
  bytes: number;
  objects: number;
  revision: number;
  from: string;
}

/**
 * Writes all that a cluster is into one file: its objects at one revision, the state directory, the inventory. The
 * file appears under its name only when it is whole and on disk. Errors: PhaseError.
 */
export async function backup(options: BackupOptions): Promise<BackupResult> {
  const passphrase = requirePassphrase(options.passphrase);
  let result: BackupResult | undefined;
  const phase: ClusterPhase = {
    id: 'backup',
    title: 'Copy the store and the state directory',
    kind: 'wait',
    run: async (cluster) => {
      result = await write(cluster, options, passphrase);
    },
  };
  await runAction(options, [selectControlPlanes, connect(options.open), facts, readPki, phase]);
  if (result === undefined) throw new Error('the backup ended without a result');
  return result;
}

export const selectControlPlanes: ClusterPhase = {
  id: 'control-planes',
  title: 'Choose the control planes',
  kind: 'check',
  run: async (cluster) => {
    cluster.targets = cluster.controlPlanes;
  },
};

/** What the state directory has, as it is: nothing is issued. */
export const readPki: ClusterPhase = {
  id: 'read-state',
  title: 'Read the state directory',
  kind: 'check',
  run: async (cluster) => {
    cluster.pki = await cluster.state.readPki();
    if (cluster.pki['pki/ca.crt'] !== undefined) return;
    throw new SlipwayError('E_STATE', `${cluster.state.path} holds no certificate authority`, {
      hint: 'name the state directory of this cluster with --state-dir',
    });
  },
};

export function requirePassphrase(passphrase: string | undefined): string {
  if (passphrase !== undefined && passphrase !== '') return passphrase;
  throw new SlipwayError(
    'E_PASSPHRASE',
    'a backup holds every secret of the cluster, and needs a passphrase',
    {
      hint: 'give one with --passphrase-file or in SLIPWAY_PASSPHRASE; without it nobody can read the backup',
    },
  );
}

async function write(cluster: Cluster, options: BackupOptions, passphrase: string): Promise<BackupResult> {
  const store = await readStore(cluster);
  let objects = 0;
  async function* counted(): AsyncGenerator<StoreRecord> {
    for await (const record of store.records) {
      objects += 1;
      yield record;
    }
  }
  const head: BackupHead = {
    format: 1,
    cluster: cluster.inventory.cluster.name,
    release: cluster.release.id,
    madeAt: rfc3339(cluster.clock.now()),
    inventory: options.inventoryText,
    files: await stateFiles(cluster.state.path),
  };
  await writeWhole(options.path, seal(encodeRecords(store.revision, counted(), head), passphrase));
  const { size } = await stat(options.path);
  return { path: options.path, bytes: size, objects, revision: store.revision, from: store.from };
}

/** Every file of the state directory, by its path in it. */
async function stateFiles(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    if (!entry.isFile() || !/\.(crt|key|pub|jsonl?|kubeconfig)$|^known_hosts$/.test(name)) continue;
    files[name] = await readFile(path, 'utf8');
  }
  return files;
}

async function writeWhole(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const part = `${path}.part`;
  try {
    const file = await open(part, 'w', 0o600);
    try {
      for await (const bytes of content) await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
    const folder = await open(dirname(path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
