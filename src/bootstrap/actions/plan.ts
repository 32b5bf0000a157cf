import { createHash } from 'node:crypto';
import { SlipwayError } from '../../base/errors.ts';
import { rfc3339 } from '../../base/clock.ts';
import type { Change } from '../cluster.ts';
import { PlanGate } from '../plan-gate.ts';
import { runAction, type ActionOptions } from './run-action.ts';
import { up, upPhases, type UpResult } from './up.ts';

/** What `slipway up` would change, bound to what it was computed from. */
export interface Plan {
  /** Of this format. */
  version: 1;
  cluster: string;
  /** RFC 3339. */
  made: string;
  release: string;
  /** Over the inventory as it was read, defaults filled in. */
  inventory: string;
  changes: Array<{ node: string | null; phase: string; change: string; reason: string | null }>;
  /** Over all of the above but the time. */
  hash: string;
}

/** Looks at every server and gives what would be changed; changes nothing. Errors: PhaseError. */
export async function makePlan(options: ActionOptions): Promise<Plan> {
  const { changes } = await runAction({ ...options, dryRun: true }, upPhases(options.open));
  const content = {
    version: 1 as const,
    cluster: options.inventory.cluster.name,
    release: options.release.id,
    inventory: digest(options.inventory),
    changes: changes.map(({ node, phase, change, reason }) => ({
      node: node ?? null,
      phase,
      change,
      reason: reason ?? null,
    })),
  };
  return { ...content, made: rfc3339(options.clock.now()), hash: digest(content) };
}

/**
 * Applies a plan, or refuses because the world moved: the servers are looked at again, and what would be changed now
 * must be the same. While it is applied each change is held to the plan: one that it does not have is not made, and ends
 * the run. Errors: E_PLAN_STALE, which names what differs; PhaseError.
 */
export async function applyPlan(plan: Plan, options: ActionOptions): Promise<UpResult> {
  const now = await makePlan(options);
  const differences = planDifferences(plan, now);
  if (differences.length > 0) {
    throw new SlipwayError(
      'E_PLAN_STALE',
      `the plan of ${plan.made} no longer fits:\n  ${differences.join('\n  ')}`,
      {
        hint: 'make a new plan, and look at it',
      },
    );
  }
  return upAsPlanned(plan, options);
}

/** `up` that makes no change which the plan does not have: whoever agreed to a plan agreed to nothing else. */
export const upAsPlanned = (plan: Plan, options: ActionOptions): Promise<UpResult> =>
  up({ ...options, gate: new PlanGate(plan.changes) });

/** How a plan differs from the one that would be made now, in lines; none where it may be applied. */
export function planDifferences(plan: Plan, now: Plan): string[] {
  const lines: string[] = [];
  if (plan.cluster !== now.cluster) lines.push(`it is for the cluster ${plan.cluster}, not ${now.cluster}`);
  if (plan.release !== now.release) lines.push(`it is for the release ${plan.release}, not ${now.release}`);
  if (plan.inventory !== now.inventory) lines.push('the inventory was changed');
  const text = ({ node, change, reason }: Plan['changes'][number]): string =>
    `${node ?? 'cluster'}: ${change}${reason === null ? '' : ` (${reason})`}`;
  const [old, present] = [plan.changes.map(text), now.changes.map(text)];
  lines.push(...without(old, present).map((line) => `- ${line}`));
  lines.push(...without(present, old).map((line) => `+ ${line}`));
  return lines;
}

/** The lines that are left when each of the others has taken one like it away. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return lines.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Reads a plan that `slipway plan --out` wrote. Errors: E_PLAN, where it is none or was edited. */
export function parsePlan(text: string): Plan {
  let plan: Plan;
  try {
    plan = JSON.parse(text) as Plan;
  } catch (cause) {
    throw new SlipwayError('E_PLAN', 'the plan is no JSON', {
      cause,
      hint: 'make it with "slipway plan -o FILE"',
    });
  }
  if (plan?.version !== 1 || !Array.isArray(plan.changes)) {
    throw new SlipwayError(
      'E_PLAN',
      `the plan is of version ${plan?.version}, and this slipway reads version 1`,
      {
        hint: 'make it anew with this slipway',
      },
    );
  }
  const { version, cluster, release, inventory, changes, hash } = plan;
  if (hash !== digest({ version, cluster, release, inventory, changes })) {
    throw new SlipwayError('E_PLAN', 'the plan was edited: its hash does not fit', {
      hint: 'change the inventory instead, and make a new plan',
    });
  }
  return plan;
}

/** A plan as a tree: servers, their steps, and the reason of each. */
export function describePlan({ changes }: Pick<Plan, 'changes'> | { changes: readonly Change[] }): string[] {
  const nodes = [...new Set(changes.map(({ node }) => node ?? null))];
  return nodes.flatMap((node) => [
    node ?? 'the cluster',
    ...changes
      .filter((one) => (one.node ?? null) === node)
      .flatMap(({ change, reason }) => [
        `  ${change}`,
        ...(reason ? reason.split('; ').map((why) => `    because ${why}`) : []),
      ]),
  ]);
}

const digest = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');
