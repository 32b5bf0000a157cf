import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { FencedHost } from '../../src/provision/fenced-host.ts';
import { putFiles } from '../../src/provision/files.ts';
import { parseLedger, type LedgerEntry } from '../../src/provision/ledger.ts';
import { LocalHost } from '../../src/provision/local-host.ts';
import { planStepUndo } from '../../src/provision/undo-step.ts';
import { planUndo, undo } from '../../src/provision/undo.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const at = { time: '2026-01-01T00:00:00Z', change: 'a change' };
const absent = { kind: 'absent' } as const;
const file = (sha256: string) => ({ kind: 'file', sha256, mode: '644', owner: 'root:root' }) as const;

test('a step is undone alone, where no later one has changed the same thing', (t) => {
  const entries: LedgerEntry[] = [
    { ...at, step: '1.1', path: '/etc/x', before: file('theirs'), after: file('ours') },
    { ...at, step: '1.1', path: '/etc/y', before: absent, after: file('ours') },
    { ...at, step: '1.2', unit: 'x.service', before: { enabled: '', active: 'inactive' } },
    {
      ...at,
      step: '2.1',
      change: 'write it again',
      path: '/etc/y',
      before: file('ours'),
      after: file('new'),
    },
    { ...at, step: '2.2', unit: 'x.service', before: { enabled: 'enabled', active: 'active' } },
  ];
  t.deepEqual(planStepUndo(entries, '1.1')?.obstacles, [
    '/etc/y was changed again by step 2.1 (write it again): undo that one first',
  ]);
  t.deepEqual(planStepUndo(entries, '1.2')?.obstacles.length, 1);
  t.deepEqual(planStepUndo(entries, '2.1')?.obstacles, [
    'what step 1.1 had written to /etc/y was replaced or removed, and is not kept',
  ]);
  t.deepEqual(planStepUndo(entries, '2.2'), {
    steps: [{ kind: 'unit', unit: 'x.service', before: { enabled: 'enabled', active: 'active' } }],
    started: [],
    alreadyUndone: false,
    obstacles: [],
  });
  entries.push({ ...at, step: '', undone: '2.2' });
  t.deepEqual(planStepUndo(entries, '1.2'), {
    steps: [{ kind: 'unit', unit: 'x.service', before: { enabled: '', active: 'inactive' } }],
    started: ['x.service'],
    alreadyUndone: false,
    obstacles: [],
  });
  t.like(planStepUndo(entries, '2.2'), { steps: [], alreadyUndone: true, obstacles: [] });
  t.is(planStepUndo(entries, '9.9'), undefined);
});

test('a file that was written and removed again stands against nobody, and does not come back', (t) => {
  const entries: LedgerEntry[] = [
    { ...at, step: '1.1', path: '/etc/token', before: absent, after: file('token') },
    { ...at, step: '1.2', path: '/etc/token', before: file('token'), after: absent },
  ];
  t.deepEqual(planStepUndo(entries, '1.2')?.obstacles, [
    'what step 1.1 had written to /etc/token was replaced or removed, and is not kept',
  ]);
  t.like(planStepUndo(entries, '1.1'), {
    steps: [{ kind: 'path', path: '/etc/token', before: absent }],
    obstacles: [],
  });
});

test('a step that was undone is made again, undone again, and a reset still knows what stood there first', async (t) => {
  const root = await temporaryDirectory(t);
  const ledgerDirectory = join(root, 'ledger');
  const theirs = join(root, 'etc/theirs.conf');
  const made = join(root, 'etc/made/ours.conf');
  await mkdir(join(root, 'etc'));
  await writeFile(theirs, 'theirs\n', { mode: 0o600 });
  const host = new FencedHost(new LocalHost());
  const options = { ledgerDirectory };
  const write = async (step: string): Promise<void> => {
    host.step(step);
    const files = [theirs, made].map((path) => ({ path, content: `of ${step}\n`, mode: 0o644 }));
    await putFiles(host, `write ${step}`, files, options);
  };
  const ledger = async (): Promise<LedgerEntry[]> =>
    parseLedger(await readFile(join(ledgerDirectory, 'ledger.jsonl'), 'utf8'));
  const asBefore = async (): Promise<void> => {
    t.is(await readFile(theirs, 'utf8'), 'theirs\n');
    t.is((await stat(theirs)).mode & 0o777, 0o600);
    await t.throwsAsync(stat(join(root, 'etc/made')), { code: 'ENOENT' });
  };
  for (const step of ['1.1', '2.1']) {
    await write(step);
    const plan = planStepUndo(await ledger(), step);
    t.deepEqual(plan?.obstacles, []);
    // Twice: the first time broke off before it was written down.
    t.deepEqual(await undo(host, plan?.steps ?? [], options), []);
    await asBefore();
    const record = { ...at, step: '', undone: step };
    t.deepEqual(await undo(host, plan?.steps ?? [], { ...options, record }), []);
    await asBefore();
    t.true(planStepUndo(await ledger(), step)?.alreadyUndone);
  }
  await write('3.1');
  t.deepEqual(await undo(host, planUndo(await ledger()), options), []);
  await asBefore();
});
