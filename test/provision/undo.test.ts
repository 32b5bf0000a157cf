import { mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { putFiles, putLinks } from '../../src/provision/files.ts';
import { parseLedger, type LedgerEntry } from '../../src/provision/ledger.ts';
import { LocalHost } from '../../src/provision/local-host.ts';
import { inventoryDifferences } from '../../src/provision/server-inventory.ts';
import { planUndo, undo } from '../../src/provision/undo.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const at = { time: '2026-01-01T00:00:00Z', change: 'a change' };
const absent = { kind: 'absent' } as const;
const file = (sha256: string) => ({ kind: 'file', sha256, mode: '644', owner: 'root:root' }) as const;

test('what stood there before the first change is put back, the newest thing first', (t) => {
  const entries: LedgerEntry[] = [
    { ...at, packages: ['containerd', 'runc'] },
    { ...at, packages: [] },
    { ...at, path: '/etc/x', before: absent, after: { kind: 'directory' } },
    { ...at, path: '/etc/x/a', before: file('theirs'), after: file('ours') },
    { ...at, unit: 'x.service', before: { enabled: '', active: 'inactive' } },
    { ...at, path: '/etc/x/a', before: file('ours'), after: file('newer') },
    { ...at, unit: 'x.service', before: { enabled: 'enabled', active: 'active' } },
    { ...at, sysctl: 'net.ipv4.ip_forward', before: '0' },
  ];
  t.deepEqual(
    planUndo(entries).map((step) => ('path' in step ? [step.path, step.before.kind] : [step.kind])),
    [
      ['sysctl'],
      ['unit'],
      ['/etc/x/a', 'file'],
      ['/etc/x', 'absent'],
      ['packages'],
      // Purging packages may take a stranger's configuration along.
      ['/etc/x/a', 'file'],
    ],
  );
  t.deepEqual(planUndo(entries)[1], {
    kind: 'unit',
    unit: 'x.service',
    before: { enabled: '', active: 'inactive' },
  });
  t.deepEqual(planUndo([]), []);
});

test('files, links and folders are undone on a real file system, and again without harm', async (t) => {
  const root = await temporaryDirectory(t);
  const ledgerDirectory = join(root, 'ledger');
  const theirs = join(root, 'etc/theirs.conf');
  const link = join(root, 'etc/link');
  const made = join(root, 'etc/made/deep/ours.conf');
  await mkdir(join(root, 'etc'));
  await writeFile(theirs, 'theirs\n', { mode: 0o600 });
  await symlink('elsewhere', link);
  const host = new LocalHost();
  const options = { ledgerDirectory };
  for (const content of ['ours\n', 'ours, newer\n']) {
    await putFiles(
      host,
      'write',
      [
        { path: theirs, content, mode: 0o644 },
        { path: made, content, mode: 0o644 },
      ],
      options,
    );
  }
  await putLinks(host, 'point', [{ path: link, target: 'ours' }], options);
  const ledger = async () => parseLedger(await readFile(join(ledgerDirectory, 'ledger.jsonl'), 'utf8'));
  for (let times = 0; times < 2; times++) {
    t.deepEqual(await undo(host, planUndo(await ledger()), options), []);
    t.is(await readFile(theirs, 'utf8'), 'theirs\n');
    t.is((await stat(theirs)).mode & 0o777, 0o600);
    t.is(await readFile(link, 'utf8').catch((error: NodeJS.ErrnoException) => error.code), 'ENOENT');
    await t.throwsAsync(stat(join(root, 'etc/made')), { code: 'ENOENT' });
  }
});

test('a folder in which others have put something stays, and is told of', async (t) => {
  const root = await temporaryDirectory(t);
  const ledgerDirectory = join(root, 'ledger');
  const host = new LocalHost();
  await putFiles(host, 'write', [{ path: join(root, 'made/ours'), content: 'x', mode: 0o644 }], {
    ledgerDirectory,
  });
  await writeFile(join(root, 'made/theirs'), 'theirs');
  const entries = parseLedger(await readFile(join(ledgerDirectory, 'ledger.jsonl'), 'utf8'));
  t.deepEqual(await undo(host, planUndo(entries), { ledgerDirectory }), [
    `${join(root, 'made')} is not empty: others have put something there`,
  ]);
  t.is(await readFile(join(root, 'made/theirs'), 'utf8'), 'theirs');
});

test('what came with packages that are purged already does not come back, what was there before them does', async (t) => {
  const root = await temporaryDirectory(t);
  const ledgerDirectory = join(root, 'ledger');
  const [theirs, packaged] = [join(root, 'theirs.conf'), join(root, 'packaged.conf')];
  for (const path of [theirs, packaged]) await writeFile(path, `of ${path}`);
  const host = new LocalHost();
  const files = [theirs, packaged].map((path) => ({ path, content: 'ours', mode: 0o644 }));
  await putFiles(host, 'write', files, { ledgerDirectory });
  await writeFile(join(ledgerDirectory, 'inventory'), `path\t${theirs}\tf\n`);
  const entries = parseLedger(await readFile(join(ledgerDirectory, 'ledger.jsonl'), 'utf8'));
  const steps = planUndo([{ ...at, packages: ['slipway-no-such-package'] }, ...entries]);
  // As after a purge.
  for (const path of [theirs, packaged]) await rm(path);
  t.deepEqual(await undo(host, steps, { ledgerDirectory }), []);
  t.is(await readFile(theirs, 'utf8'), `of ${theirs}`);
  await t.throwsAsync(stat(packaged), { code: 'ENOENT' });
});

test('inventories differ by what went and what came', (t) => {
  t.deepEqual(inventoryDifferences('a\nb\n', 'b\nc\n'), { gone: ['a'], added: ['c'] });
  t.deepEqual(inventoryDifferences('a\n', 'a'), { gone: [], added: [] });
});
