import { runScript } from '../../provision/host.ts';
import { allNodes, type NodePhase } from '../phase.ts';
import { executableOf, sandboxImageOf } from '../release.ts';

/** Every pod's first container runs this image: it is in the executable, so that no registry is needed. */
export const importSandboxImage: NodePhase = {
  id: 'sandbox-image',
  title: 'Import the sandbox image',
  kind: 'change',
  nodes: (cluster) =>
    allNodes(cluster).filter((node) => !node.facts.images.has(sandboxImageOf(cluster.release))),
  run: async (node, cluster) => {
    const change = `import the image ${sandboxImageOf(cluster.release)}`;
    const script = `
set -eu
image=$(mktemp /tmp/slipway-image.XXXXXX)
trap 'rm -f "$image"' EXIT
'${executableOf(cluster.release)}' sandbox-image --output "$image" </dev/null
ctr -n k8s.io images import "$image" </dev/null
ctr -n k8s.io images ls -q </dev/null | grep -qxF '${sandboxImageOf(cluster.release)}'
`;
    await node.change(change, async () => {
      await runScript(node.host, change, script, { signal: cluster.signal });
    });
  },
};
