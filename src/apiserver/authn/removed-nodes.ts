import { createHash, X509Certificate } from 'node:crypto';
import { CONFIGMAPS } from '../../api/gen/resources.ts';
import { BACKDATE_MS } from '../../pki/issue.ts';
import type { ConfigMap } from '../../api/gen/types/core-v1.ts';
import type { ObjectReader } from '../object-store.ts';
import type { ClientCertificate } from '../request-context.ts';

const NAMESPACE = 'kube-system';
/** `slipway remove` writes it (src/bootstrap/objects/removed-nodes.ts). */
const NAME = 'slipway-removed-nodes';
const NODE_USER = 'system:node:';

type Shown = Pick<ClientCertificate, 'commonName' | 'raw'>;

/**
 * Certificates of servers that were removed from the cluster, which nothing else ends before they expire: single ones
 * by their hash (`sha256.<hex>`), and whatever a node had been given before it went (`node.<name>`: when that was).
 * A server of the same name that joins later has newer ones. Upstream knows nothing like it.
 */
export class RemovedNodes {
  readonly #reader: ObjectReader;

  constructor(reader: ObjectReader) {
    this.#reader = reader;
  }

  async refuses(certificate: Shown): Promise<boolean> {
    const removed = await this.#reader.get(CONFIGMAPS, NAME, NAMESPACE);
    return removed?.data !== undefined && isRemoved(certificate, removed.data);
  }
}

function isRemoved({ commonName, raw }: Shown, data: NonNullable<ConfigMap['data']>): boolean {
  if (data[`sha256.${createHash('sha256').update(raw).digest('hex')}`] !== undefined) return true;
  if (!commonName.startsWith(NODE_USER)) return false;
  const removedAt = Date.parse(data[`node.${commonName.slice(NODE_USER.length)}`] ?? '');
  if (Number.isNaN(removedAt)) return false;
  return new X509Certificate(raw).validFromDate.getTime() + BACKDATE_MS <= removedAt;
}
