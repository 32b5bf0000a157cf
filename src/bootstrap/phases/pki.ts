import { clusterPki, type PkiFiles } from '../../pki/cluster-pki.ts';
import type { ClusterPhase } from '../phase.ts';

/** Makes what the operator keeps: the CAs and every identity that is missing, outdated or about to expire. */
export const pki: ClusterPhase = {
  id: 'pki',
  title: 'Issue certificates',
  kind: 'check',
  run: async (cluster) => {
    const { inventory } = cluster;
    const existing = await cluster.state.readPki();
    const { files, issued } = clusterPki(
      {
        clock: cluster.clock,
        algorithm: inventory.cluster.keys,
        nodes: cluster.nodes.map((node) => ({
          name: node.name,
          addresses: [node.address],
          controlPlane: node.isControlPlane,
        })),
        serviceAddress: cluster.serviceAddress(1),
        clusterDomain: inventory.network.domain,
        extraNames: [
          ...inventory.api.extraNames,
          ...(inventory.api.virtualAddress === undefined ? [] : [inventory.api.virtualAddress]),
        ],
        ...(cluster.passphrase === undefined ? {} : { passphrase: cluster.passphrase }),
      },
      existing,
    );
    cluster.pki = files;
    for (const { path, reason } of issued) {
      await cluster.change(`issue ${path} (${reason})`, () => keep(cluster.state, path, files));
    }
  },
};

/** The key first: a certificate without its key would be kept by the next run, the other way round is reissued. */
async function keep(
  state: { write(name: string, content: string): Promise<void> },
  path: string,
  files: PkiFiles,
): Promise<void> {
  for (const end of ['.key', '.pub', '.crt']) {
    const content = files[path + end];
    if (content !== undefined) await state.write(path + end, content);
  }
}
