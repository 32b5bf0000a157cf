import { clusterPki, type PkiFiles } from '../../pki/cluster-pki.ts';
import { SlipwayError } from '../../base/errors.ts';
import type { Cluster } from '../cluster.ts';
import { ENCRYPTION_CONFIG } from '../components/files.ts';
import { ENCRYPTION_KEYS, firstKeys, renderKeys } from '../encryption/keys.ts';
import type { ClusterPhase } from '../phase.ts';

/** Makes what the operator keeps: the CAs and every identity that is missing, outdated or about to expire. */
export const pki: ClusterPhase = {
  id: 'pki',
  title: 'Issue certificates',
  kind: 'check',
  run: (cluster) => issueCertificates(cluster),
};

/** With `renewIssuedBeforeMs`, leaves that are older are issued anew, however long they would live. */
export async function issueCertificates(
  cluster: Cluster,
  options: { renewIssuedBeforeMs?: number } = {},
): Promise<void> {
  const { inventory } = cluster;
  const existing = await cluster.state.readPki();
  const { files, issued } = clusterPki(
    {
      ...options,
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
  await keepStoreKeys(cluster, existing[ENCRYPTION_KEYS]);
}

/** The keys that encrypt Secrets in the store; lost ones are not made anew, since what they wrote could not be read. */
async function keepStoreKeys(cluster: Cluster, existing: string | undefined): Promise<void> {
  if (existing !== undefined) {
    cluster.pki = { ...cluster.pki, [ENCRYPTION_KEYS]: existing };
    return;
  }
  const holder = cluster.nodes.find((node) => node.probed && node.facts.files.has(ENCRYPTION_CONFIG));
  if (holder) {
    throw new SlipwayError(
      'E_ENCRYPTION_KEYS',
      `${ENCRYPTION_KEYS} is missing in the state directory, and the store is encrypted with its keys`,
      { hint: `put it back from a backup; ${holder.name} has the keys in ${ENCRYPTION_CONFIG}` },
    );
  }
  const text = renderKeys(firstKeys());
  cluster.pki = { ...cluster.pki, [ENCRYPTION_KEYS]: text };
  await cluster.change(`make ${ENCRYPTION_KEYS}`, () => cluster.state.write(ENCRYPTION_KEYS, text));
}

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
