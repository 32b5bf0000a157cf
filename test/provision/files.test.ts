import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  openSync,
  writeSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  readdirSync,
  mkdirSync,
  existsSync,
  lstatSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { putDirectories, putFiles, putLinks, removeFiles } from '../../src/provision/files.ts';
import { parseLedger } from '../../src/provision/ledger.ts';
import { LocalHost } from '../../src/provision/local-host.ts';
import { upload } from '../../src/provision/upload.ts';

const host = new LocalHost('here');
const owner = `${userInfo().username}:${execFileSync('id', ['-gn']).toString().trim()}`;
const digest = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

function room(): { dir: string; ledgerDirectory: string; ledger: () => ReturnType<typeof parseLedger> } {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-files-'));
  const ledgerDirectory = join(dir, 'ledger');
  return {
    dir,
    ledgerDirectory,
    ledger: () => parseLedger(readFileSync(join(ledgerDirectory, 'ledger.jsonl'), 'utf8')),
  };
}

test('files arrive whole with their mode, and the ledger says what stood there before', async (t) => {
  const { dir, ledgerDirectory, ledger } = room();
  const old = join(dir, 'old.conf');
  const fresh = join(dir, 'a/b/new.conf');
  writeFileSync(old, 'a stranger’s words\n', { mode: 0o640 });
  await putFiles(
    host,
    "write 'both' files",
    [
      { path: old, content: 'ours\n', mode: 0o600, owner },
      { path: fresh, content: 'é\n$HOME `id` \\n\n'.repeat(100), mode: 0o644, owner },
    ],
    { ledgerDirectory },
  );
  t.is(readFileSync(old, 'utf8'), 'ours\n');
  t.is(statSync(old).mode & 0o777, 0o600);
  t.is(readFileSync(fresh, 'utf8'), 'é\n$HOME `id` \\n\n'.repeat(100));
  t.deepEqual(readdirSync(join(dir, 'a/b')), ['new.conf'], 'no temporary file is left');
  const entries = ledger();
  const first = entries.find((entry) => 'path' in entry && entry.path === old);
  t.like(first, {
    change: "write 'both' files",
    before: { kind: 'file', sha256: digest('a stranger’s words\n'), mode: '640' },
  });
  t.is(
    readFileSync(join(ledgerDirectory, 'before', digest('a stranger’s words\n')), 'utf8'),
    'a stranger’s words\n',
  );
  t.deepEqual(
    entries
      .filter((entry) => 'path' in entry && entry.before.kind === 'absent')
      .map((entry) => ('path' in entry ? entry.path : '')),
    [join(dir, 'a'), join(dir, 'a/b'), fresh],
  );
});

test('what we wrote ourselves is not kept when it is written again', async (t) => {
  const { dir, ledgerDirectory, ledger } = room();
  const path = join(dir, 'x');
  for (const content of ['one', 'two', 'three'])
    await putFiles(host, 'write x', [{ path, content, mode: 0o600, owner }], { ledgerDirectory });
  t.is(ledger().length, 3);
  t.deepEqual(readdirSync(join(ledgerDirectory, 'before')), []);
});

test('links are replaced and files removed, both recorded', async (t) => {
  const { dir, ledgerDirectory, ledger } = room();
  const link = join(dir, 'current');
  symlinkSync('releases/1', link);
  await putLinks(host, 'point current', [{ path: link, target: 'releases/2' }], { ledgerDirectory });
  t.is(readlinkSync(link), 'releases/2');
  t.like(ledger()[0], {
    before: { kind: 'link', target: 'releases/1' },
    after: { kind: 'link', target: 'releases/2' },
  });
  writeFileSync(join(dir, 'f'), 'theirs');
  await removeFiles(host, 'remove f', [join(dir, 'f'), join(dir, 'not-there')], { ledgerDirectory });
  t.false(existsSync(join(dir, 'f')));
  t.is(ledger().length, 2);
  t.is(readFileSync(join(ledgerDirectory, 'before', digest('theirs')), 'utf8'), 'theirs');
});

test('directories get their mode', async (t) => {
  const { dir, ledgerDirectory } = room();
  await putDirectories(host, 'make it', [{ path: join(dir, 'p/q'), mode: 0o750, owner }], {
    ledgerDirectory,
  });
  t.is(statSync(join(dir, 'p/q')).mode & 0o777, 0o750);
});

test('a write that fails leaves the old file and says why', async (t) => {
  const { dir, ledgerDirectory } = room();
  const path = join(dir, 'x');
  writeFileSync(path, 'old');
  await t.throwsAsync(
    putFiles(host, 'write x', [{ path, content: 'new', mode: 0o600, owner: 'nobody-such:nogroup' }], {
      ledgerDirectory,
    }),
    {
      code: 'E_SCRIPT',
      message: /^here: write x failed with exit code \d+: chown: invalid user/,
    },
  );
  t.is(readFileSync(path, 'utf8'), 'old');
});

test('lines of a ledger that a power cut tore are dropped, a whole one that is damaged is an error', (t) => {
  const line = '{"time":"2026-01-01T00:00:00Z","change":"c","packages":["a"]}';
  const nested = '{"time":"2026-01-01T00:00:00Z","change":"c","unit":"u","before":{"enabled":"","active":""}';
  t.is(parseLedger(`${line}\n${line.slice(0, 20)}`).length, 1);
  t.is(parseLedger(`${line.slice(0, 20)}\n${line}\n`).length, 1);
  t.is(parseLedger(`${nested}\n${line}\n`).length, 1);
  t.throws(() => parseLedger(`${line}\n${line.replace(':', ';')}\n`));
});

