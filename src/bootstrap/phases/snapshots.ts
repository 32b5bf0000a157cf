import { putDirectories } from '../../provision/files.ts';
import { runScript } from '../../provision/host.ts';
import { startUnit } from '../../provision/units.ts';
import type { Node } from '../cluster.ts';
import { differs, writeFiles } from '../components/component.ts';
import { SNAPSHOT_DIRECTORY, SNAPSHOT_TIMER, snapshotUnits } from '../components/snapshots.ts';
import { controlPlanes, type NodePhase } from '../phase.ts';

/** Lets every control plane take snapshots of the store as the inventory says. */
export const scheduleSnapshots: NodePhase = {
  id: 'snapshots',
  title: 'Schedule snapshots of the store',
  kind: 'change',
  nodes: controlPlanes,
  run: async (node, cluster) => {
    if (cluster.inventory.snapshots.every === 'never') await stopTimer(node);
    else await startTimer(node);
  },
};

async function startTimer(node: Node): Promise<void> {
  const { signal } = node.cluster;
  if (!node.facts.directories.has(SNAPSHOT_DIRECTORY)) {
    const change = `make ${SNAPSHOT_DIRECTORY}`;
    await node.change(change, () =>
      putDirectories(node.host, change, [{ path: SNAPSHOT_DIRECTORY, mode: 0o700 }], { signal }),
    );
  }
  const files = snapshotUnits(node);
  const written = files.some((file) => differs(node, file));
  await writeFiles(node, files);
  const facts = node.facts.units.get(SNAPSHOT_TIMER);
  const reason = reasonToStart();
  if (reason === undefined) return;
  const change = `${facts?.activeState === 'active' ? 'restart' : 'start'} ${SNAPSHOT_TIMER}`;
  await node.change(change, () => startUnit(node.host, change, SNAPSHOT_TIMER, signal), reason);

  function reasonToStart(): string | undefined {
    if (facts?.activeState !== 'active') return `it is ${facts?.activeState || 'not there'}`;
    if (facts.unitFileState !== 'enabled') return 'it would not start at boot';
    return written || facts.needsReload ? 'it goes by what its file said before' : undefined;
  }
}

/** What was taken stays. */
async function stopTimer(node: Node): Promise<void> {
  const facts = node.facts.units.get(SNAPSHOT_TIMER);
  if (facts?.activeState !== 'active' && facts?.unitFileState !== 'enabled') return;
  const change = `stop ${SNAPSHOT_TIMER}`;
  await node.change(
    change,
    async () => {
      const script = `systemctl disable --quiet --now ${SNAPSHOT_TIMER}\n`;
      await runScript(node.host, change, script, { signal: node.cluster.signal });
    },
    'the inventory says that snapshots are never taken',
  );
}
