import { ADMIN } from '../../pki/identities.ts';
import { renderKubeconfig } from '../../pki/kubeconfig.ts';
import { identityOf, serversForPeople } from '../components/files.ts';
import type { ClusterPhase } from '../phase.ts';

/** The operator's way in, in the state directory. */
export const writeKubeconfig: ClusterPhase = {
  id: 'kubeconfig',
  title: 'Write the kubeconfig',
  kind: 'change',
  run: async (cluster) => {
    const content = renderKubeconfig({
      clusterName: cluster.inventory.cluster.name,
      servers: serversForPeople(cluster, cluster.controlPlanes),
      caPem: cluster.pki['pki/ca.crt'] ?? '',
      user: 'kubernetes-admin',
      credential: identityOf(cluster, ADMIN),
    });
    if ((await cluster.state.read('admin.kubeconfig')) === content) return;
    await cluster.change(`write ${cluster.state.kubeconfigPath}`, () =>
      cluster.state.write('admin.kubeconfig', content),
    );
  },
};