test('the change after a power cut stands on a line of its own', async (t) => {
  const { dir, ledgerDirectory } = room();
  const write = (name: string) =>
    putFiles(host, 'write', [{ path: join(dir, name), content: 'x', mode: 0o644 }], { ledgerDirectory });
  await write('a');
  appendFileSync(join(ledgerDirectory, 'ledger.jsonl'), '{"time":"2026-01-01T00:0');
  await write('b');
  const entries = parseLedger(readFileSync(join(ledgerDirectory, 'ledger.jsonl'), 'utf8'));
  t.deepEqual(
    entries.flatMap((entry) => ('path' in entry ? [entry.path] : [])),
    [join(dir, 'a'), join(dir, 'b')],
  );
});

function compressedFile(dir: string): { source: string; content: Buffer; bytes: number } {
  const content = Buffer.concat([randomBytes(3_000_000), Buffer.alloc(1_000_000)]);
  const source = join(dir, 'source.gz');
  writeFileSync(source, gzipSync(content));
  return { source, content, bytes: statSync(source).size };
}

test('an upload is resumed where it broke off, checked, and done once', async (t) => {
  const { dir, ledgerDirectory } = room();
  const { source, content, bytes } = compressedFile(dir);
  mkdirSync(join(dir, 'opt'));
  const target = join(dir, 'opt/tool');
  const file = {
    source,
    sourceBytes: bytes,
    compressed: true,
    sha256: digest(content),
    target,
    mode: 0o755,
    change: 'bring tool',
  };
  writeFileSync(`${target}.${file.sha256.slice(0, 16)}.part`, readFileSync(source).subarray(0, 1_000_000));
  const sent: number[] = [];
  t.true(await upload(host, file, { ledgerDirectory, progress: (count) => sent.push(count) }));
  t.true((sent[0] ?? 0) > 1_000_000, 'it goes on after what is there');
  t.is(sent.at(-1), bytes);
  t.true(readFileSync(target).equals(content));
  t.is(lstatSync(target).mode & 0o777, 0o755);
  t.deepEqual(readdirSync(join(dir, 'opt')), ['tool']);
  t.false(await upload(host, file, { ledgerDirectory }));
});

test('what the server has already is copied there, unless it is gone or another', async (t) => {
  const { dir, ledgerDirectory } = room();
  const { source, content, bytes } = compressedFile(dir);
  const target = join(dir, 'opt/tool');
  const copyFrom = join(dir, 'there-already');
  const file = { source, sourceBytes: bytes, compressed: true, sha256: digest(content), target, mode: 0o755 };
  const bring = async (): Promise<number> => {
    let sent = 0;
    const options = { ledgerDirectory, progress: (count: number) => (sent = count) };
    t.true(await upload(host, { ...file, change: 'bring tool', copyFrom }, options));
    t.true(readFileSync(target).equals(content));
    t.is(lstatSync(target).mode & 0o777, 0o755);
    t.deepEqual(readdirSync(join(dir, 'opt')), ['tool']);
    rmSync(target);
    return sent;
  };
  t.is(await bring(), bytes, 'it is not there');
  writeFileSync(copyFrom, 'another');
  t.is(await bring(), bytes, 'it is another one');
  writeFileSync(copyFrom, content);
  writeFileSync(`${target}.${file.sha256.slice(0, 16)}.part`, 'of an earlier run');
  t.is(await bring(), 0, 'nothing is sent');
});

test('what a lost connection still delivers does not get into the upload that goes on', async (t) => {
  const { dir, ledgerDirectory } = room();
  const content = randomBytes(3 << 20);
  const source = join(dir, 'source');
  writeFileSync(source, content);
  const target = join(dir, 'opt/program');
  const sha256 = digest(content);
  const part = `${target}.${sha256.slice(0, 16)}.part`;
  mkdirSync(join(dir, 'opt'));
  const old = openSync(part, 'a');
  writeSync(old, content.subarray(0, 1 << 20));
  const file = {
    source,
    sourceBytes: content.length,
    compressed: false,
    sha256,
    target,
    mode: 0o755,
    change: 'install',
  };
  const progress = (sent: number): void =>
    void (sent === 2 << 20 && writeSync(old, content.subarray(1 << 20, 2 << 20)));
  t.true(await upload(host, file, { ledgerDirectory, progress }));
  closeSync(old);
  t.is(digest(readFileSync(target)), sha256);
  t.deepEqual(readdirSync(join(dir, 'opt')), ['program']);
});

test('an upload that was spoilt on the way is thrown away, and the old file stays', async (t) => {
  const { dir, ledgerDirectory } = room();
  const { source, content, bytes } = compressedFile(dir);
  const target = join(dir, 'tool');
  writeFileSync(target, 'old');
  const file = {
    source,
    sourceBytes: bytes,
    compressed: true,
    sha256: digest(content),
    target,
    mode: 0o755,
    change: 'bring tool',
  };
  const part = `${target}.${file.sha256.slice(0, 16)}.part`;
  writeFileSync(part, randomBytes(1000));
  await t.throwsAsync(upload(host, file, { ledgerDirectory }), { code: 'E_UPLOAD' });
  t.is(readFileSync(target, 'utf8'), 'old');
  t.false(existsSync(part));
  t.true(await upload(host, file, { ledgerDirectory }), 'the next run starts afresh');
});
