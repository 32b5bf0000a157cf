import { stat } from 'node:fs/promises';
import { installPackages, PACKAGES_DIRECTORY } from '../../provision/packages.ts';
import { upload } from '../../provision/upload.ts';
import { checkBundle } from '../bundle/manifest.ts';
import { usesEtcd } from '../etcd/state.ts';
import { hashFile } from '../hash-file.ts';
import type { Node } from '../cluster.ts';
import { allNodes, type ClusterPhase, type NodePhase } from '../phase.ts';

/** What a node needs of the distribution, beyond a bare server. */
export const PACKAGES = [
  'containerd',
  'runc',
  'containernetworking-plugins',
  'nftables',
  'conntrack',
  'iptables',
];

const ETCD_PACKAGE = 'etcd-server';
const KEEPALIVED_PACKAGE = 'keepalived';

/** Every package that some server of some cluster may need: what a bundle holds. */
export const ALL_PACKAGES = [...PACKAGES, ETCD_PACKAGE, KEEPALIVED_PACKAGE];

/** Whether this server runs the distribution's etcd. */
export const needsEtcdPackage = (node: Node): boolean =>
  node.isControlPlane && usesEtcd(node.cluster) && node.cluster.etcdBinaryPath === undefined;

/** Whether this server may hold the virtual address of the API. */
export const needsKeepalived = (node: Node): boolean =>
  node.isControlPlane && node.cluster.inventory.api.virtualAddress !== undefined;

export const missingPackages = (node: Node): string[] =>
  [
    ...PACKAGES,
    ...(needsEtcdPackage(node) ? [ETCD_PACKAGE] : []),
    ...(needsKeepalived(node) ? [KEEPALIVED_PACKAGE] : []),
  ].filter((name) => !node.facts.packages.has(name));

/** A bundle that is damaged, or for other servers, is refused before anything is changed. */
export const validateBundle: ClusterPhase = {
  id: 'validate-bundle',
  title: 'Check the bundle of packages',
  kind: 'check',
  run: async (cluster) => {
    const needy = allNodes(cluster).filter((node) => missingPackages(node).length > 0);
    if (cluster.bundlePath === undefined || needy.length === 0) return;
    const manifest = await checkBundle(cluster.bundlePath);
    for (const node of needy) {
      const { codename } = node.facts.os;
      if (manifest.suite !== codename) {
        throw node.refuse(
          `runs ${codename || node.facts.os.name}, but the bundle ${cluster.bundlePath} is for ${manifest.suite}`,
          `make one with "slipway bundle --suite ${codename}"`,
        );
      }
    }
  },
};

export const installMissingPackages: NodePhase = {
  id: 'packages',
  title: 'Install packages',
  kind: 'change',
  nodes: (cluster) => allNodes(cluster).filter((node) => missingPackages(node).length > 0),
  run: async (node, cluster) => {
    const missing = missingPackages(node);
    const from = cluster.bundlePath === undefined ? 'the server’s repositories' : 'the bundle';
    const change = `install ${missing.join(', ')} from ${from}`;
    await node.change(change, async () => {
      const { bundlePath, signal } = cluster;
      if (bundlePath === undefined) {
        await installPackages(node.host, change, missing, {}, { signal });
        return;
      }
      const target = `${PACKAGES_DIRECTORY}/bundle.tar`;
      const { sha256, bytes } = await bundleDigest(bundlePath);
      const file = {
        source: bundlePath,
        sourceBytes: bytes,
        compressed: false,
        sha256,
        target,
        mode: 0o600,
        change,
      };
      await upload(node.host, file, { signal, progress: progressOf(node, 'bundle') });
      await installPackages(node.host, change, missing, { bundlePath: target }, { signal });
    });
  },
};

const digests = new Map<string, Promise<{ sha256: string; bytes: number }>>();

function bundleDigest(path: string): Promise<{ sha256: string; bytes: number }> {
  let digest = digests.get(path);
  if (digest === undefined) {
    digest = (async () => ({ sha256: await hashFile(path), bytes: (await stat(path)).size }))();
    digests.set(path, digest);
  }
  return digest;
}

/** Tells of an upload in quarters. */
export function progressOf(node: Node, what: string): (sent: number, total: number) => void {
  let told = 0;
  return (sent, total) => {
    const quarter = Math.floor((sent / total) * 4);
    if (quarter === told) return;
    told = quarter;
    const message = `${what}: ${quarter * 25}% of ${Math.ceil(total / 2 ** 20)} MiB`;
    node.cluster.report({ type: 'progress', phase: node.cluster.phase, node: node.name, message });
  };
}
