import type { Command, Option } from 'commander';

/** Every command that people call, with what it is for. */
export type CommandTree = Array<{ name: string; summary: string; command: Command }>;

/** What follows a flag: nothing, one of these words, a file, a folder, or anything. */
type Value = { kind: 'none' | 'file' | 'folder' | 'any' } | { kind: 'words'; words: string[] };

interface Flag {
  names: string[];
  description: string;
  value: Value;
}

/** A script for a shell that completes commands, flags and their values, made from what commander knows. */
export function completionScript(shell: 'bash' | 'zsh' | 'fish', tree: CommandTree): string {
  return { bash, zsh, fish }[shell](tree);
}

const flagsOf = (command: Command): Flag[] => [
  ...command.options.filter(({ hidden }) => !hidden).map(flagOf),
  { names: ['-h', '--help'], description: 'display help for command', value: { kind: 'none' } },
];

function flagOf(option: Option): Flag {
  const names = [option.short, option.long].filter((name) => name !== undefined);
  return { names, description: option.description, value: valueOf(option) };
}

function valueOf(option: Option): Value {
  if (!option.required && !option.optional) return { kind: 'none' };
  if (option.argChoices) return { kind: 'words', words: option.argChoices };
  const placeholder = /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1] ?? '';
  if (placeholder === 'format') return { kind: 'words', words: ['text', 'json'] };
  if (placeholder === 'file') return { kind: 'file' };
  return { kind: placeholder === 'dir' || placeholder === 'directory' ? 'folder' : 'any' };
}

const argumentWords = (command: Command): string[] =>
  command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);

/** Commands of the tree, and help itself. */
const commandNames = (tree: CommandTree): string[] => [...tree.map(({ name }) => name), 'help'];

function bash(tree: CommandTree): string {
  const cases = tree.map(({ name, command }) => {
    const flags = flagsOf(command);
    const values = flags.flatMap(({ names, value }) => {
      const pattern = names.join('|');
      switch (value.kind) {
        case 'none':
          return [];
        case 'words':
          return [
            `        ${pattern}) COMPREPLY=($(compgen -W '${value.words.join(' ')}' -- "$current")); return ;;`,
          ];
        case 'file':
          return [`        ${pattern}) COMPREPLY=($(compgen -f -- "$current")); return ;;`];
        case 'folder':
          return [`        ${pattern}) COMPREPLY=($(compgen -d -- "$current")); return ;;`];
        default:
          return [`        ${pattern}) return ;;`];
      }
    });
    const words = flags.flatMap(({ names }) => names.filter((each) => each.startsWith('--')));
    return `    ${name})
      case "$previous" in
${values.join('\n')}
      esac
      words='${words.join(' ')}'
      [[ $current == -* ]] || words='${argumentWords(command).join(' ')}'
      ;;`;
  });
  return `# Completion of slipway for bash: source <(slipway completion bash)
_slipway() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${commandNames(tree).join(' ')}' -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    help) words='${tree.map(({ name }) => name).join(' ')}' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o filenames -F _slipway slipway
`;
}

/** Inside '…' of zsh's _arguments: brackets and colons are its own. */
const zshText = (text: string): string => text.replaceAll("'", '’').replaceAll(/[[\]:\\]/g, '\\$&');

function zsh(tree: CommandTree): string {
  const action = (value: Value): string => {
    if (value.kind === 'none') return '';
    if (value.kind === 'words') return `:value:(${value.words.join(' ')})`;
    return { file: ':file:_files', folder: ':folder:_files -/', any: ':value: ' }[value.kind];
  };
  const cases = tree.map(({ name, command }) => {
    const specs = flagsOf(command).flatMap(({ names, description, value }) =>
      names.map((each) => `        '*${each}[${zshText(description)}]${action(value)}'`),
    );
    const words = argumentWords(command);
    const rest = words.length > 0 ? [`        '1:argument:(${words.join(' ')})'`] : [];
    return `    ${name})\n      _arguments \\\n${[...specs, ...rest].join(' \\\n')}\n      ;;`;
  });
  const names = tree.map(({ name, summary }) => `    '${name}:${zshText(summary)}'`);
  return `#compdef slipway
# Completion of slipway for zsh.
_slipway() {
  local -a commands=(
${names.join('\n')}
    'help:display help for command'
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
    help) _describe command commands ;;
  esac
}
if [ "$funcstack[1]" = _slipway ]; then _slipway "$@"; else compdef _slipway slipway; fi
`;
}

const fishText = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function fish(tree: CommandTree): string {
  const lines = tree.flatMap(({ name, summary, command }) => {
    const within = `-n '__fish_seen_subcommand_from ${name}'`;
    const flags = flagsOf(command).map(({ names, description, value }) => {
      const forms = names.map((each) =>
        each.startsWith('--') ? `-l ${each.slice(2)}` : `-s ${each.slice(1)}`,
      );
      const takes = {
        none: () => '',
        file: () => ' -r -F',
        folder: () => " -x -a '(__fish_complete_directories)'",
        any: () => ' -x',
        words: () => ` -x -a '${value.kind === 'words' ? value.words.join(' ') : ''}'`,
      }[value.kind]();
      return `complete -c slipway ${within} ${forms.join(' ')} -d ${fishText(description)}${takes}`;
    });
    const words = argumentWords(command);
    return [
      `complete -c slipway -n __fish_use_subcommand -a ${name} -d ${fishText(summary)}`,
      ...flags,
      ...(words.length > 0 ? [`complete -c slipway ${within} -a '${words.join(' ')}'`] : []),
    ];
  });
  return `# Completion of slipway for fish.\ncomplete -c slipway -f\n${lines.join('\n')}\n`;
}
