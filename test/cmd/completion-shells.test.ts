/** The completion of zsh and fish in the shells themselves: this machine's, or Debian's, unpacked into a cache. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { completionScript } from '../../src/cmd/completion-scripts.ts';
import { loadTree } from '../../src/cmd/program.ts';
import { debianProgram } from '../helpers/debian-program.ts';

interface Shell {
  program: string;
  env: NodeJS.ProcessEnv;
  /** What it must be told first of where its own parts are. */
  begin?: string;
}

const isInstalled = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

function zshShell(): Shell | string {
  if (isInstalled('zsh')) return { program: 'zsh', env: process.env };
  const found = debianProgram('zsh', 'zsh', 'zsh-common');
  if (found.program === undefined) return found.reason;
  // It lies in /bin.
  const root = join(found.program, '../..');
  return {
    program: found.program,
    env: process.env,
    begin: `module_path=(${join(root, 'usr/lib', libraryFolder(), 'zsh/*(/)')}); fpath=(${join(root, 'usr/share/zsh/functions/**/*(/)')}); `,
  };
}

function fishShell(): Shell | string {
  if (isInstalled('fish')) return { program: 'fish', env: process.env };
  const found = debianProgram('fish', 'fish', 'fish-common', 'libpcre2-32-0');
  if (found.program === undefined) return found.reason;
  // Only with both of its folders beside it does it look there, and not where a package would put them.
  mkdirSync(join(found.program, '../../etc/fish'), { recursive: true });
  const libraries = join(found.program, `../../lib/${libraryFolder()}`);
  return { program: found.program, env: { ...process.env, LD_LIBRARY_PATH: libraries } };
}

const libraryFolder = (): string =>
  existsSync('/usr/lib/x86_64-linux-gnu') ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';

async function scriptOf(shell: 'zsh' | 'fish'): Promise<string> {
  const path = join(mkdtempSync(join(tmpdir(), 'slipway-completion-')), `slipway.${shell}`);
  writeFileSync(path, completionScript(shell, await loadTree()));
  return path;
}

/** A person at a terminal of zsh: what stands on the line after it was typed and Tab was pressed. */
function zshLine({ program, env, begin = '' }: Shell, script: string, typed: string): string {
  const home = mkdtempSync(join(tmpdir(), 'slipway-zsh-'));
  writeFileSync(join(home, '.zshenv'), `${begin}\n`);
  writeFileSync(
    join(home, '.zshrc'),
    `autoload -Uz compinit; compinit -u -D
source ${script}
zstyle ':completion:*' insert-tab false
show() { print -r -- "<<$BUFFER>>" }
zle -N show
bindkey '^X' show
PS1=
print READY
`,
  );
  const driver = join(home, 'driver.zsh');
  writeFileSync(
    driver,
    `${begin}
zmodload zsh/zpty || exit 9
zpty person ${program} -d -i
zpty -r person answer '*READY*' || exit 8
zpty -w -n person ${JSON.stringify(typed)}$'\\t\\C-x'
zpty -r person answer '*\\<\\<*\\>\\>*' || exit 7
print -r -- "$answer"
zpty -d person
`,
  );
  const options = {
    encoding: 'utf8',
    timeout: 30_000,
    env: { ...env, HOME: home, ZDOTDIR: home, TERM: 'dumb' },
  } as const;
  const { status, stdout, stderr } = spawnSync(program, ['-f', driver], options);
  if (status !== 0) throw new Error(`zsh ended with ${status}: ${stdout}${stderr}`);
  return /<<(.*)>>/.exec(stdout)?.[1]?.trimEnd() ?? stdout;
}

const zsh = zshShell();
(typeof zsh === 'string' ? test.skip : test)(
  `zsh completes commands, flags and words${typeof zsh === 'string' ? ` (${zsh})` : ''}`,
  async (t) => {
    if (typeof zsh === 'string') return;
    const script = await scriptOf('zsh');
    t.is(zshLine(zsh, script, 'slipway pref'), 'slipway preflight');
    t.is(zshLine(zsh, script, 'slipway status --wat'), 'slipway status --watch');
    t.is(zshLine(zsh, script, 'slipway status --output js'), 'slipway status --output json');
    t.is(zshLine(zsh, script, 'slipway completion fi'), 'slipway completion fish');
    t.is(zshLine(zsh, script, 'slipway prob'), 'slipway prob', 'what only machines call is not offered');
  },
);

const fish = fishShell();
(typeof fish === 'string' ? test.skip : test)(
  `fish completes commands, flags and words${typeof fish === 'string' ? ` (${fish})` : ''}`,
  async (t) => {
    if (typeof fish === 'string') return;
    const script = await scriptOf('fish');
    const home = mkdtempSync(join(tmpdir(), 'slipway-fish-'));
    const offers = (lines: readonly string[]): string[] => {
      const asked = lines.map((line) => `complete -C '${line}'; echo END`);
      const { status, stdout, stderr } = spawnSync(
        fish.program,
        ['--no-config', '-c', [`source ${script}`, ...asked].join('\n')],
        { encoding: 'utf8', timeout: 60_000, env: { ...fish.env, HOME: home } },
      );
      if (status !== 0) throw new Error(`fish ended with ${status}: ${stderr}`);
      return stdout.split('END\n');
    };
    const [pre = '', wat = '', output = '', all = ''] = offers([
      'slipway pre',
      'slipway status --wat',
      'slipway status --output ',
      'slipway ',
    ]);
    t.regex(pre, /^preflight\t/m);
    t.regex(wat, /^--watch\t/m);
    t.regex(output, /^json\b/m);
    t.notRegex(all, /^probe\b/m);
    const tree = await loadTree();
    const flags = offers(tree.map(({ name }) => `slipway ${name} --`));
    for (const [index, { name, command }] of tree.entries()) {
      for (const { long, hidden } of command.options) {
        if (long && !hidden) t.regex(flags[index] ?? '', new RegExp(`^${long}\\b`, 'm'), name);
      }
    }
  },
);
