import { Argument, Command } from 'commander';
import type { CommandTree } from './completion-scripts.ts';

const EXAMPLES = `
Examples:
  source <(slipway completion bash)                                  this shell
  slipway completion bash >/etc/bash_completion.d/slipway            every bash
  slipway completion zsh >"\${fpath[1]}/_slipway"                     every zsh
  slipway completion fish >~/.config/fish/completions/slipway.fish   every fish

Exit codes:
  0  the script is printed
  2  there is no such shell`;

/** `load` gives every command that people call: the script is made from the flags that they declare. */
export function completionCommand(load: () => Promise<CommandTree>): Command {
  return new Command('completion')
    .description('print a script that completes commands and flags in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', EXAMPLES)
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completionScript } = await import('./completion-scripts.ts');
      process.stdout.write(completionScript(shell, await load()));
    });
}
