import { SlipwayError } from '../../base/errors.ts';
import { runScript } from '../../provision/host.ts';
import { LEDGER_DIRECTORY } from '../../provision/ledger.ts';
import { describeLine, INVENTORY_FUNCTION, inventoryDifferences } from '../../provision/server-inventory.ts';
import { planUndo, readLedger, undo } from '../../provision/undo.ts';
import type { Node } from '../cluster.ts';
import { allNodes, type ClusterPhase, type NodePhase, type Phase } from '../phase.ts';
import { connect } from '../phases/connect.ts';
import { cleanTracesScript } from '../reset/traces.ts';
import { runAction, type ActionOptions, type ActionResult } from './run-action.ts';

export interface ResetRequest {
  /** Names; none: every server of the inventory. */
  nodes: readonly string[];
}

/** What a server is like after its reset, compared with what it was before the installation. */
export interface ResetOutcome {
  node: string;
  /** 'clean': nothing of ours was there. 'unknown': no inventory was taken before the installation. */
  verdict: 'equal' | 'different' | 'clean' | 'unknown';
  /** Lines that only the inventory before ('-') or after ('+') has. */
  differences: string[];
  /** What could not be put back, in sentences. */
  left: string[];
}

export interface ResetResult extends ActionResult {
  outcomes: ResetOutcome[];
}

/**
 * Takes everything of ours off servers: what runs is stopped, what it left is cleaned, and the server's ledger is
 * undone, newest change first. The inventory that was taken before the first change must then be equal to a new one.
 * It asks no API server, so that it works on what is left of a cluster. Errors: PhaseError.
 */
export async function reset(options: ActionOptions, request: ResetRequest): Promise<ResetResult> {
  const outcomes: ResetOutcome[] = [];
  const result = await runAction(options, resetPhases(options.open, request, outcomes));
  return { ...result, outcomes: outcomes.toSorted((a, b) => (a.node < b.node ? -1 : 1)) };
}

export function resetPhases(
  open: ActionOptions['open'],
  request: ResetRequest,
  outcomes: ResetOutcome[],
): Phase[] {
  const select: ClusterPhase = {
    id: 'reset-request',
    title: 'Read the request',
    kind: 'check',
    run: async (cluster) => {
      for (const name of request.nodes) {
        if (cluster.nodes.some((node) => node.name === name)) continue;
        throw new SlipwayError('E_UNKNOWN_SERVER', `the inventory has no server ${name}`, {
          hint: `name one of ${cluster.nodes.map((node) => node.name).join(', ')}`,
        });
      }
      if (request.nodes.length > 0) {
        cluster.targets = cluster.nodes.filter((node) => request.nodes.includes(node.name));
      }
    },
  };
  const resetServers: NodePhase = {
    id: 'reset',
    title: 'Reset the servers',
    kind: 'change',
    nodes: allNodes,
    run: async (node) => {
      outcomes.push(await resetServer(node));
    },
  };
  return [select, connect(open), resetServers];
}

/** Resets one server that is connected; see `reset`. */
export async function resetServer(node: Node): Promise<ResetOutcome> {
  const { cluster, host } = node;
  const options = { signal: cluster.signal };
  const entries = await readLedger(host, options);
  if (entries.length === 0) {
    return { node: node.name, verdict: 'clean', differences: [], left: [] };
  }
  const outcome: ResetOutcome = { node: node.name, verdict: 'unknown', differences: [], left: [] };
  const steps = planUndo(entries);
  await node.change('stop everything of ours, and clean up after it', async () => {
    const traces = cleanTracesScript({ dnsAddress: cluster.dnsAddress });
    await runScript(host, 'cleaning up', traces, { timeoutMs: 300_000, ...options });
  });
  await node.change(`undo ${steps.length} changes of the ledger`, async () => {
    outcome.left = await undo(host, steps, options);
  });
  await node.change('compare with the inventory from before, and forget the ledger', async () => {
    await compare(node, outcome);
    // The ledger goes last: until here a reset that broke off begins again.
    const forget = `
cd /
rm -rf '${LEDGER_DIRECTORY}'
rmdir /var/lib/slipway 2>/dev/null || true
sync
`;
    await runScript(host, 'removing the ledger', forget, options);
  });
  return outcome;
}

async function compare(node: Node, outcome: ResetOutcome): Promise<void> {
  const { host, cluster } = node;
  const options = { signal: cluster.signal, timeoutMs: 120_000 };
  const script = `
cat '${LEDGER_DIRECTORY}/inventory' 2>/dev/null || exit 0
`;
  const before = await runScript(host, 'reading the inventory from before', script, options);
  if (before === '') return;
  const take = `${INVENTORY_FUNCTION}\ninventory\n`;
  const after = withoutLedger(await runScript(host, 'taking the inventory', take, options));
  const { gone, added } = inventoryDifferences(before, after);
  outcome.differences = [
    ...gone.map((line) => `- ${describeLine(line)}`),
    ...added.map((line) => `+ ${describeLine(line)}`),
  ];
  outcome.verdict = outcome.differences.length === 0 ? 'equal' : 'different';
}

/** The folder that holds the ledger goes after the comparison. */
const withoutLedger = (inventory: string): string =>
  inventory
    .split('\n')
    .filter((line) => !line.startsWith('path\t/var/lib/slipway\t'))
    .join('\n');
