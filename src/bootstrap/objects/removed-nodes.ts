import { createHash, X509Certificate } from 'node:crypto';
import { CONFIGMAPS } from '../../api/gen/resources.ts';
import { rfc3339 } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import { isAlreadyExists, isNotFound } from '../../client/errors.ts';
import type { PkiFiles } from '../../pki/cluster-pki.ts';

const REF = { namespace: 'kube-system', name: 'slipway-removed-nodes' };

export interface RemovedNode {
  name: string;
  removedAtMs: number;
  /** The certificates that the operator had issued to it. */
  certificates: readonly string[];
}

/** Those of a node's certificates that stand in the state directory. */
export const certificatesOf = (files: PkiFiles, node: string): string[] =>
  Object.entries(files).flatMap(([path, pem]) =>
    path.startsWith(`nodes/${node}/`) && path.endsWith('.crt') ? [pem] : [],
  );

/**
 * Tells the API servers whose certificates they must not believe any more, though they have not expired
 * (src/apiserver/authn/removed-nodes.ts reads it). What has expired by now is forgotten.
 */
export async function recordRemovedNode(client: Client, node: RemovedNode): Promise<void> {
  const data: Record<string, string | null> = { [`node.${node.name}`]: rfc3339(node.removedAtMs) };
  for (const pem of node.certificates) {
    const certificate = new X509Certificate(pem);
    const hash = createHash('sha256').update(certificate.raw).digest('hex');
    data[`sha256.${hash}`] = rfc3339(certificate.validToDate.getTime());
  }
  try {
    await client.create(CONFIGMAPS, { metadata: REF, data: data as Record<string, string> });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const found = await client.get(CONFIGMAPS, REF);
    for (const [key, value] of Object.entries(found.data ?? {})) {
      if (key.startsWith('sha256.') && Date.parse(value) < node.removedAtMs) data[key] = null;
    }
    await client.patch(CONFIGMAPS, REF, { data }, { type: 'merge' });
  }
}

/** When a node of this name was last removed; undefined where none was. */
export async function removedAtMs(client: Client, name: string): Promise<number | undefined> {
  try {
    const text = (await client.get(CONFIGMAPS, REF)).data?.[`node.${name}`];
    return text === undefined ? undefined : Date.parse(text);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
