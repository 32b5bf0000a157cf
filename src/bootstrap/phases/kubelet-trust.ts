import { ROTATION } from '../../pki/rotation.ts';
import { runScript } from '../../provision/host.ts';
import type { Node } from '../cluster.ts';
import { KUBELET_CONFIG } from '../components/node.ts';
import { allNodes, type NodePhase } from '../phase.ts';

const FIELD = '("?certificate-authority-data"?: *"?)([A-Za-z0-9+/=]+)';

/**
 * Kubelets wrote their kubeconfigs themselves when they joined: while the authority is being replaced, whom they trust is
 * kept current there. They read it when they start; the phase 'kubelet' restarts them, since their other files change with it.
 */
export const keepKubeletTrust: NodePhase = {
  id: 'kubelet-trust',
  title: 'Tell the kubelets whom to trust',
  kind: 'change',
  nodes: (cluster) =>
    cluster.pki[ROTATION] === undefined
      ? []
      : allNodes(cluster).filter((node) => node.facts.files.has(KUBELET_CONFIG)),
  run: async (node, cluster) => {
    const wanted = Buffer.from(cluster.pki['pki/ca.crt'] ?? '').toString('base64');
    const found = await trustOf(node);
    if (found === undefined || found === wanted) return;
    const change = `write the authorities into ${KUBELET_CONFIG}`;
    await node.change(change, async () => {
      const script = `set -eu
cp -p ${KUBELET_CONFIG} ${KUBELET_CONFIG}.slipway-new
sed -E -i 's#${FIELD}#\\1${wanted}#' ${KUBELET_CONFIG}.slipway-new
sync ${KUBELET_CONFIG}.slipway-new
mv ${KUBELET_CONFIG}.slipway-new ${KUBELET_CONFIG}
`;
      await runScript(node.host, change, script, { signal: cluster.signal });
    });
  },
};

/** The base64 in the kubelet's kubeconfig; undefined where it names a file instead. */
async function trustOf(node: Node): Promise<string | undefined> {
  const text = await runScript(node.host, `reading ${KUBELET_CONFIG}`, `cat ${KUBELET_CONFIG}\n`, {
    signal: node.cluster.signal,
  });
  return new RegExp(FIELD).exec(text)?.[2];
}
