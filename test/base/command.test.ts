import test from 'ava';
import { CommandError, runCommand } from '../../src/base/command.ts';

test('a command gets its input and gives its output', async (t) => {
  t.is(await runCommand('cat', [], { input: 'hello\n' }), 'hello\n');
});

test('a command that fails says how and with which words', async (t) => {
  const error = await t.throwsAsync(runCommand('sh', ['-c', 'echo broken >&2; exit 3']), {
    instanceOf: CommandError,
  });
  t.is(error?.exitCode, 3);
  t.is(error?.code, 'E_COMMAND');
  t.regex(error?.message ?? '', /exit code 3: broken/);
});

test('a command that is not there, or takes too long, has no exit code', async (t) => {
  const missing = await t.throwsAsync(runCommand('no-such-command-here', []), { instanceOf: CommandError });
  t.is(missing?.exitCode, undefined);
  const slow = await t.throwsAsync(runCommand('sleep', ['60'], { timeoutMs: 50 }), {
    instanceOf: CommandError,
  });
  t.is(slow?.exitCode, undefined);
});

test('the tools of the system come before those of packages', async (t) => {
  // npm puts node_modules/.bin first, where a package has an nft of its own.
  t.regex(await runCommand('sh', ['-c', 'echo $PATH']), /^\/usr\/local\/sbin:\/usr\/sbin:/);
});
