import { stat } from 'node:fs/promises';
import { codeOf, messageOf, SlipwayError } from '../../base/errors.ts';
import { runCommand } from '../../base/command.ts';
import { upload } from '../../provision/upload.ts';
import type { Cluster, Node } from '../cluster.ts';
import {
  awaitStarted,
  bootstrapMember,
  joinMember,
  keepMembers,
  markServed,
  refuseRemoved,
} from '../etcd/form-cluster.ts';
import { moveStore } from '../etcd/move-store.ts';
import { checkVersions } from '../etcd/version-step.ts';
import { hasEmbeddedStore, hasMovedStore, hasServedEtcd, usesEtcd } from '../etcd/state.ts';
import { hashFile } from '../hash-file.ts';
import { SNAPSHOT_RESTORE } from '../state-directory.ts';
import { controlPlanes, type ClusterPhase, type NodePhase } from '../phase.ts';
import { progressOf } from './packages.ts';

/** What the store of several control planes must be able to begin with. */
export const validateEtcd: ClusterPhase = {
  id: 'validate-etcd',
  title: 'Check the store',
  kind: 'check',
  run: async (cluster) => {
    // A store that was put aside is not missing: a new and empty one would take its place.
    const restore = await cluster.state.read(SNAPSHOT_RESTORE);
    if (restore !== undefined) {
      const { node, name } = JSON.parse(restore) as { node: string; name: string };
      throw new SlipwayError('E_SNAPSHOT', 'a restore of a snapshot was cut off, and must be ended first', {
        hint: `run "slipway restore --snapshot ${node}:${name}" again: it continues where it stopped`,
      });
    }
    if (!usesEtcd(cluster)) return;
    const probed = cluster.controlPlanes.filter((node) => node.probed);
    const embedded = probed.filter(hasEmbeddedStore);
    const served = probed.filter(hasServedEtcd);
    if (embedded.length > 1 || (embedded.length === 1 && served.length > 0)) {
      const names = (nodes: readonly Node[]): string => nodes.map(({ name }) => name).join(', ');
      throw new SlipwayError(
        'E_TWO_STORES',
        `the servers hold more than one store: an embedded one on ${names(embedded)}` +
          (served.length > 0 ? `, and etcd on ${names(served)}` : ''),
        { hint: 'reset the server whose objects are not wanted, then run the same command again' },
      );
    }
  },
};

/** The operator's own etcd, looked at before the servers are: they are asked whether they have it. */
export const inspectEtcd: ClusterPhase = {
  id: 'etcd-version',
  title: 'Check the etcd of the inventory',
  kind: 'check',
  run: async (cluster) => {
    if (cluster.etcdBinaryPath !== undefined) cluster.etcdBinary = await inspect(cluster.etcdBinaryPath);
  },
};

/** E_ETCD_BINARY where the file is no etcd of a version that we know to work. */
async function inspect(path: string): Promise<NonNullable<Cluster['etcdBinary']>> {
  let version: string;
  try {
    version = /etcd Version: (\d+\.\d+)\.\d+/.exec(await runCommand(path, ['--version']))?.[1] ?? '';
  } catch (cause) {
    const why = codeOf(cause) === 'ENOENT' ? 'does not exist' : `cannot be run: ${messageOf(cause)}`;
    throw new SlipwayError('E_ETCD_BINARY', `the etcd that the inventory names, ${path}, ${why}`, {
      cause,
      hint: 'correct "etcd: { binary: … }", or leave it out for the distribution’s',
    });
  }
  if (!['3.4', '3.5', '3.6'].includes(version)) {
    throw new SlipwayError('E_ETCD_BINARY', `${path} is etcd ${version || 'of an unknown version'}`, {
      hint: 'name an etcd of 3.4 to 3.6',
    });
  }
  const [sha256, { size: bytes }] = await Promise.all([hashFile(path), stat(path)]);
  return { path, sha256, bytes, target: `/opt/slipway/etcd/${sha256.slice(0, 12)}/etcd` };
}

/** Brings the operator's own etcd to the control planes. */
export const installEtcd: NodePhase = {
  id: 'etcd-binary',
  title: 'Install etcd',
  kind: 'change',
  nodes: (cluster) => (cluster.etcdBinary === undefined || !usesEtcd(cluster) ? [] : controlPlanes(cluster)),
  run: async (node, { etcdBinary, signal }) => {
    if (etcdBinary === undefined || node.facts.sizes.get(etcdBinary.target) === etcdBinary.bytes) return;
    const { path: source, bytes: sourceBytes, sha256, target } = etcdBinary;
    const change = `install ${target}`;
    await node.change(change, async () => {
      const file = { source, sourceBytes, compressed: false, sha256, target, mode: 0o755, change };
      await upload(node.host, file, { signal, progress: progressOf(node, 'etcd') });
    });
  },
};

/**
 * The members of etcd: the first one is bootstrapped, or takes over what an embedded store holds; the others join
 * one by one.
 */
export const formEtcd: ClusterPhase = {
  id: 'etcd',
  title: 'Form the etcd cluster',
  kind: 'change',
  run: async (cluster) => {
    if (!usesEtcd(cluster)) return;
    const all = cluster.controlPlanes.filter((node) => node.probed);
    const mine = controlPlanes(cluster);
    const embedded = all.find((node) => hasEmbeddedStore(node) || hasMovedStore(node));
    const established = all.filter(hasServedEtcd);
    if (embedded !== undefined && established.length === 0) {
      await moveStore(embedded);
      established.push(embedded);
    } else if (established.length === 0) {
      const [first] = mine;
      if (first === undefined) return;
      await bootstrapMember(first);
      await markServed(first);
      established.push(first);
    } else {
      const kept = established.filter((node) => mine.includes(node));
      await checkVersions(kept);
      const started = await keepMembers(kept);
      if (!cluster.dryRun) {
        await refuseRemoved(started, established);
        await awaitStarted(started);
      }
    }
    for (const node of mine) {
      if (established.includes(node)) continue;
      await joinMember(node, established);
      established.push(node);
    }
  },
};
