import type { Phase } from '../phase.ts';
import { leave } from '../phases/leave.ts';
import { selectLeaving, type Removal, type RemoveRequest } from '../phases/select-leaving.ts';
import { runAction, type ActionOptions } from './run-action.ts';

export interface RemoveResult {
  changes: ReadonlyArray<{ node: string | undefined; change: string }>;
}

export function removePhases(open: ActionOptions['open'], request: RemoveRequest): Phase[] {
  const removal: Partial<Removal> = {};
  return [...selectLeaving(open, request, removal), ...leave(removal)];
}

/** Takes a server out of the cluster; the others are not changed. Errors: PhaseError. */
export async function remove(options: ActionOptions, request: RemoveRequest): Promise<RemoveResult> {
  const { changes } = await runAction(options, removePhases(options.open, request));
  return { changes };
}
