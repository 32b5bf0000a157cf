import { mkdtempSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { sha256 } from '../../src/provision/files.ts';
import { FakeHost } from '../../src/provision/fake-host.ts';
import { gatherFacts } from '../../src/provision/facts.ts';
import { runScript, shellQuote } from '../../src/provision/host.ts';
import { LocalHost } from '../../src/provision/local-host.ts';
import { parseUnit, unitIsCurrent } from '../../src/provision/units.ts';

test('one probe tells the facts of this machine', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-facts-'));
  writeFileSync(join(dir, 'a file'), 'content', { mode: 0o640 });
  symlinkSync('a file', join(dir, 'link'));
  const facts = await gatherFacts(new LocalHost(), {
    packages: ['coreutils', 'no-such-package'],
    units: ['no-such.service'],
    paths: [dir, '/no/such'],
    largeFiles: [join(dir, 'a file'), '/no/such'],
    executables: [{ path: join(dir, 'a file') }, { path: '/no/such' }],
    directories: [dir, '/no/such'],
    disks: [join(dir, 'not/yet')],
    users: ['root', 'no-such-user'],
    sysctls: ['net.ipv4.ip_forward', 'no.such'],
  });
  t.is(facts.hostname, hostname());
  t.true(facts.cpus > 0 && facts.memoryBytes > 2 ** 26);
  t.true((facts.freeBytes.get(join(dir, 'not/yet')) ?? 0) > 0);
  t.deepEqual([...facts.users], ['root']);
  t.deepEqual([...facts.sysctls.keys()], ['net.ipv4.ip_forward']);
  t.is(facts.files.get(join(dir, 'a file'))?.sha256, sha256('content'));
  t.is(facts.files.get(join(dir, 'a file'))?.mode, '640');
  t.deepEqual([...facts.sizes], [[join(dir, 'a file'), 7]]);
  t.deepEqual([...facts.executables], [[join(dir, 'a file'), sha256('content')]]);
  t.deepEqual([...facts.directories], [dir]);
  t.is(facts.links.get(join(dir, 'link')), 'a file');
  t.is(facts.packages.has('no-such-package'), false);
  t.true(Math.abs(facts.nowMs - performance.timeOrigin - performance.now()) < 60_000);
});

test('a large file is not hashed again while its inode, size and times are those that are known', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-facts-'));
  const path = join(dir, 'program');
  writeFileSync(path, 'content');
  const none = {
    packages: [],
    units: [],
    paths: [],
    largeFiles: [],
    directories: [],
    disks: [],
    users: [],
    sysctls: [],
  };
  const look = async (known?: { stamp: string; sha256: string }) => {
    const { executables, stamps } = await gatherFacts(new LocalHost(), {
      ...none,
      executables: [{ path, known }],
    });
    return { sha256: executables.get(path) ?? '', stamp: stamps.get(path) ?? '' };
  };
  const first = await look();
  t.is(first.sha256, sha256('content'));
  t.is((await look({ ...first, sha256: 'as it was told' })).sha256, 'as it was told');
  // The same size, and the old times put back: the time of the last change of any kind cannot be.
  const { atime, mtime } = statSync(path);
  writeFileSync(path, 'CONTENT');
  utimesSync(path, atime, mtime);
  const second = await look({ ...first, sha256: 'as it was told' });
  t.is(second.sha256, sha256('CONTENT'));
  t.not(second.stamp, first.stamp);
});

test('a unit is current when it runs, starts at boot and was started with this configuration', (t) => {
  const unit = parseUnit(
    'LoadState=loaded ActiveState=active SubState=running UnitFileState=enabled MainPID=42 NRestarts=1 ',
    'abc',
  );
  t.deepEqual(unit, {
    loadState: 'loaded',
    activeState: 'active',
    subState: 'running',
    unitFileState: 'enabled',
    mainPid: 42,
    restarts: 1,
    needsReload: false,
    config: 'abc',
    executable: undefined,
  });
  t.true(unitIsCurrent(unit, 'abc'));
  t.false(unitIsCurrent(unit, 'abd'));
  t.false(unitIsCurrent({ ...unit, unitFileState: 'disabled' }, 'abc'));
  t.false(unitIsCurrent(undefined, 'abc'));
});

test('a script that fails names the server, what was tried, its last words, and a remedy where there is one', async (t) => {
  const host = new FakeHost('w1').when('write', {
    code: 1,
    stderr: 'cp: error writing: No space left on device\n',
  });
  await t.throwsAsync(runScript(host, 'writing x', 'write x'), {
    code: 'E_SCRIPT',
    message: 'w1: writing x failed with exit code 1: cp: error writing: No space left on device',
  });
  const error = await t.throwsAsync<Error & { hint?: string }>(runScript(host, 'writing x', 'write x'));
  t.regex(error.hint ?? '', /free some space/);
});

test('words are quoted for the shell', async (t) => {
  const nasty = `a'b "c" $d \`e\` \\f`;
  t.is((await new LocalHost().tryRun(`printf %s ${shellQuote(nasty)}`)).stdout, nasty);
});
