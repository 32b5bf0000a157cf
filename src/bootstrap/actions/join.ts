import type { Phase } from '../phase.ts';
import { selectJoining, type JoinRequest } from '../phases/select-joining.ts';
import { runAction, type ActionOptions } from './run-action.ts';
import { upPhases } from './up.ts';

export interface JoinResult {
  changes: ReadonlyArray<{ node: string | undefined; change: string }>;
  /** Names of the servers that were changed. */
  nodes: string[];
  kubeconfigPath: string;
}

/** What `up` does to a new server without having a cluster to make. */
const NOT_FOR_JOIN = ['connect', 'facts', 'bootstrap-objects'];

/** The steps of `up`, on the servers that are not in the cluster yet. */
export function joinPhases(open: ActionOptions['open'], request: JoinRequest): Phase[] {
  const [first, ...rest] = upPhases(open).filter(({ id }) => !NOT_FOR_JOIN.includes(id));
  if (first === undefined) throw new Error('up has no phases');
  return [first, ...selectJoining(open, request), ...rest];
}

/**
 * Adds servers of the inventory that are not in the cluster. Others are not changed; a control plane that was alone
 * is, when it gets company. Errors: PhaseError.
 */
export async function join(options: ActionOptions, request: JoinRequest): Promise<JoinResult> {
  const { changes, cluster } = await runAction(options, joinPhases(options.open, request));
  return {
    changes,
    nodes: cluster.targets.map(({ name }) => name),
    kubeconfigPath: cluster.state.kubeconfigPath,
  };
}
