import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { Client } from '../../client/client.ts';
import type { Node } from '../cluster.ts';
import { evictPods } from './drain.ts';

/** Evicts pods of a server as one change of it, and tells which wait and for what. Errors: E_DRAIN. */
export async function evictFrom(
  node: Node,
  client: Client,
  pods: readonly Pod[],
  timeoutMs: number,
): Promise<void> {
  if (pods.length === 0) return;
  const { cluster, name } = node;
  const waiting = (pod: string, reason: string): void =>
    cluster.report({ type: 'progress', phase: cluster.phase, node: name, message: `${pod}: ${reason}` });
  // A change of the server: some of its pods may be gone when it fails.
  await node.change(`evict ${pods.length} ${pods.length === 1 ? 'pod' : 'pods'}`, () =>
    evictPods(pods, { client, clock: cluster.clock, signal: cluster.signal, timeoutMs, waiting }),
  );
}
