import { SlipwayError } from '../../base/errors.ts';
import { rfc3339 } from '../../base/clock.ts';
import { runScript } from '../../provision/host.ts';
import { planStepUndo, type StepUndo } from '../../provision/undo-step.ts';
import { readLedger, undo as undoOnServer } from '../../provision/undo.ts';
import type { Cluster, Node } from '../cluster.ts';
import { readJournal, type JournalStep } from '../journal.ts';
import { allNodes, type ClusterPhase, type NodePhase, type Phase } from '../phase.ts';
import { connect } from '../phases/connect.ts';
import { unitTracesScript } from '../reset/traces.ts';
import { runAction, type ActionOptions, type ActionResult } from './run-action.ts';

export interface UndoResult extends ActionResult {
  step: JournalStep;
  /** The step had been undone before: nothing was changed. */
  alreadyUndone: boolean;
  /** What could not be put back, in sentences. */
  left: string[];
}

/**
 * Undoes one step on its server: what it changed there is as it stood before it. Again is harmless. Refuses, before anything
 * is changed, a step whose things a later step has changed as well. Errors: E_UNDO, PhaseError.
 */
export async function undoStep(options: ActionOptions, id: string): Promise<UndoResult> {
  const result: Omit<UndoResult, keyof ActionResult> = {
    step: await findStep(options, id),
    alreadyUndone: false,
    left: [],
  };
  const done = await runAction(options, undoPhases(options.open, result));
  return { ...done, ...result };
}

async function findStep({ state, inventory }: ActionOptions, id: string): Promise<JournalStep> {
  const step = (await readJournal(state)).find((each) => each.id === id);
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

function undoPhases(open: ActionOptions['open'], result: Omit<UndoResult, keyof ActionResult>): Phase[] {
  const { step } = result;
  const plans = new WeakMap<Cluster, StepUndo>();
  const select: ClusterPhase = {
    id: 'undo-request',
    title: 'Read the request',
    kind: 'check',
    run: async (cluster) => {
      cluster.targets = cluster.nodes.filter(({ name }) => name === step.node);
    },
  };
  const look: NodePhase = {
    id: 'ledger',
    title: 'Read the ledger of the server',
    kind: 'check',
    nodes: allNodes,
    run: async (node, cluster) => {
      const plan = planStepUndo(await readLedger(node.host, { signal: cluster.signal }), step.id);
      if (plan === undefined) {
        throw new SlipwayError(
          'E_UNDO',
          `the ledger of ${node.name} has nothing of step ${step.id} (${step.change})`,
          {
            hint: 'it changed nothing that is recorded, or the server was reset since',
          },
        );
      }
      if (plan.obstacles.length > 0) {
        throw new SlipwayError(
          'E_UNDO',
          `step ${step.id} (${step.change}) cannot be undone alone: ${plan.obstacles.join('; ')}`,
          { hint: 'undo the newest steps first, or correct the inventory and run "slipway up"' },
        );
      }
      result.alreadyUndone = plan.alreadyUndone;
      plans.set(cluster, plan);
    },
  };
  const undoIt: NodePhase = {
    id: 'undo',
    title: 'Undo the step',
    kind: 'change',
    nodes: allNodes,
    run: async (node, cluster) => {
      const plan = plans.get(cluster);
      if (plan === undefined || plan.alreadyUndone) return;
      await node.change(`undo step ${step.id}: ${step.change}`, async () => {
        result.left.push(...(await putBack(node, step, plan)));
      });
    },
  };
  return [select, connect(open), look, undoIt];
}

async function putBack(node: Node, step: JournalStep, { steps, started }: StepUndo): Promise<string[]> {
  const { cluster, host } = node;
  const options = { signal: cluster.signal };
  const packages = steps.flatMap((one) => (one.kind === 'packages' ? one.packages : []));
  // What a process leaves in the kernel and on the disk is not in the ledger: it stood nowhere before.
  const traces = unitTracesScript({ units: started, packages, dnsAddress: cluster.dnsAddress });
  if (traces !== '') await runScript(host, 'cleaning up', traces, { timeoutMs: 300_000, ...options });
  const record = {
    time: rfc3339(cluster.clock.now()),
    step: '',
    change: `undo step ${step.id}`,
    undone: step.id,
  };
  return await undoOnServer(host, steps, { ...options, record });
}
