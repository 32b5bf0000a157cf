import { dirname, resolve } from 'node:path';
import { Command } from 'commander';
import { addOperatorOptions, printLine, runOperation, type OperatorFlags } from './operator.ts';

interface SupportFlags extends Omit<OperatorFlags, 'output'> {
  output: string;
  json?: boolean;
}

const CONNECT_MS = 4000;

const EXAMPLES = `
Examples:
  slipway support --inventory cluster.yaml
  slipway support --inventory cluster.yaml -o /tmp/production.tar.gz

The file holds journals, facts, units, versions, events, nodes and pods, and the output of "slipway status". Secrets,
keys, tokens and passwords are left out or replaced by <removed>. It works while the API is down.

Exit codes:
  0  the file is written; what is missing is named
  2  it could not be written, or the inventory is wrong
  130  interrupted

JSON (--json): {"type":"done","file":"…","files":60,"missing":["w2: …"],"seconds":3.2}`;

export function supportCommand(): Command {
  const command = new Command('support').description(
    'collect logs and facts of a cluster into one file, without secrets',
  );
  return addOperatorOptions(command, 'file')
    .option('-o, --output <file>', 'the file to write', 'slipway-support.tar.gz')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: SupportFlags) => {
      const { support } = await import('../bootstrap/support/support.ts');
      const request = { path: resolve(flags.output), folder: dirname(resolve(flags.inventory)) };
      await runOperation(
        { ...flags, output: flags.json ? 'json' : 'text', connectTimeoutMs: CONNECT_MS },
        (options) => support(options, request),
        ({ path, files, missing }, durationMs) => {
          const seconds = Number((durationMs / 1000).toFixed(1));
          if (flags.json) {
            printLine(JSON.stringify({ type: 'done', file: path, files, missing, seconds }));
            return;
          }
          for (const line of missing) printLine(`missing: ${line}`);
          printLine(`${path}: ${files} files, in ${seconds} s`);
        },
      );
    });
}
