import type { EtcdMember } from '../../storage/etcd/members.ts';
import type { Node } from '../cluster.ts';
import { peerUrl } from '../components/etcd.ts';
import type { EtcdAccess } from './access.ts';
import type { Voter } from './quorum.ts';

/** Every voter, and whether it answers; one whose server is none of `nodes` cannot be asked and counts as dead. */
export async function votersOf(access: EtcdAccess, nodes: readonly Node[]): Promise<Voter[]> {
  const members = (await access.members.list()).filter(({ isLearner }) => !isLearner);
  return await Promise.all(
    members.map(async (member) => {
      const node = nodeOfMember(member, nodes);
      return {
        id: member.id,
        name: member.name || node?.name || member.id,
        healthy: node !== undefined && (await answers(access, node)),
      };
    }),
  );
}

export const nodeOfMember = (member: EtcdMember, nodes: readonly Node[]): Node | undefined =>
  nodes.find(({ address }) => member.peerUrls.includes(peerUrl(address)));

async function answers(access: EtcdAccess, node: Node): Promise<boolean> {
  try {
    const { leader } = await access.members.status(await access.endpointOf(node));
    return leader !== undefined;
  } catch {
    return false;
  }
}
