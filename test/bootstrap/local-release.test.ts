import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { prepareRelease } from '../../src/bootstrap/local-release.ts';

test('what an executable is is found out once, and again whenever the file has changed in any way', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-release-'));
  const path = join(folder, 'program');
  const env = { XDG_CACHE_HOME: join(folder, 'cache') };
  copyFileSync('/usr/bin/true', path);
  let asked = 0;
  const ask = async () => {
    asked += 1;
    return { version: `1.0.${asked}`, kubernetes: '1.36' };
  };
  const first = await prepareRelease(path, env, ask);
  t.deepEqual(await prepareRelease(path, env, ask), first);
  t.is(asked, 1);
  t.is(first.id, `1.0.1-${first.sha256.slice(0, 12)}`);
  const { size, atime, mtime } = statSync(path);
  t.is(first.bytes, size);
  // The same size, and the old time put back.
  appendFileSync(path, '');
  utimesSync(path, atime, mtime);
  t.is((await prepareRelease(path, env, ask)).version, '1.0.2');
  appendFileSync(path, 'x');
  const third = await prepareRelease(path, env, ask);
  t.is(asked, 3);
  t.not(third.sha256, first.sha256);
});

test('what is refused is not remembered', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-release-'));
  const path = join(folder, 'program');
  const env = { XDG_CACHE_HOME: join(folder, 'cache') };
  await t.throwsAsync(prepareRelease(path, env), { code: 'E_EXECUTABLE', message: /is missing/ });
  writeFileSync(path, '#!/bin/sh\n');
  await t.throwsAsync(prepareRelease(path, env), { code: 'E_EXECUTABLE', message: /no Linux executable/ });
  copyFileSync('/usr/bin/true', path);
  await t.throwsAsync(prepareRelease(path, env), { code: 'E_EXECUTABLE', message: /is not slipway/ });
  t.false(existsSync(join(folder, 'cache')));
});
