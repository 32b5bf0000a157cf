import { messageOf } from '../../base/errors.ts';
import { rotationOf, type Rotation } from '../../pki/rotation.ts';
import { runAction, type ActionOptions } from '../actions/run-action.ts';
import type { Node } from '../cluster.ts';
import { ETCD_CLIENT_PORT, ETCD_PEER_PORT } from '../components/etcd.ts';
import type { ClusterPhase } from '../phase.ts';
import { certificatesOn, described, servedCertificate, type FoundCertificate } from './look.ts';
import { generations } from './rotate/generation.ts';

export interface CertificateList {
  certificates: FoundCertificate[];
  /** Servers that could not be asked, and why. */
  unreached: Array<{ server: string; why: string }>;
  nowMs: number;
  /** Authorities that are being replaced, and how far that has come. */
  rotation: Rotation | undefined;
}

/**
 * Every certificate of a cluster: in the state directory, on each server's disk, and as its ports show it. By SSH alone:
 * it works when nothing of the cluster does. Servers that do not answer are told, and do not fail it.
 */
export async function listCertificates(options: ActionOptions): Promise<CertificateList> {
  const list: CertificateList = {
    certificates: [],
    unreached: [],
    nowMs: options.clock.now(),
    rotation: undefined,
  };
  const look: ClusterPhase = {
    id: 'certificates',
    title: 'Look at the certificates',
    kind: 'check',
    run: async (cluster) => {
      const files = await cluster.state.readPkiFiles();
      list.rotation = rotationOf(files);
      for (const [path, pem] of Object.entries(files)) {
        if (path.endsWith('.crt')) list.certificates.push(described(pem, undefined, path));
      }
      await Promise.all(
        cluster.nodes.map(async (node) => {
          try {
            node.host = await options.open(node);
            list.certificates.push(
              ...(await certificatesOn(node.host, cluster.signal)),
              ...(await servedBy(node)),
            );
          } catch (error) {
            list.unreached.push({ server: node.name, why: messageOf(error) });
          }
        }),
      );
      const generationOf = generations(files);
      for (const each of list.certificates) {
        const generation = generationOf(each.pem);
        if (generation !== undefined) each.generation = generation;
      }
    },
  };
  await runAction(options, [look]);
  const order = ({ server = '', where }: FoundCertificate): string => `${server} ${where}`;
  list.certificates.sort((a, b) => (order(a) < order(b) ? -1 : 1));
  return list;
}

async function servedBy(node: Node): Promise<FoundCertificate[]> {
  const ports: Array<[number, string, string?]> = [[10250, 'kubelet']];
  if (node.isControlPlane) {
    ports.push(
      [node.cluster.inventory.api.port, 'apiserver'],
      [ETCD_CLIENT_PORT, 'etcd'],
      [ETCD_PEER_PORT, 'etcd peer', node.address],
      [10257, 'controller-manager'],
      [10259, 'scheduler'],
    );
  }
  const found = await Promise.all(
    ports.map(async ([port, name, address]) => {
      const pem = await servedCertificate(node.host, port, address);
      return pem === undefined ? [] : [described(pem, node.name, `port ${port} (${name})`)];
    }),
  );
  return found.flat();
}
