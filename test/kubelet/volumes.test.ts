import { lstat, mkdir, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import * as fc from 'fast-check';
import type { Pod } from '../../src/api/gen/types/core-v1.ts';
import { silentLogger } from '../../src/base/log.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { writeAtomically, type Payload } from '../../src/kubelet/volumes/atomic-writer.ts';
import { prepareHostPath } from '../../src/kubelet/volumes/host-path.ts';
import { mountPoints } from '../../src/kubelet/volumes/mounts.ts';
import { configMapFiles, secretFiles } from '../../src/kubelet/volumes/payload.ts';
import { checkSubPath, openBeneath, prepareSubPath } from '../../src/kubelet/volumes/subpath.ts';
import { TokenManager } from '../../src/kubelet/volumes/token-manager.ts';
import { createClock } from '../helpers/fake-clock.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { FakeMounter } from './harness.ts';
import { podOf } from './pods.ts';

const clock = createClock();
const noPermissions = async () => undefined;
const payloadOf = (files: Record<string, string>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));

test('files are shown through ..data, which moves at once', async (t) => {
  const folder = await temporaryDirectory(t);
  t.true(await writeAtomically(folder, payloadOf({ a: '1', 'deep/b': '2' }), clock, noPermissions));
  t.is(await readlink(join(folder, 'a')), '..data/a');
  t.is(await readlink(join(folder, 'deep')), '..data/deep');
  t.is(await readFile(join(folder, 'deep/b'), 'utf8'), '2');
  const first = await readlink(join(folder, '..data'));
  t.regex(first, /^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+$/);
  t.true(await writeAtomically(folder, payloadOf({ a: '3' }), clock, noPermissions));
  t.not(await readlink(join(folder, '..data')), first);
  t.is(await readFile(join(folder, 'a'), 'utf8'), '3');
  t.deepEqual(
    (await readdir(folder)).filter((name) => !name.startsWith('..')),
    ['a'],
  );
  t.is((await readdir(folder)).length, 3, 'the old folder is gone');
});

test('the same content again writes nothing', async (t) => {
  const folder = await temporaryDirectory(t);
  const payload = payloadOf({ a: '1', b: '' });
  t.true(await writeAtomically(folder, payload, clock, noPermissions));
  const before = await readlink(join(folder, '..data'));
  t.false(await writeAtomically(folder, payload, clock, noPermissions));
  t.is(await readlink(join(folder, '..data')), before);
});

test('modes are those asked for, whatever the umask', async (t) => {
  const folder = await temporaryDirectory(t);
  await writeAtomically(folder, payloadOf({ a: '1' }, 0o666), clock, noPermissions);
  t.is((await stat(join(folder, 'a'))).mode & 0o777, 0o666);
});

test('what a crash between the steps left is put right by the next write', async (t) => {
  const folder = await temporaryDirectory(t);
  const payload = payloadOf({ a: '1', b: '2' });
  await writeAtomically(folder, payload, clock, noPermissions);
  // The crash came after '..data' moved: a name is missing, an old one and an unfinished link are left.
  await rm(join(folder, 'b'));
  await symlink('..data/gone', join(folder, 'gone'));
  await symlink('nowhere', join(folder, '..data_tmp'));
  await mkdir(join(folder, '..2020_01_01_00_00_00.1'));
  await writeAtomically(folder, payload, clock, noPermissions);
  t.deepEqual((await readdir(folder)).filter((name) => !name.startsWith('..')).sort(), ['a', 'b']);
  t.is((await readdir(folder)).length, 4);
});

test('paths that leave the volume are refused', async (t) => {
  const folder = await temporaryDirectory(t);
  for (const path of ['../a', '/a', 'x/../../a', '..a', '']) {
    await t.throwsAsync(writeAtomically(folder, payloadOf({ [path]: '1' }), clock, noPermissions), {
      code: 'E_VOLUME_PATH',
    });
  }
});

test('after any sequence of writes exactly the last files are seen', async (t) => {
  const names = fc.constantFrom('a', 'b', 'c/x', 'c/y', 'd/e/f');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.dictionary(names, fc.string()), { minLength: 1, maxLength: 5 }),
      async (steps) => {
        const folder = await temporaryDirectory(t);
        for (const files of steps) await writeAtomically(folder, payloadOf(files), clock, noPermissions);
        const last = steps.at(-1) ?? {};
        for (const [path, text] of Object.entries(last)) {
          if ((await readFile(join(folder, path), 'utf8')) !== text) return false;
        }
        const shown = (await readdir(folder)).filter((name) => !name.startsWith('..')).sort();
        const wanted = [...new Set(Object.keys(last).map((path) => path.split('/')[0] ?? ''))].sort();
        return JSON.stringify(shown) === JSON.stringify(wanted);
      },
    ),
    { seed: 3, numRuns: 40 },
  );
  t.pass();
});

