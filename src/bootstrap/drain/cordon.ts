import { NODES } from '../../api/gen/resources.ts';
import type { Node } from '../../api/gen/types/core-v1.ts';
import type { Client } from '../../client/client.ts';
import { isNotFound } from '../../client/errors.ts';

/** Says that the cordon is ours, and whose: a node that a person cordoned is never uncordoned by us. */
const CORDONED_BY = 'slipway.dev/cordoned-by';

export async function nodeNamed(client: Client, name: string): Promise<Node | undefined> {
  try {
    return await client.get(NODES, { name });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Whether the node is cordoned, and by this action of ours. */
export const isCordoned = (node: Node): boolean => node.spec?.unschedulable === true;
export const isOurCordon = (node: Node, action: string): boolean =>
  isCordoned(node) && node.metadata?.annotations?.[CORDONED_BY] === action;

/** Keeps new pods away from a node. One that is cordoned already stays whose it is. */
export async function cordon(client: Client, name: string, action: string): Promise<void> {
  const node = await nodeNamed(client, name);
  if (node === undefined || isCordoned(node)) return;
  // Both in one write: an interrupted run must not leave a cordon that nobody knows as ours.
  const patch = {
    metadata: { annotations: { [CORDONED_BY]: action }, resourceVersion: node.metadata?.resourceVersion },
    spec: { unschedulable: true },
  };
  await client.patch(NODES, { name }, patch, { type: 'merge' });
}

/** Takes our own cordon of this action away; anybody else's stays. Gives whether there was one. */
export async function uncordon(client: Client, name: string, action: string): Promise<boolean> {
  const node = await nodeNamed(client, name);
  if (node === undefined || !isOurCordon(node, action)) return false;
  const patch = { metadata: { annotations: { [CORDONED_BY]: null } }, spec: { unschedulable: null } };
  await client.patch(NODES, { name }, patch, { type: 'merge' });
  return true;
}
