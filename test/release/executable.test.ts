import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { extract } from 'tar-stream';
import { buildRelease } from '../../scripts/build/release.ts';
import { releaseInfo } from '../../src/base/version.ts';
import { EXECUTABLE_NAMES } from '../../src/bootstrap/release.ts';
import { loadTree } from '../../src/cmd/program.ts';

const run = promisify(execFile);
const root = await mkdtemp(join(tmpdir(), 'slipway-release-'));
test.after.always(() => rm(root, { recursive: true, force: true }));
const executable = join(root, 'dist', 'slipway');

test.before('build', async (t) => {
  t.timeout(180_000);
  await buildRelease(join(root, 'dist'));
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

async function call(file: string, ...args: string[]): Promise<Ended> {
  try {
    // Not from the checkout: nothing of it may be needed.
    return { code: 0, ...(await run(file, args, { cwd: root })) };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}

test('the executable tells its version under every name that it is installed by', async (t) => {
  const names = join(root, 'names');
  await mkdir(names);
  const { version, commit } = releaseInfo();
  for (const name of EXECUTABLE_NAMES) {
    await symlink(executable, join(names, name));
    const { code, stdout, stderr } = await call(join(names, name), 'version');
    t.is(code, 0, stderr);
    t.true(stdout.startsWith(`${name} ${version} (commit ${commit.slice(0, 12)}, `), stdout);
    t.is(stderr, '');
  }
});

test('each component is chosen by name alone and prints its own help', async (t) => {
  const names = join(root, 'components');
  await mkdir(names);
  for (const name of EXECUTABLE_NAMES.filter((name) => name !== 'slipway')) {
    await symlink(executable, join(names, name));
    const byName = await call(join(names, name), '--help');
    t.is(byName.code, 0, byName.stderr);
    t.true(byName.stdout.startsWith(`Usage: ${name} `), byName.stdout);
    t.true(byName.stdout.includes('Examples:'), name);
    t.true(byName.stdout.includes('--metrics-bind-address'), name);
    const bySubcommand = await call(executable, name.slice('slipway-'.length), '--help');
    t.true(bySubcommand.stdout.startsWith(`Usage: ${name.replace('-', ' ')} `), bySubcommand.stdout);
  }
});

test('every command that people call is inside, and completion knows them all', async (t) => {
  const commands = (await loadTree()).map(({ name }) => name);
  for (const name of commands) {
    const { code, stdout, stderr } = await call(executable, name, '--help');
    t.is(code, 0, stderr);
    t.true(stdout.startsWith(`Usage: slipway ${name}`), stdout);
  }
  const { code, stdout, stderr } = await call(executable, 'completion', 'bash');
  t.is(code, 0, stderr);
  for (const name of commands) t.true(stdout.includes(name), name);
});

test('the sandbox image travels inside', async (t) => {
  const file = join(root, 'image.tar');
  const { code, stderr } = await call(executable, 'sandbox-image', '--output', file);
  t.is(code, 0, stderr);
  const image = await readFile(file);
  t.true(image.equals(await readFile(join(root, 'dist', 'pause.tar'))));
  const reader = extract();
  reader.end(image);
  let index = '';
  for await (const entry of reader) {
    for await (const chunk of entry) if (entry.header.name === 'index.json') index += String(chunk);
  }
  t.true(index.includes(`slipway.local/pause:${releaseInfo().version}`));
});

test('wrong usage ends with 2 and says what was wrong and where to look', async (t) => {
  const cases: Array<[string[], RegExp]> = [
    [['servre'], /unknown command 'servre'/],
    [['verison'], /Did you mean version\?/],
    [['--no-such-flag'], /unknown option '--no-such-flag'/],
    [['server', '--data-dir', 'x', '--no-such-flag'], /unknown option '--no-such-flag'/],
    [['proxy'], /required option '--kubeconfig <file>' not specified/],
    [['proxy', '--kubeconfig=x', '--metrics-bind-address=there'], /an address and a port/],
    [['scheduler', '--kubeconfig=x', '--leader-elect=maybe'], /true or false/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await call(executable, ...args);
    t.is(code, 2, args.join(' '));
    t.regex(stderr, message);
    t.regex(stderr, /hint: slipway .*--help shows what there is/);
  }
});

test('a failure that is not wrong usage ends with 1, its code and its hint', async (t) => {
  const { code, stderr } = await call(executable, 'proxy', '--kubeconfig=/nowhere', '--log-level=silent');
  t.is(code, 1);
  t.regex(stderr, /error: the kubeconfig \/nowhere cannot be read \[E_KUBECONFIG\]/);
});