test('items choose keys, paths and modes; a missing key is an error unless optional', (t) => {
  const map = { data: { a: '1', b: '2' }, binaryData: { c: Buffer.from([255]).toString('base64') } };
  const all = configMapFiles(map, { mode: 0o644, optional: false });
  t.deepEqual([...all.keys()].sort(), ['a', 'b', 'c']);
  t.deepEqual(all.get('c')?.data, Buffer.from([255]));
  const items = [{ key: 'a', path: 'x/y', mode: 0o400 }];
  t.deepEqual(
    [...configMapFiles(map, { items, mode: 0o644, optional: false })],
    [['x/y', { data: Buffer.from('1'), mode: 0o400 }]],
  );
  const missing = { items: [{ key: 'z', path: 'z' }], mode: 0o644 };
  t.throws(() => secretFiles({ data: {} }, { ...missing, optional: false }), {
    message: 'references non-existent secret key: z',
  });
  t.is(secretFiles({ data: {} }, { ...missing, optional: true }).size, 0);
});

test('a subPath may not point out by its text', (t) => {
  t.throws(() => checkSubPath('/etc'), { message: 'error SubPath `/etc` must not be an absolute path' });
  t.throws(() => checkSubPath('a/../../b'), { message: /must not contain '\.\.'/ });
  t.notThrows(() => checkSubPath('a/..b/c..'));
});

test('a subPath may not point out by links that a container made', async (t) => {
  const root = await temporaryDirectory(t);
  const volume = join(root, 'volume');
  await mkdir(volume);
  await mkdir(join(root, 'outside'));
  await symlink('/etc', join(volume, 'absolute'));
  await symlink('../outside', join(volume, 'relative'));
  await symlink('loop', join(volume, 'loop'));
  for (const path of ['absolute', 'absolute/passwd', 'relative', 'relative/new', 'loop/x']) {
    await t.throwsAsync(openBeneath(volume, path, 0o755), { code: 'E_SUBPATH' }, path);
  }
  t.deepEqual(await readdir(join(root, 'outside')), [], 'nothing was made out there');
});

test('a subPath follows links that stay inside, and makes what is missing', async (t) => {
  const volume = await temporaryDirectory(t);
  await writeAtomically(volume, payloadOf({ file: 'text' }), clock, noPermissions);
  const mounter = new FakeMounter();
  const holder = join(await temporaryDirectory(t), 'volume-subpaths/v/c/0');
  await prepareSubPath(volume, 'file', holder, 0o755, mounter);
  t.true((await lstat(holder)).isFile());
  t.regex(mounter.mounts.get(holder) ?? '', new RegExp(`^/proc/${process.pid}/fd/\\d+$`));
  const folder = `${holder}-folder`;
  await prepareSubPath(volume, 'new/deeper', folder, 0o2770, mounter);
  t.true((await lstat(folder)).isDirectory());
  t.is((await stat(join(volume, 'new/deeper'))).mode & 0o7777, 0o2770);
});

test('hostPath checks its type, and makes what may be made', async (t) => {
  const folder = await temporaryDirectory(t);
  await writeFile(join(folder, 'file'), '');
  const at = (name: string, type: string) => prepareHostPath({ path: join(folder, name), type });
  await t.notThrowsAsync(at('file', 'File'));
  await t.throwsAsync(at('file', 'Directory'), {
    message: /hostPath type check failed: .*file is not a directory/,
  });
  await t.throwsAsync(at('none', 'Socket'), { message: /is not a socket file/ });
  await at('made/deep', 'DirectoryOrCreate');
  await at('touched', 'FileOrCreate');
  t.true((await stat(join(folder, 'made/deep'))).isDirectory());
  t.true((await stat(join(folder, 'touched'))).isFile());
});

test('mount points are read with their escapes undone', (t) => {
  t.deepEqual(mountPoints('36 35 98:0 / /a\\040b rw - ext3 /dev/x rw\n37 35 0:1 / /c rw - tmpfs t rw\n'), [
    '/a b',
    '/c',
  ]);
});

test('a token is kept until four fifths of its life, and longer where no new one is to be had', async (t) => {
  const time = createClock();
  let issued = 0;
  let broken = false;
  const client = new MemoryClient(time);
  client.createSubresource = async (_resource, _ref, _sub, request) => {
    if (broken) throw new Error('unreachable');
    issued += 1;
    const expirationTimestamp = new Date(time.now() + 3_600_000).toISOString();
    return { ...request, status: { token: `token-${issued}`, expirationTimestamp } };
  };
  const tokens = new TokenManager({ client, clock: time, log: silentLogger });
  const pod: Pod = podOf({ serviceAccountName: 'app' });
  const get = (audience = '') => tokens.get(pod, audience, 3600);
  t.is(await get(), 'token-1');
  await time.advance(2_879_000);
  t.is(await get(), 'token-1');
  await time.advance(2_000);
  t.is(await get(), 'token-2');
  t.is(await get('other'), 'token-3', 'each audience has its own');
  broken = true;
  await time.advance(3_000_000);
  t.is(await get(), 'token-2');
  await time.advance(700_000);
  await t.throwsAsync(get(), { message: 'unreachable' });
});
