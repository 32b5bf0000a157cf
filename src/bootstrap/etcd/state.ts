import type { Cluster, Node } from '../cluster.ts';
import { ETCD_INITIAL_FILE, ETCD_MEMBER_DIRECTORY } from '../components/etcd.ts';
import { MOVED_STORE_DIRECTORY, STORE_FILE } from '../components/files.ts';

/** Whether the server holds data of etcd that was relied upon: it must never be thrown away. */
export const hasServedEtcd = (node: Node): boolean =>
  node.facts.directories.has(ETCD_MEMBER_DIRECTORY) && !node.facts.files.has(ETCD_INITIAL_FILE);

/** Whether the embedded store of the cluster lives on this server. */
export const hasEmbeddedStore = (node: Node): boolean => node.facts.sizes.has(STORE_FILE);

/** Whether a move of the embedded store to etcd went so far that etcd holds everything, and was then cut off. */
export const hasMovedStore = (node: Node): boolean =>
  node.facts.directories.has(MOVED_STORE_DIRECTORY) &&
  node.facts.directories.has(ETCD_MEMBER_DIRECTORY) &&
  !hasEmbeddedStore(node);

/** Several control planes share a store in etcd; one alone has its own, unless it was one of several once. */
export const usesEtcd = (cluster: Cluster): boolean =>
  cluster.controlPlanes.length > 1 ||
  cluster.controlPlanes.some((node) => node.probed && (hasServedEtcd(node) || hasMovedStore(node)));

/** What the facts say after a change of this run. */
export function noteServedEtcd(node: Node): void {
  node.facts.directories.add(ETCD_MEMBER_DIRECTORY);
  node.facts.files.delete(ETCD_INITIAL_FILE);
}
