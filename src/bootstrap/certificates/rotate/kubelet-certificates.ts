import { SIGNER } from '../../../pki/cluster-pki.ts';
import { isIssuedBy } from '../../../pki/parse.ts';
import { allNodes, type NodePhase } from '../../phase.ts';
import type { Node } from '../../cluster.ts';
import { certificatesOn, servedCertificate } from '../look.ts';
import { untilNone } from './pods.ts';

const KUBELET_PORT = 10_250;
const FILES = ['kubelet-client', 'kubelet-server'].map((name) => `/var/lib/kubelet/pki/${name}-current.pem`);
/** Two requests, each signed by the controllers within seconds. */
const RENEWED_WITHIN_MS = 180_000;

/**
 * Waits until each kubelet has certificates of the present signer, and serves one. They renew by themselves what an
 * authority has issued that is being replaced.
 */
export const waitKubeletCertificates: NodePhase = {
  id: 'kubelet-certificates',
  title: 'Wait for the kubelets’ new certificates',
  kind: 'wait',
  nodes: allNodes,
  run: async (node, cluster) => {
    await untilNone(cluster, RENEWED_WITHIN_MS, async () => {
      const old = await oldCertificates(node);
      return old.length === 0
        ? undefined
        : `${node.name}: the kubelet still has certificates of the old authority: ${old.join(', ')}; look at "journalctl -u slipway-kubelet"`;
    });
  },
};

async function oldCertificates(node: Node): Promise<string[]> {
  const signer = node.cluster.pki[`${SIGNER}.crt`] ?? '';
  const lying = await certificatesOn(node.host, node.cluster.signal);
  const old = FILES.filter((path) => {
    // The leaf comes first, its intermediate behind it.
    const own = lying.find(({ where }) => where === path);
    return own === undefined || !isIssuedBy(own.pem, signer);
  });
  const served = await servedCertificate(node.host, KUBELET_PORT);
  return served !== undefined && isIssuedBy(served, signer) ? old : [...old, `port ${KUBELET_PORT}`];
}
