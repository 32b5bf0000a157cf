import { randomBytes } from 'node:crypto';
import { SECRETS } from '../../api/gen/resources.ts';
import type { Secret } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { renderKubeconfig } from '../../pki/kubeconfig.ts';
import { putFiles, removeFiles } from '../../provision/files.ts';
import type { Cluster, Node } from '../cluster.ts';
import { BOOTSTRAP_CONFIG, KUBELET_CONFIG } from '../components/node.ts';
import { apiServersFor } from '../components/files.ts';
import { BOOTSTRAPPERS } from '../objects/bootstrap-objects.ts';
import { allNodes, type ClusterPhase, type NodePhase } from '../phase.ts';
import { apiOf } from './wait-apiserver.ts';

/** Long enough for a slow server to join, short enough to be worthless when it is found. */
const LIFETIME_MS = 15 * 60_000;
/** On a token: the server that it was given to. */
export const OWNER_LABEL = 'slipway.dev/bootstrap-node';

const mustJoin = (node: Node): boolean => !node.facts.files.has(KUBELET_CONFIG);

/** Gives each server that has no identity yet a token of its own, with which its kubelet asks for one. */
export const issueBootstrapTokens: NodePhase = {
  id: 'bootstrap-tokens',
  title: 'Issue bootstrap tokens',
  kind: 'change',
  nodes: (cluster) => allNodes(cluster).filter(mustJoin),
  run: async (node, cluster) => {
    const change = `give ${node.name} a bootstrap token`;
    await node.change(change, async () => {
      const id = randomText(6);
      const secret = randomText(16);
      await apiOf(cluster).create(SECRETS, tokenSecret(node, id, secret, cluster.clock.now() + LIFETIME_MS));
      const content = renderKubeconfig({
        clusterName: cluster.inventory.cluster.name,
        servers: apiServersFor(node),
        caPem: cluster.pki['pki/ca.crt'] ?? '',
        user: 'tls-bootstrap-token-user',
        credential: { token: `${id}.${secret}` },
      });
      await putFiles(node.host, change, [{ path: BOOTSTRAP_CONFIG, content, mode: 0o600 }], {
        signal: cluster.signal,
      });
    });
  },
};

/** Takes the tokens back, those of interrupted runs too, once every server has its identity. */
export const revokeBootstrapTokens: ClusterPhase = {
  id: 'revoke-tokens',
  title: 'Revoke bootstrap tokens',
  kind: 'change',
  run: async (cluster) => {
    await Promise.all([removeTokens(cluster), ...allNodes(cluster).map(removeBootstrapConfig)]);
  },
};

async function removeTokens(cluster: Cluster): Promise<void> {
  const client = cluster.dryRun ? cluster.api?.client : apiOf(cluster);
  const found = await client?.list(SECRETS, { namespace: 'kube-system', labelSelector: OWNER_LABEL });
  await Promise.all(
    (found?.items ?? []).map(async ({ metadata }) => {
      const ref = { namespace: 'kube-system', name: metadata?.name ?? '' };
      await cluster.change(revocation(metadata?.labels?.[OWNER_LABEL] ?? ''), () =>
        apiOf(cluster).delete(SECRETS, ref),
      );
    }),
  );
  if (!cluster.dryRun) return;
  // Those that this very run would have given.
  for (const node of allNodes(cluster).filter(mustJoin)) {
    await cluster.change(revocation(node.name), async () => undefined);
  }
}

const revocation = (owner: string): string => `revoke the bootstrap token of ${owner}`;

async function removeBootstrapConfig(node: Node): Promise<void> {
  if (!mustJoin(node) && !node.facts.files.has(BOOTSTRAP_CONFIG)) return;
  const change = `remove ${BOOTSTRAP_CONFIG}`;
  await node.change(change, () =>
    removeFiles(node.host, change, [BOOTSTRAP_CONFIG], { signal: node.cluster.signal }),
  );
}

function tokenSecret(node: Node, id: string, secret: string, expiresMs: number): Secret {
  const values: Record<string, string> = {
    'token-id': id,
    'token-secret': secret,
    expiration: rfc3339(expiresMs),
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': BOOTSTRAPPERS,
    description: `${node.name} joins with it; revoked when it has`,
  };
  const data = Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: `bootstrap-token-${id}`,
      namespace: 'kube-system',
      labels: { [OWNER_LABEL]: node.name },
    },
    type: 'bootstrap.kubernetes.io/token',
    data: Object.fromEntries(data) as Record<string, string>,
  };
}

/** Letters and digits as bootstrap tokens have them; a byte that would make some likelier is thrown away. */
function randomText(length: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(32)) {
      if (byte < 252 && text.length < length) text += alphabet[byte % 36];
    }
  }
  return text;
}
