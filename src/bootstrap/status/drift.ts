import { messageOf } from '../../base/errors.ts';
import type { ActionOptions } from '../actions/run-action.ts';
import { upPhases } from '../actions/up.ts';
import { AppliedState } from '../applied-state.ts';
import { Cluster, type Node } from '../cluster.ts';
import { executableOf } from '../release.ts';
import { runPhases } from '../run-phases.ts';

/** Where servers are not what the inventory says: files, units, settings, packages, the executable. */
export interface Drift {
  /** What `slipway up` would do about it, and why. */
  changes: Array<{ node: string | undefined; change: string; reason: string | undefined }>;
  /** What others have put beside our files so that it changes them; `up` lets it be. */
  strangers: Array<{ node: string; path: string }>;
  /** Why it could not be found out. */
  error: string | undefined;
}

/** What a dry run must look at before it knows what would be changed. */
const LOOKS = new Set(['etcd-version', 'facts', 'pki']);
/** What only exists in the API, which the status asks by itself. */
const OBJECTS = new Set(['bootstrap-objects', 'bootstrap-tokens', 'revoke-tokens', 'label-nodes']);
const DROP_IN = /^\/etc\/systemd\/system\/slipway-[^/]+\.service\.d\//;

/**
 * Compares servers that are connected with the inventory, over the connections of `nodes`. `hashed` has the stamp and the hash of
 * each one's executable. Changes nothing, never rejects.
 */
export async function findDrift(
  options: ActionOptions,
  nodes: readonly Node[],
  hashed: ReadonlyMap<string, string>,
): Promise<Drift> {
  const { lock: _, ...rest } = options;
  const cluster = new Cluster({ ...rest, dryRun: true, report: () => undefined });
  for (const [name, text] of hashed) {
    const [, stamp = '', sha256 = ''] = /^(.*) (\S+)$/.exec(text) ?? [];
    const path = executableOf(cluster.release);
    cluster.knownExecutables.note(name, { path, stamp, sha256, hashedMs: cluster.clock.now() });
  }
  cluster.targets = cluster.nodes.filter((node) => {
    const connected = nodes.find(({ name }) => name === node.name);
    if (connected) node.host = connected.host;
    return connected !== undefined;
  });
  const phases = upPhases(options.open).filter(
    ({ id, kind }) => LOOKS.has(id) || (kind === 'change' && !OBJECTS.has(id)),
  );
  try {
    cluster.applied = await AppliedState.read(options.state);
    await runPhases(cluster, phases);
  } catch (error) {
    cluster.signal.throwIfAborted();
    return { changes: [], strangers: [], error: messageOf(error) };
  }
  return {
    changes: cluster.changes.map(({ node, change, reason }) => ({ node, change, reason })),
    strangers: cluster.targets.flatMap(({ name, facts }) =>
      [...facts.files.keys()].filter((path) => DROP_IN.test(path)).map((path) => ({ node: name, path })),
    ),
    error: undefined,
  };
}
