import { codeOf } from '../../base/errors.ts';
import type { Host } from '../../provision/host.ts';
import { AppliedState } from '../applied-state.ts';
import { Cluster, type Change, type ClusterOptions, type Node } from '../cluster.ts';
import { JOURNAL } from '../journal.ts';
import { KnownExecutables } from '../known-executables.ts';
import type { Phase } from '../phase.ts';
import { runPhases } from '../run-phases.ts';

/** What every action on a cluster is given. */
export interface ActionOptions extends ClusterOptions {
  /** Opens the way to a server; called once for each server that the action works on. */
  open: (node: Node) => Promise<Host>;
}

export interface ActionResult {
  changes: readonly Change[];
  /** For what an action wants to tell beyond its changes. */
  cluster: Cluster;
}

/** Runs an action's phases in order, and closes whatever they opened. Errors: PhaseError, which names servers, step and cause. */
export async function runAction(options: ActionOptions, phases: readonly Phase[]): Promise<ActionResult> {
  const cluster = new Cluster(options);
  try {
    cluster.journalBytes = await options.state.size(JOURNAL);
    cluster.applied = await AppliedState.read(options.state);
    cluster.knownExecutables = await KnownExecutables.read(options.state);
    await runPhases(cluster, phases);
    return { changes: cluster.changes, cluster };
  } finally {
    cluster.api?.close();
    await Promise.all([...cluster.probes.values()].map((probe) => probe.close().catch(() => undefined)));
    // Also after a failure: what was written was written. Who has taken over knows better.
    if (!options.dryRun) {
      await cluster.applied.save(options.state).catch(unlessLost);
      await cluster.knownExecutables.save(options.state).catch(unlessLost);
    }
    await cluster.unlock();
    await Promise.all(cluster.nodes.filter((node) => node.connected).map((node) => node.host.close()));
  }
}

function unlessLost(error: unknown): void {
  if (codeOf(error) !== 'E_LOCK_LOST') throw error;
}
