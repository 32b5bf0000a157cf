import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SlipwayError } from '../../base/errors.ts';
import { runScript } from '../../provision/host.ts';
import { readDatabase } from '../../storage/etcd/read-database.ts';
import { decodeRecords } from '../../storage/record-stream.ts';
import type { StoreRecord } from '../../storage/records.ts';
import type { Cluster, Node } from '../cluster.ts';
import { STORE_DIRECTORY } from '../components/files.ts';
import { EtcdAccess } from '../etcd/access.ts';
import { hasEmbeddedStore, hasServedEtcd } from '../etcd/state.ts';
import { CURRENT_LINK } from '../release.ts';

const COPIED_WITHIN_MS = 1_800_000;

export interface CopiedStore {
  revision: number;
  records: AsyncIterable<StoreRecord> | Iterable<StoreRecord>;
  /** Which server it comes from, and of which engine. */
  from: string;
}

/** All that lives in the cluster's store, at one revision, while the cluster goes on. E_BACKUP where no server has one. */
export async function readStore(cluster: Cluster): Promise<CopiedStore> {
  const nodes = cluster.controlPlanes.filter((node) => node.connected && node.probed);
  const members = nodes.filter(hasServedEtcd);
  if (members.length > 0) return await fromEtcd(cluster, members);
  const holder = nodes.find(hasEmbeddedStore);
  if (holder) return await fromEmbedded(holder);
  throw new SlipwayError('E_BACKUP', 'none of the control planes has a store', {
    hint: 'is this the inventory of the cluster? "slipway status" tells how its servers are',
  });
}

async function fromEmbedded(node: Node): Promise<CopiedStore> {
  const script = `${CURRENT_LINK}/slipway store-copy out --embedded ${STORE_DIRECTORY}\n`;
  const text = await runScript(node.host, 'copying the store', script, {
    timeoutMs: COPIED_WITHIN_MS,
    signal: node.cluster.signal,
  });
  const { revision, records } = await decodeRecords(only(Buffer.from(text, 'base64')));
  return { revision, records, from: `the embedded store of ${node.name}` };
}

/** A snapshot is one member's own: the one that has the most, of those that answer. */
async function fromEtcd(cluster: Cluster, nodes: readonly Node[]): Promise<CopiedStore> {
  const access = await EtcdAccess.open(cluster, nodes);
  const folder = await mkdtemp(join(tmpdir(), 'slipway-backup-'));
  try {
    // What a quorum has agreed on by now must be in it.
    const { revision: agreed } = await access.members.current();
    for (const node of nodes) {
      const endpoint = await access.endpointOf(node);
      const status = await access.members.status(endpoint).catch(() => undefined);
      if (status === undefined || status.revision < agreed) continue;
      const path = join(folder, 'snapshot.db');
      await access.members.snapshot(endpoint, path);
      return { ...readDatabase(await readFile(path)), from: `etcd of ${node.name}` };
    }
    throw new SlipwayError('E_BACKUP', `no member of etcd has caught up with revision ${agreed}`, {
      hint: 'look at "systemctl status slipway-etcd" on the control planes, then try again',
    });
  } finally {
    access.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
