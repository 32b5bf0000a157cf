import type { NamespaceCondition } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';

/** What a round of deletion found. Mirrors pkg/controller/namespace/deletion/status_condition_utils.go. */
export interface DeletionRound {
  discoveryFailures: readonly string[];
  contentFailures: readonly string[];
  /** 'resource.group' to how many are left. */
  remaining: ReadonlyMap<string, number>;
  finalizers: ReadonlyMap<string, number>;
}

interface Verdict {
  type: string;
  ok: { reason: string; message: string };
  problem: { reason: string; message: string } | undefined;
}

/** The namespace's conditions after a round; the same array where nothing changed. */
export function namespaceConditions(
  old: readonly NamespaceCondition[],
  round: DeletionRound,
  nowMs: number,
): readonly NamespaceCondition[] {
  const next = old.filter(({ type }) => !verdicts(round).some((verdict) => verdict.type === type));
  let changed = false;
  for (const { type, ok, problem } of verdicts(round)) {
    const status = problem ? 'True' : 'False';
    const { reason, message } = problem ?? ok;
    const before = old.find((condition) => condition.type === type);
    const same = before?.status === status && before.reason === reason && before.message === message;
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : rfc3339(nowMs);
    next.push(same ? before : { type, status, lastTransitionTime, reason, message });
    changed ||= !same;
  }
  return changed ? next : old;
}

function verdicts({ discoveryFailures, contentFailures, remaining, finalizers }: DeletionRound): Verdict[] {
  const content = [...contentFailures].sort((a, b) => (a < b ? -1 : 1));
  return [
    {
      type: 'NamespaceDeletionDiscoveryFailure',
      ok: { reason: 'ResourcesDiscovered', message: 'All resources successfully discovered' },
      problem: problem(
        discoveryFailures.length,
        'DiscoveryFailed',
        `Discovery failed for some groups, ${discoveryFailures.length} failing: ${discoveryFailures.join(', ')}`,
      ),
    },
    {
      type: 'NamespaceDeletionGroupVersionParsingFailure',
      ok: { reason: 'ParsedGroupVersions', message: 'All legacy kube types successfully parsed' },
      problem: undefined,
    },
    {
      type: 'NamespaceDeletionContentFailure',
      ok: {
        reason: 'ContentDeleted',
        message: 'All content successfully deleted, may be waiting on finalization',
      },
      problem: problem(
        content.length,
        'ContentDeletionFailed',
        `Failed to delete all resource types, ${content.length} remaining: ${content.join(', ')}`,
      ),
    },
    {
      type: 'NamespaceContentRemaining',
      ok: { reason: 'ContentRemoved', message: 'All content successfully removed' },
      problem: problem(
        remaining.size,
        'SomeResourcesRemain',
        `Some resources are remaining: ${told(remaining, (what, count) => `${what} has ${count} resource instances`)}`,
      ),
    },
    {
      type: 'NamespaceFinalizersRemaining',
      ok: { reason: 'ContentHasNoFinalizers', message: 'All content-preserving finalizers finished' },
      problem: problem(
        finalizers.size,
        'SomeFinalizersRemain',
        `Some content in the namespace has finalizers remaining: ${told(finalizers, (what, count) => `${what} in ${count} resource instances`)}`,
      ),
    },
  ];
}

function problem(
  count: number,
  reason: string,
  message: string,
): { reason: string; message: string } | undefined {
  return count > 0 ? { reason, message } : undefined;
}

function told(counts: ReadonlyMap<string, number>, line: (what: string, count: number) => string): string {
  return [...counts]
    .map(([what, count]) => line(what, count))
    .sort((a, b) => (a < b ? -1 : 1))
    .join(', ');
}
