import { nodeIdentity } from '../../pki/identities.ts';
import { EtcdMembers } from '../../storage/etcd/members.ts';
import type { Cluster, Node } from '../cluster.ts';
import { ETCD_CLIENT_PORT } from '../components/etcd.ts';
import { identityOf } from '../components/files.ts';
import { openForward, type Forward } from '../forward.ts';

/** The members of etcd through SSH: each is asked on its own server's loopback. */
export class EtcdAccess {
  readonly members: EtcdMembers;
  readonly #forwards: Map<string, Forward>;

  private constructor(members: EtcdMembers, forwards: Map<string, Forward>) {
    this.members = members;
    this.#forwards = forwards;
  }

  /**
   * Opens a way to the members on these nodes, of which some must have a quorum. Throws
   * StorageUnavailableError where none answers within `withinMs`.
   */
  static async open(cluster: Cluster, nodes: readonly Node[], withinMs = 30_000): Promise<EtcdAccess> {
    const forwards = new Map<string, Forward>();
    for (const { name, host } of nodes) forwards.set(name, await openForward(host, ETCD_CLIENT_PORT));
    try {
      const members = await EtcdMembers.open({
        endpoints: [...forwards.values()].map(endpoint),
        tls: etcdTls(cluster),
        clock: cluster.clock,
        requestMs: withinMs,
      });
      return new EtcdAccess(members, forwards);
    } catch (error) {
      for (const forward of forwards.values()) forward.close();
      throw error;
    }
  }

  /** Where the member of a node is asked by itself; a node that is not known yet gets a way now. */
  async endpointOf({ name, host }: Node): Promise<string> {
    const known = this.#forwards.get(name) ?? (await openForward(host, ETCD_CLIENT_PORT));
    this.#forwards.set(name, known);
    return endpoint(known);
  }

  close(): void {
    this.members.close();
    for (const forward of this.#forwards.values()) forward.close();
  }
}

const endpoint = ({ port }: Forward): string => `https://127.0.0.1:${port}`;

/** The identity of any control plane may ask; those that are in the cluster stand in the state directory. */
function etcdTls(cluster: Cluster): { ca: string; cert: string; key: string } {
  const paths = cluster.controlPlanes.map(({ name }) => nodeIdentity(name, 'etcd/healthcheck-client'));
  const path = paths.find((each) => cluster.pki[`${each}.crt`] !== undefined) ?? paths[0] ?? '';
  const { certPem, keyPem } = identityOf(cluster, path);
  return { ca: cluster.pki['pki/etcd/ca.crt'] ?? '', cert: certPem, key: keyPem };
}
