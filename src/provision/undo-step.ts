import type { LedgerEntry } from './ledger.ts';
import { planUndo, thingOf, type UndoStep } from './undo.ts';

/** How one step of the ledger is undone alone. */
export interface StepUndo {
  /** None where there is nothing to put back. */
  steps: UndoStep[];
  /** Units that the step started, and that did not run before it. */
  started: string[];
  /** The step was undone before, and has not been made again. */
  alreadyUndone: boolean;
  /** Why it must not be undone, in sentences: what a later step made of the same thing would be lost. */
  obstacles: string[];
}

/**
 * What undoes one step of a server's ledger, and what stands against it. Steps that were undone count no more. To undo
 * a step twice, or again after it broke off, ends in the same state. Undefined where the ledger has nothing of the step.
 */
export function planStepUndo(entries: readonly LedgerEntry[], step: string): StepUndo | undefined {
  const own = entries.filter((entry) => entry.step === step && thingOf(entry) !== undefined);
  if (!entries.some((entry) => entry.step === step && !('undone' in entry))) return undefined;
  const last = entries.findLastIndex((entry) => entry.step === step && !('undone' in entry));
  const isUndone = (entry: LedgerEntry, at: number): boolean =>
    entries.some((other, i) => i > at && 'undone' in other && other.undone === entry.step);
  const alreadyUndone = isUndone({ ...entries[last]!, step }, last);
  const obstacles = new Set<string>();
  if (!alreadyUndone) {
    for (const entry of own) {
      for (const obstacle of obstaclesOf(entries, entry, isUndone)) obstacles.add(obstacle);
    }
  }
  const steps = alreadyUndone ? [] : planUndo(own);
  const started = steps.flatMap((one) =>
    one.kind === 'unit' && one.before.active !== 'active' ? [one.unit] : [],
  );
  return { steps, started, alreadyUndone, obstacles: [...obstacles] };
}

function* obstaclesOf(
  entries: readonly LedgerEntry[],
  own: LedgerEntry,
  isUndone: (entry: LedgerEntry, at: number) => boolean,
): Generator<string> {
  const thing = thingOf(own);
  const position = entries.indexOf(own);
  const others = [...entries.entries()].filter(
    ([at, entry]) => entry.step !== own.step && thingOf(entry) === thing && !isUndone(entry, at),
  );
  const later = others.flatMap(([at, entry]) => (at > position ? [entry] : []));
  if (!isAsBefore(own, later.at(-1))) {
    for (const { step, change } of later) {
      yield `${thing} was changed again by step ${step || 'unknown'} (${change}): undo that one first`;
    }
  }
  const earlier = others.findLast(([at]) => at < position)?.[1];
  if (!earlier || !('path' in own) || own.before.kind !== 'file') return;
  // The content that stood there is that of an earlier step, and our own contents are not kept: keys are among them.
  if (own.after.kind === 'file' && own.after.sha256 === own.before.sha256) return;
  yield `what step ${earlier.step || 'unknown'} had written to ${thing} was replaced or removed, and is not kept`;
}

/** Whether the last one to change a thing has left it as it was before the step: a token's file that was removed. */
const isAsBefore = (own: LedgerEntry, last: LedgerEntry | undefined): boolean =>
  last !== undefined &&
  'path' in own &&
  'path' in last &&
  JSON.stringify(own.before) === JSON.stringify(last.after);
