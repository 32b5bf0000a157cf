import { messageOf, codeOf, SlipwayError } from '../base/errors.ts';
import type { Cluster, Node } from './cluster.ts';
import { isNodePhase, type NodePhase, type Phase } from './phase.ts';

/** Servers that are worked on at a time. */
const CONCURRENCY = 20;

/** A phase failed: on which servers and why. `changed` tells whether any server may have been changed. */
export class PhaseError extends SlipwayError {
  readonly phase: string;
  readonly changed: boolean;

  constructor(
    phase: Phase,
    failures: ReadonlyArray<{ node: string | undefined; error: unknown }>,
    changed: boolean,
  ) {
    const [first] = failures;
    const cause = first?.error;
    // Servers that wait for one lock fail by one error, which names the server that is held.
    const distinct = failures.filter(
      ({ error }, i) => failures.findIndex((other) => other.error === error) === i,
    );
    const shared = distinct.length < failures.length;
    const lines = distinct.map(({ node, error }) => {
      const message = messageOf(error);
      return shared || node === undefined || message.startsWith(node) ? message : `${node}: ${message}`;
    });
    const hints = [
      ...new Set(
        failures.flatMap(({ error }) => (error instanceof SlipwayError && error.hint ? [error.hint] : [])),
      ),
    ];
    if (!changed) hints.push('nothing was changed on any server');
    super(codeOf(cause) ?? 'E_PHASE', `step "${phase.title}" failed: ${lines.join('\n  ')}`, {
      hint: hints.join('\nhint: '),
      cause,
    });
    this.phase = phase.id;
    this.changed = changed;
  }
}

/**
 * Runs phases in order, each on all its servers side by side. When it fails on one server the others finish that
 * phase, and no further phase begins. Errors: PhaseError.
 */
export async function runPhases(cluster: Cluster, phases: readonly Phase[]): Promise<void> {
  cluster.report({ type: 'plan', phases: phases.map(({ id, title }) => ({ id, title })) });
  for (const phase of phases) {
    cluster.signal.throwIfAborted();
    await runPhase(cluster, phase);
  }
}

async function runPhase(cluster: Cluster, phase: Phase): Promise<void> {
  const startedMs = cluster.clock.monotonicMs();
  cluster.phase = phase.id;
  const skipped = phase.kind === 'wait' && cluster.dryRun;
  const nodes = isNodePhase(phase) && !skipped ? phase.nodes(cluster) : [];
  cluster.report({
    type: 'phase-started',
    phase: phase.id,
    title: phase.title,
    nodes: nodes.map(({ name }) => name),
  });
  try {
    if (isNodePhase(phase)) await runOnNodes(cluster, phase, nodes);
    else if (!skipped) await phase.run(cluster);
  } catch (error) {
    cluster.report({ type: 'phase-failed', phase: phase.id });
    cluster.signal.throwIfAborted();
    throw error instanceof PhaseError
      ? error
      : new PhaseError(phase, [{ node: undefined, error }], cluster.touched);
  }
  const durationMs = cluster.clock.monotonicMs() - startedMs;
  cluster.report({ type: 'phase-finished', phase: phase.id, durationMs, skipped });
}

async function runOnNodes(cluster: Cluster, phase: NodePhase, nodes: readonly Node[]): Promise<void> {
  const failures: Array<{ node: string; error: unknown }> = [];
  const queue = [...nodes];
  const worker = async (): Promise<void> => {
    for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
      try {
        await phase.run(node, cluster);
        cluster.report({ type: 'node-finished', phase: phase.id, node: node.name });
      } catch (error) {
        failures.push({ node: node.name, error });
        const hint = error instanceof SlipwayError ? error.hint : undefined;
        const code = codeOf(error) ?? 'E_PHASE';
        cluster.report({
          type: 'node-failed',
          phase: phase.id,
          node: node.name,
          message: messageOf(error),
          code,
          hint,
        });
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  // A bug is not a server's fault: it keeps its stack.
  const bug = failures.find(({ error }) => codeOf(error) === undefined);
  if (bug) throw bug.error;
  if (failures.length > 0) throw new PhaseError(phase, failures, cluster.touched);
}
