import type { Refusal } from './select-node.ts';

/** The text of FailedScheduling events and of the PodScheduled condition. Mirrors FitError of framework/types.go. */
export function explain(refusal: Refusal, preemption: string | undefined): string {
  if (refusal.nodes === 0) return 'no nodes available to schedule pods';
  const head = `0/${refusal.nodes} nodes are available:`;
  const reasons =
    refusal.general ?? histogram([...refusal.rejections.values()].flatMap((rejection) => rejection.reasons));
  return [`${head} ${reasons}.`, ...(preemption === undefined ? [] : [`preemption: ${preemption}`])].join(
    ' ',
  );
}

/** Why preemption found nothing: Mirrors the texts of framework/preemption. */
export function explainPreemption(refusal: Refusal): string {
  const all = [...refusal.rejections.values()];
  const told = all.map(({ unresolvable }) =>
    unresolvable
      ? 'Preemption is not helpful for scheduling'
      : 'No preemption victims found for incoming pod',
  );
  if (refusal.general !== undefined)
    for (let index = 0; index < refusal.nodes; index++) told.push('Preemption is not helpful for scheduling');
  return `0/${refusal.nodes} nodes are available: ${histogram(told)}.`;
}

function histogram(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const lines = [...counts].map(([reason, count]) => `${count} ${reason}`);
  return lines.sort((a, b) => (a < b ? -1 : 1)).join(', ');
}
