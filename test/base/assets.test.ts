import { readFile } from 'node:fs/promises';
import test from 'ava';
import { checkoutPath, isExecutable, readAsset, readTextAsset } from '../../src/base/assets.ts';
import { releaseInfo } from '../../src/base/version.ts';
import { WORKER_MODULES } from '../../src/base/worker-thread.ts';

test('run from source, assets are files of the checkout', async (t) => {
  t.false(isExecutable());
  const text = await readFile(checkoutPath('package.json'), 'utf8');
  t.is(readTextAsset('package.json'), text);
  t.true(readAsset('package.json').equals(Buffer.from(text)));
  t.throws(() => readAsset('templates/no-such-file'), { code: 'ENOENT' });
});

test('run from source, the version is that of package.json', (t) => {
  const { version, commit } = releaseInfo();
  t.is(version, (JSON.parse(readTextAsset('package.json')) as { version: string }).version);
  t.regex(commit, /^([0-9a-f]{40}(-dirty)?|unknown)$/);
});

test('every module that a thread runs is there', (t) => {
  for (const module of WORKER_MODULES) t.true(readTextAsset(module).length > 0, module);
});
