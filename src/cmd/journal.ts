import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { JournalStep } from '../bootstrap/journal.ts';
import { printLine } from './operator.ts';

interface JournalFlags {
  inventory: string;
  stateDir?: string;
  node?: string;
  last: number;
  output: 'text' | 'json';
}

const EXAMPLES = `
Examples:
  slipway journal --inventory cluster.yaml                  the last steps, each with how it is undone
  slipway journal --inventory cluster.yaml --node worker1   those of one server
  slipway journal --inventory cluster.yaml --last 1000 --output json

Every step of every command stands there from before it began, on this machine alone. "cut off": its run was killed, or
is at work; the next run of the same command does what is missing.

Exit codes:
  0  told
  2  the inventory or the journal cannot be read`;

export function journalCommand(): Command {
  return new Command('journal')
    .description('list the steps that commands have taken, and how each is undone')
    .requiredOption('-i, --inventory <file>', 'the inventory (see inventories/example.yaml)')
    .option('--state-dir <dir>', 'where the journal is kept (default ~/.local/state/slipway/<cluster>)')
    .option('--node <name>', 'steps on this server alone')
    .option('--last <count>', 'so many steps', count, 50)
    .addOption(new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text'))
    .addHelpText('after', EXAMPLES)
    .action(async (flags: JournalFlags) => {
      const [{ loadInventory }, { StateDirectory }, { readJournal }] = await Promise.all([
        import('../bootstrap/inventory/load.ts'),
        import('../bootstrap/state-directory.ts'),
        import('../bootstrap/journal.ts'),
      ]);
      const { cluster } = await loadInventory(flags.inventory);
      const override = flags.stateDir === undefined ? undefined : resolve(flags.stateDir);
      const state = StateDirectory.locate(cluster.name, override, process.env);
      const steps = (await readJournal(state)).filter(
        ({ node }) => flags.node === undefined || node === flags.node,
      );
      const last = steps.slice(-flags.last);
      if (flags.output === 'json')
        printLine(JSON.stringify(last.map((step) => ({ ...step, undo: undoOf(step) }))));
      else for (const step of last) printLine(describe(step));
    });
}

function count(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1.');
  return Number(text);
}

/** The command that undoes a step; null where none does. */
const undoOf = ({ id, node }: JournalStep): string | null => (node === null ? null : `slipway undo ${id}`);

function describe(step: JournalStep): string {
  const state = { done: '', failed: ` [failed: ${step.error ?? 'unknown'}]`, begun: ' [cut off]' }[
    step.state
  ];
  const undo = undoOf(step);
  const where = step.node ?? 'the cluster';
  return `${step.time.slice(0, 19)}Z ${step.id} ${where}: ${step.change}${state}${undo === null ? '' : `\n    undo: ${undo}`}`;
}
