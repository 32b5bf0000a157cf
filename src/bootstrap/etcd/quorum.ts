import { SlipwayError } from '../../base/errors.ts';

export interface Voter {
  id: string;
  name: string;
  /** Whether it answers and knows a leader. */
  healthy: boolean;
}

export const quorumOf = (voters: number): number => Math.floor(voters / 2) + 1;

/**
 * Refuses to take a voter out where those that are left could not go on, with the arithmetic. What is asked to
 * go may be dead; what stays must be able to agree, before the removal and after it.
 */
export function checkRemoval(voters: readonly Voter[], id: string): void {
  const leaving = voters.find((voter) => voter.id === id);
  if (leaving === undefined) return;
  const stay = voters.filter((voter) => voter.id !== id);
  const healthy = stay.filter((voter) => voter.healthy);
  const dead = stay.filter((voter) => !voter.healthy).map(({ name }) => name);
  if (stay.length === 0) {
    throw refusal(`${leaving.name} is the only member of etcd: the cluster would lose its store`, [
      'to give the cluster up, reset it instead',
    ]);
  }
  const needed = quorumOf(stay.length);
  if (healthy.length < needed) {
    throw refusal(
      `without ${leaving.name} etcd has ${stay.length} ${plural(stay.length)}, ${needed} of which must live, ` +
        `and ${healthy.length} ${healthy.length === 1 ? 'does' : 'do'} (no answer: ${dead.join(', ')})`,
      ['bring the others back first; where they are lost for good, remove those instead (--dead)'],
    );
  }
}

const plural = (count: number): string => (count === 1 ? 'member' : 'members');

function refusal(message: string, hints: string[]): SlipwayError {
  return new SlipwayError('E_QUORUM', message, { hint: hints.join('\nhint: ') });
}
