import { clusterPki, type PkiFiles } from '../../pki/cluster-pki.ts';
import { ROTATION, rotationOf } from '../../pki/rotation.ts';
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
  run: async (cluster) => {
    await issueCertificates(cluster);
    const rotation = rotationOf(await cluster.state.readPkiFiles());
    if (rotation === undefined) return;
    const message = `authorities are being replaced (stage "${rotation.stage}"): "slipway certs rotate-ca" goes on with it`;
    cluster.report({ type: 'warning', node: undefined, message });
  },
};

interface IssueOptions {
  /** Leaves that are older are issued anew, however long they would live. */
  renewIssuedBeforeMs?: number;
}

/** Issues what the state directory lacks, and sets `cluster.pki`. */
export async function issueCertificates(cluster: Cluster, options: IssueOptions = {}): Promise<void> {
  await issueFrom(cluster, await cluster.state.readPki(), options);
}

/** The same from these files; gives those that were issued. */
export async function issueFrom(
  cluster: Cluster,
  existing: PkiFiles,
  options: IssueOptions = {},
): Promise<PkiFiles> {
  const { inventory } = cluster;
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
  const rotation = existing[ROTATION];
  cluster.pki = { ...files, ...(rotation === undefined ? {} : { [ROTATION]: rotation }) };
  for (const { path, reason } of issued) {
    await cluster.change(`issue ${path} (${reason})`, () => keep(cluster.state, path, files));
  }
  await keepStoreKeys(cluster, existing[ENCRYPTION_KEYS]);
  const written = issued.flatMap(({ path }) => ENDS.map((end) => path + end));
  return Object.fromEntries(
    written.flatMap((path): Array<[string, string]> => {
      const content = files[path];
      return content === undefined ? [] : [[path, content]];
    }),
  );
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

/** In the order in which they are written. */
const ENDS = ['.key', '.pub', '.crt'];

/** The key first: a certificate without its key would be kept by the next run, the other way round is reissued. */
async function keep(
  state: { write(name: string, content: string): Promise<void> },
  path: string,
  files: PkiFiles,
): Promise<void> {
  for (const end of ENDS) {
    const content = files[path + end];
    if (content !== undefined) await state.write(path + end, content);
  }
}
