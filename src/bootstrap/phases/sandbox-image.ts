import { runScript } from '../../provision/host.ts';
import { ledgerFunctions } from '../../provision/ledger.ts';
import type { Node } from '../cluster.ts';
import { allNodes, type NodePhase } from '../phase.ts';
import { executableOf, sandboxImageOf } from '../release.ts';

/** Every pod's first container runs this image: it is in the executable, so that no registry is needed. */
export const importSandboxImage: NodePhase = {
  id: 'sandbox-image',
  title: 'Import the sandbox image',
  kind: 'change',
  nodes: (cluster) =>
    allNodes(cluster).filter((node) => !node.facts.images.has(sandboxImageOf(cluster.release))),
  run: importImage,
};

/** Imports the release's image where containerd does not have it. */
export async function importImage(node: Node): Promise<void> {
  const { release, signal } = node.cluster;
  if (node.facts.images.has(sandboxImageOf(release))) return;
  const change = `import the image ${sandboxImageOf(release)}`;
  const script = `${ledgerFunctions(change)}
ledger '"image":"${sandboxImageOf(release)}","before":"absent"'
sync "$LEDGER/ledger.jsonl"
image=$(mktemp /tmp/slipway-image.XXXXXX)
trap 'rm -f "$image"' EXIT
'${executableOf(release)}' sandbox-image --output "$image" </dev/null
ctr -n k8s.io images import "$image" </dev/null
ctr -n k8s.io images ls -q </dev/null | grep -qxF '${sandboxImageOf(release)}'
`;
  await node.change(change, async () => {
    await runScript(node.host, change, script, { signal });
  });
}
