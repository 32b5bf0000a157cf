import { SlipwayError } from '../../base/errors.ts';
import { putFiles, sha256 } from '../../provision/files.ts';
import { runScript, shellQuote } from '../../provision/host.ts';
import { ledgerFunctions } from '../../provision/ledger.ts';
import { encodeRecords } from '../../storage/record-stream.ts';
import { runAction, type ActionOptions } from '../actions/run-action.ts';
import { upPhases, type UpResult } from '../actions/up.ts';
import type { Cluster, Node } from '../cluster.ts';
import { SERVICE_OWNER, STORE_DIRECTORY, STORE_FILE } from '../components/files.ts';
import { hasEmbeddedStore, hasMovedStore, hasServedEtcd } from '../etcd/state.ts';
import type { ClusterPhase, Phase } from '../phase.ts';
import { executableOf } from '../release.ts';
import type { StateDirectory } from '../state-directory.ts';
import type { BackupHead } from './contents.ts';
import { openBackup } from './open-backup.ts';
import { forServers } from './renew-identity.ts';

/** On the server that was seeded: which backup it was seeded with, from before the store counts. */
const MARKER = '/etc/slipway/restored';
/** So far the revision goes on: writes after the backup had revisions that clients may still know. */
const BUMP = 1_000_000_000;
const RESTORED = /^(pki|identities|nodes|people)\//;

export interface RestoreOptions extends ActionOptions {
  /** The backup's file. */
  path: string;
  passphrase: string;
}

/**
 * Makes a cluster of a backup on servers that have none, the same ones or others: `up`, with the backup's keys and
 * with its objects in the store before the first API server starts. Errors: PhaseError, E_BACKUP, E_STATE.
 */
export async function restore(options: RestoreOptions): Promise<UpResult> {
  const { head } = await openBackup(options.path, options.passphrase);
  if (!options.dryRun)
    await restoreState(options.state, head, new Set(options.inventory.servers.map(({ name }) => name)));
  const { changes, cluster } = await runAction(options, restorePhases(options, head));
  return { changes, kubeconfigPath: cluster.state.kubeconfigPath };
}

/** The phases of `up`, with a check that the servers hold no store, and the seeding before the store is formed. */
function restorePhases(options: RestoreOptions, head: BackupHead): Phase[] {
  const content = `${head.cluster} ${head.madeAt} ${sha256(JSON.stringify(head.files))}\n`;
  const phases = upPhases(options.open);
  const before = (id: string, phase: Phase): void => {
    const index = phases.findIndex((each) => each.id === id);
    if (index < 0) throw new Error(`"up" has no phase ${id}`);
    phases.splice(index, 0, phase);
  };
  const check: ClusterPhase = {
    id: 'validate-restore',
    title: 'Check that the servers hold no store',
    kind: 'check',
    run: async (cluster) => refuseStores(cluster, content),
  };
  const seed: ClusterPhase = {
    id: 'seed-store',
    title: 'Put the backup into the store',
    kind: 'change',
    run: async (cluster) => {
      if (isSeeded(cluster, content)) return;
      await seedStoreOf(cluster.firstControlPlane, options, content);
    },
  };
  before('pki', check);
  before('etcd', seed);
  return phases;
}

const isSeeded = (cluster: Cluster, content: string): boolean =>
  stores(cluster).length > 0 && cluster.firstControlPlane.facts.files.get(MARKER)?.sha256 === sha256(content);

const stores = (cluster: Cluster): Node[] =>
  cluster.controlPlanes.filter(
    (node) => node.probed && (hasEmbeddedStore(node) || hasServedEtcd(node) || hasMovedStore(node)),
  );

function refuseStores(cluster: Cluster, content: string): void {
  const holders = stores(cluster);
  if (holders.length === 0 || isSeeded(cluster, content)) return;
  const names = holders.map(({ name }) => name).join(', ');
  throw new SlipwayError('E_TWO_STORES', `${names}: the server holds a store, which a restore would lose`, {
    hint: 'make sure that nothing in it is wanted, reset the server ("slipway reset"), then restore again',
  });
}

async function seedStoreOf(node: Node, options: RestoreOptions, content: string): Promise<void> {
  const { cluster } = node;
  const change = 'put the backup into the store';
  await node.change(change, async () => {
    const { records, revision } = await openBackup(options.path, options.passphrase);
    const names = new Set(cluster.nodes.map(({ name }) => name));
    const seeding = `${STORE_DIRECTORY}.seeding`;
    const command = `rm -rf ${seeding}; ${shellQuote(executableOf(cluster.release))} store-copy in --to ${seeding} --bump ${BUMP}`;
    const { signal } = cluster;
    const result = await node.host.pipe(command, encodeRecords(revision, forServers(records, names)), {
      timeoutMs: 1_800_000,
      signal,
    });
    if (result.code !== 0) {
      throw new SlipwayError(
        'E_STORAGE_FILL',
        `${node.name}: the store was not filled: ${result.stderr.trim()}`,
        {
          hint: 'run the same command again: it begins with an empty store',
        },
      );
    }
    await putFiles(node.host, change, [{ path: MARKER, content, mode: 0o600 }], { signal });
    const rename = `${ledgerFunctions(change)}make_directory "$(dirname ${STORE_DIRECTORY})"
ledger '"path":"${STORE_DIRECTORY}","before":{"kind":"absent"},"after":{"kind":"directory"}'
sync "$LEDGER/ledger.jsonl"
chown -R ${SERVICE_OWNER} ${seeding}
chmod 700 ${seeding}
[ ! -d ${STORE_DIRECTORY} ] || rmdir ${STORE_DIRECTORY}
sync ${seeding}/*
mv -T ${seeding} ${STORE_DIRECTORY}
sync "$(dirname ${STORE_DIRECTORY})"
`;
    await runScript(node.host, change, rename, { signal });
  });
  // What the phases that follow go by.
  node.facts.sizes.set(STORE_FILE, 1);
}

/** Puts the backup's keys into the state directory. E_STATE where it is another cluster's. */
async function restoreState(
  state: StateDirectory,
  head: BackupHead,
  nodes: ReadonlySet<string>,
): Promise<void> {
  const existing = await state.read('pki/ca.crt');
  if (existing !== undefined && existing !== head.files['pki/ca.crt']) {
    throw new SlipwayError('E_STATE', `${state.path} holds the keys of another cluster`, {
      hint: 'name an empty directory with --state-dir, or move the other one away',
    });
  }
  for (const [name, content] of Object.entries(head.files)) {
    const [, node] = /^nodes\/([^/]+)\//.exec(name) ?? [];
    if (!RESTORED.test(name) || name.includes('..') || (node !== undefined && !nodes.has(node))) continue;
    if ((await state.read(name)) !== content) await state.write(name, content);
  }
}
