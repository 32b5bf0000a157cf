import { SlipwayError } from '../base/errors.ts';

/** A change as a plan names it; a null node: the operator's own state, or the cluster's objects. */
export interface PlannedChange {
  node: string | null;
  change: string;
}

/** Lets a run make the changes of a plan, each as often as the plan has it, and stops it before any other. */
export class PlanGate {
  readonly #left = new Map<string, number>();

  constructor(changes: readonly PlannedChange[]) {
    for (const { node, change } of changes) {
      const key = keyOf(node, change);
      this.#left.set(key, (this.#left.get(key) ?? 0) + 1);
    }
  }

  /** Errors: E_PLAN_STALE, where the plan has no such change, or no further one. */
  pass(node: string | undefined, change: string): void {
    const key = keyOf(node ?? null, change);
    const left = this.#left.get(key) ?? 0;
    if (left === 0) {
      throw new SlipwayError('E_PLAN_STALE', `${node ?? 'cluster'}: the plan does not have this: ${change}`, {
        hint: 'it was not done; make a new plan, and look at it',
      });
    }
    this.#left.set(key, left - 1);
  }
}

const keyOf = (node: string | null, change: string): string => JSON.stringify([node, change]);
