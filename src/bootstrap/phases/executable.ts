import { putLinks, type LinkSpec } from '../../provision/files.ts';
import { upload } from '../../provision/upload.ts';
import type { Node } from '../cluster.ts';
import { allNodes, type NodePhase } from '../phase.ts';
import { CURRENT_LINK, EXECUTABLE_NAMES, executableOf, hasExecutable } from '../release.ts';
import { progressOf } from './packages.ts';

/** Brings the one executable, and the names that it is called by. */
export const installExecutable: NodePhase = {
  id: 'executable',
  title: 'Install the executable',
  kind: 'change',
  nodes: allNodes,
  run: async (node) => {
    await bringExecutable(node);
    await pointToRelease(node);
  },
};

/** Puts the release beside those that are there; nothing runs it yet. */
export async function bringExecutable(node: Node): Promise<void> {
  const { release, signal } = node.cluster;
  const target = executableOf(release);
  if (hasExecutable(node.facts, release)) return;
  const change = `install ${target}`;
  await node.change(
    change,
    async () => {
      const source = {
        source: release.compressedPath,
        sourceBytes: release.compressedBytes,
        compressed: true,
      };
      const probe = node.cluster.probes.get(node);
      const file = {
        ...source,
        sha256: release.sha256,
        target,
        mode: 0o755,
        change,
        ...(probe ? { copyFrom: probe.executable } : {}),
      };
      await upload(node.host, file, { signal, progress: progressOf(node, 'executable') });
      await probe?.close();
    },
    node.facts.executables.has(target) ? 'its content is not that of the release' : 'it is missing',
  );
  if (node.facts.executables.has(target)) distrustProcesses(node, target);
}

/** From here on whatever is started on the server is of the release. */
export async function pointToRelease(node: Node): Promise<void> {
  await pointLinks(node, [
    { path: CURRENT_LINK, target: `releases/${node.cluster.release.id}` },
    ...EXECUTABLE_NAMES.map((name) => ({
      path: `/usr/local/bin/${name}`,
      target: `${CURRENT_LINK}/slipway`,
    })),
  ]);
}

/** What was started from a damaged file runs from it still: the next probe would say so, and this run knows already. */
function distrustProcesses(node: Node, target: string): void {
  for (const [name, unit] of node.facts.units) {
    if (unit.executable === target)
      node.facts.units.set(name, { ...unit, executable: `${target} (deleted)` });
  }
}

async function pointLinks(node: Node, links: readonly LinkSpec[]): Promise<void> {
  const wanted = links.filter(({ path, target }) => node.facts.links.get(path) !== target);
  if (wanted.length === 0) return;
  const change = `point ${wanted.map(({ path }) => path).join(', ')} to the release`;
  await node.change(change, () => putLinks(node.host, change, wanted, { signal: node.cluster.signal }));
  for (const { path, target } of wanted) node.facts.links.set(path, target);
}
