import type { Command } from 'commander';
import type { CommandTree } from './completion-scripts.ts';

const INTRODUCTION = `# Commands

Made by \`node scripts/commands-doc.ts\` from what the commands declare. \`slipway <command> --help\` prints the same.

With \`--output json\` a command that works on servers prints one JSON object a line: \`{"time":…,"type":"plan","phases":[…]}\`,
then \`phase-started\`, \`change\`, \`progress\`, \`warning\`, \`node-finished\`, \`node-failed\`, \`phase-finished\` and
\`phase-failed\` as they happen (\`src/bootstrap/report.ts\` has their fields), and at the end
\`{"type":"done",…}\` or \`{"type":"failed","code":"E_…","message":"…","hint":"…","changed":false}\`.
Codes are in [errors.md](errors.md).

Ports that servers of a cluster must let in from each other: 6443 (API servers; also from people), 2379 and 2380 (etcd,
between control planes), 10250 (kubelets), and everything between pods.
`;

/** docs/commands.md: every command that people call, with its flags, examples, exit codes and JSON. */
export function commandsDocument(tree: CommandTree): string {
  return INTRODUCTION + tree.map(({ name, command }) => section(name, command)).join('');
}

/** As --help prints it, at a width that does not depend on a terminal; commands below it follow. */
function section(name: string, command: Command): string {
  let text = '';
  // A command below another one prints that one's name before its own.
  if (command.parent === null) command.name(`slipway ${name}`);
  command.configureOutput({
    writeOut: (chunk) => (text += chunk),
    getOutHelpWidth: () => 110,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  const own = `\n## slipway ${name}\n\n\`\`\`\n${text.trim()}\n\`\`\`\n`;
  return own + command.commands.map((each) => section(`${name} ${each.name()}`, each)).join('');
}
