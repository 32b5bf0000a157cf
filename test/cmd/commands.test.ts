/** What commands declare about themselves: help, documentation, completion in real shells. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { commandsDocument } from '../../src/cmd/commands-document.ts';
import { completionScript, type CommandTree } from '../../src/cmd/completion-scripts.ts';
import { loadTree } from '../../src/cmd/program.ts';

const DOCUMENT = fileURLToPath(new URL('../../docs/commands.md', import.meta.url));

let tree: CommandTree;
let document: string;
test.before(async () => {
  tree = await loadTree();
  document = commandsDocument(tree);
});

test('docs/commands.md is what the commands declare', (t) => {
  t.is(readFileSync(DOCUMENT, 'utf8'), document, 'run: node scripts/commands-doc.ts');
});

test('every command that people call has a description, examples and exit codes', (t) => {
  for (const { name, summary } of tree) {
    const section = document.split(`\n## slipway ${name}\n`)[1]?.split('\n## ')[0] ?? '';
    t.regex(section, new RegExp(`Usage: slipway ${name}`), name);
    t.regex(section, new RegExp(`Examples:\n +.*slipway`), `${name} has no examples`);
    t.regex(section, /Exit codes:\n {2}0 {2}\S/, `${name} has no exit codes`);
    t.truthy(summary);
  }
});

test('what only machines call is not documented', (t) => {
  t.false(tree.some(({ name }) => name === 'probe'));
  t.notRegex(document, /^## slipway probe/m);
});

const scriptOf = (shell: 'bash'): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'slipway-completion-')), `slipway.${shell}`);
  writeFileSync(path, completionScript(shell, tree));
  return path;
};

/** What bash would offer for these words; the last one is being typed. */
function bashOffers(path: string, ...words: string[]): string[] {
  const typed = ['slipway', ...words].map((word) => `'${word}'`).join(' ');
  const script = `source ${path}
COMP_WORDS=(${typed})
COMP_CWORD=${words.length}
_slipway slipway
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-euc', script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim().split('\n');
}

test('bash completes commands, flags, words and files', (t) => {
  const path = scriptOf('bash');
  t.deepEqual(bashOffers(path, 'pre'), ['preflight']);
  t.deepEqual(bashOffers(path, 'status', '--wat'), ['--watch']);
  t.deepEqual(bashOffers(path, 'status', '--output', ''), ['text', 'json']);
  t.deepEqual(bashOffers(path, 'completion', ''), ['bash', 'zsh', 'fish']);
  t.deepEqual(bashOffers(path, 'help', 'sta'), ['status']);
  t.deepEqual(bashOffers(path, 'up', '-i', '/etc/hostn'), ['/etc/hostname']);
  t.true(bashOffers(path, '').includes('support'));
  t.false(bashOffers(path, '').includes('probe'));
  for (const { name, command } of tree) {
    const flags = bashOffers(path, name, '--');
    for (const { long, hidden } of command.options)
      if (long && !hidden) t.true(flags.includes(long), `${name} ${long}`);
  }
});
