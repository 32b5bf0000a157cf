import { SlipwayError } from '../../base/errors.ts';
import { rfc3339 } from '../../base/clock.ts';
import { runScript } from '../../provision/host.ts';
import { planStepUndo, type StepUndo } from '../../provision/undo-step.ts';
import { readLedger, undo as undoOnServer } from '../../provision/undo.ts';
import type { Node } from '../cluster.ts';
import { readJournal, type JournalStep } from '../journal.ts';
import { allNodes, type ClusterPhase, type NodePhase, type Phase } from '../phase.ts';
import { connect } from '../phases/connect.ts';
import { unitTracesScript } from '../reset/traces.ts';
import { runAction, type ActionOptions, type ActionResult } from './run-action.ts';

/** One step, undone. */
export interface UndoneStep {
  step: JournalStep;
  /** It had been undone before: nothing was changed. */
  alreadyUndone: boolean;
  /** What could not be put back, in sentences. */
  left: string[];
}

export interface UndoResult extends ActionResult {
  undone: UndoneStep[];
}

/**
 * Undoes steps on their servers, in the order that is given: what a step changed there is as it stood before it. Again is
 * harmless. Refuses, before anything is changed, a step whose things a later step has changed as well. Errors: E_UNDO,
 * E_UNKNOWN_SERVER, PhaseError.
 */
export async function undoSteps(options: ActionOptions, ids: readonly string[]): Promise<UndoResult> {
  const journal = await readJournal(options.state);
  const undone = ids.map((id): UndoneStep => {
    const step = findStep(journal, id, options);
    return { step, alreadyUndone: false, left: [] };
  });
  return { ...(await runAction(options, undoPhases(options.open, undone))), undone };
}

function findStep(journal: readonly JournalStep[], id: string, { inventory }: ActionOptions): JournalStep {
  const step = journal.find((each) => each.id === id);
  if (step === undefined) {
    throw new SlipwayError('E_UNDO', `the journal has no step ${id}`, {
      hint: 'see them with "slipway journal"',
    });
  }
  if (step.node === null) {
    throw new SlipwayError(
      'E_UNDO',
      `step ${id} (${step.change}) changed no server: it is of the cluster's objects or of the state directory`,
      { hint: 'change the inventory, or the object with kubectl, and run "slipway up"' },
    );
  }
  if (!inventory.servers.some(({ name }) => name === step.node)) {
    throw new SlipwayError(
      'E_UNKNOWN_SERVER',
      `step ${id} is of ${step.node}, which the inventory does not have`,
      {
        hint: 'give the inventory that has the server',
      },
    );
  }
  return step;
}

function undoPhases(open: ActionOptions['open'], undone: readonly UndoneStep[]): Phase[] {
  const plans = new Map<UndoneStep, StepUndo>();
  const select: ClusterPhase = {
    id: 'undo-request',
    title: 'Read the request',
    kind: 'check',
    run: async (cluster) => {
      cluster.targets = cluster.nodes.filter(({ name }) => undone.some(({ step }) => step.node === name));
    },
  };
  const look: NodePhase = {
    id: 'ledger',
    title: 'Read the ledgers',
    kind: 'check',
    nodes: allNodes,
    run: async (node) => {
      for (const [one, plan] of await planAll(node, undone)) plans.set(one, plan);
    },
  };
  const undoAll: ClusterPhase = {
    id: 'undo',
    title: 'Undo the steps',
    kind: 'change',
    run: async (cluster) => {
      for (const one of undone) {
        const plan = plans.get(one);
        const node = cluster.targets.find(({ name }) => name === one.step.node);
        if (plan === undefined || node === undefined) continue;
        one.alreadyUndone = plan.alreadyUndone;
        if (plan.alreadyUndone) continue;
        await node.change(`undo step ${one.step.id}: ${one.step.change}`, async () => {
          one.left = await putBack(node, one.step, plan);
        });
      }
    },
  };
  return [select, connect(open), look, undoAll];
}

/** How each of the steps of a server is undone, when those before it in the list have been. E_UNDO. */
async function planAll(node: Node, undone: readonly UndoneStep[]): Promise<Array<[UndoneStep, StepUndo]>> {
  const entries = await readLedger(node.host, { signal: node.cluster.signal });
  return undone
    .filter(({ step }) => step.node === node.name)
    .map((one) => {
      const { id, change } = one.step;
      const plan = planStepUndo(entries, id);
      if (plan === undefined) {
        throw new SlipwayError('E_UNDO', `the ledger of ${node.name} has nothing of step ${id} (${change})`, {
          hint: 'it changed nothing that is recorded, or the server was reset since',
        });
      }
      if (plan.obstacles.length > 0) {
        const why = plan.obstacles.join('; ');
        throw new SlipwayError('E_UNDO', `step ${id} (${change}) cannot be undone alone: ${why}`, {
          hint: 'undo the newest steps first, or correct the inventory and run "slipway up"',
        });
      }
      entries.push(recordOf(node, id));
      return [one, plan];
    });
}

const recordOf = (
  { cluster }: Node,
  id: string,
): { time: string; step: string; change: string; undone: string } => ({
  time: rfc3339(cluster.clock.now()),
  step: '',
  change: `undo step ${id}`,
  undone: id,
});

async function putBack(node: Node, { id }: JournalStep, { steps, started }: StepUndo): Promise<string[]> {
  const { cluster, host } = node;
  const options = { signal: cluster.signal };
  const packages = steps.flatMap((one) => (one.kind === 'packages' ? one.packages : []));
  // What a process leaves in the kernel and on the disk is not in the ledger: it stood nowhere before.
  const units = steps.flatMap((one) => (one.kind === 'unit' ? [one.unit] : []));
  const restarted = units.filter((unit) => !started.includes(unit));
  const { dnsAddress } = cluster;
  const traces = unitTracesScript({ units: started, restarted, packages, dnsAddress });
  if (traces !== '') await runScript(host, 'cleaning up', traces, { timeoutMs: 300_000, ...options });
  return await undoOnServer(host, steps, { ...options, record: recordOf(node, id) });
}
