import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { pauseBinary } from '../../scripts/build/pause-binary.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitFor } from '../helpers/wait-for.ts';

const here = process.arch === 'arm64' ? 'arm64' : 'amd64';

async function binary(t: ExecutionContext): Promise<string> {
  const file = join(await temporaryDirectory(t), 'pause');
  await writeFile(file, pauseBinary(here), { mode: 0o755 });
  return file;
}

/** It sleeps, and not because it has not come so far yet: only rt_sigtimedwait shows as do_sigtimedwait. */
async function untilWaiting(pid: number): Promise<void> {
  const number = here === 'arm64' ? '137' : '128';
  await waitFor('pause waits for signals', async () =>
    (await readFile(`/proc/${pid}/syscall`, 'utf8')).startsWith(`${number} `),
  );
}

async function endOf(child: ChildProcess): Promise<[number | null, string | null]> {
  return (await once(child, 'exit')) as [number | null, string | null];
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`the sandbox's program ends with 0 on ${signal}`, async (t) => {
    const child = spawn(await binary(t));
    await untilWaiting(child.pid!);
    const ended = endOf(child);
    child.kill(signal);
    t.deepEqual(await ended, [0, null]);
  });
}

test("as process 1 of a namespace the sandbox's program reaps orphans and ends on SIGTERM", async (t) => {
  if (process.getuid?.() !== 0) {
    t.log('skipped: a PID namespace needs root');
    t.pass();
    return;
  }
  const file = await binary(t);
  // The shell execs pause as process 1, leaving a child that ends later and then has only pause to reap it.
  const script = `(sleep 0.05) & exec '${file}'`;
  const child = spawn('unshare', ['--pid', '--fork', '--kill-child', 'sh', '-c', script], {
    stdio: 'ignore',
  });
  const ended = endOf(child);
  const pause = await waitFor('pause runs as a child of unshare', async () => {
    const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
    const pid = Number(children.trim().split(' ')[0]);
    return pid > 0 && (await readFile(`/proc/${pid}/comm`, 'utf8')).trim() === 'pause' ? pid : undefined;
  });
  await waitFor('the orphan is reaped', async () =>
    (await readFile(`/proc/${pause}/task/${pause}/children`, 'utf8')).trim() === '' ? true : undefined,
  );
  await untilWaiting(pause);
  process.kill(pause, 'SIGTERM');
  t.deepEqual(await ended, [0, null]);
});

test('the program for arm64 is an ELF executable for that machine with the same shape', (t) => {
  const file = pauseBinary('arm64');
  t.is(file.readUInt16LE(18), 183);
  t.is(file.readBigUInt64LE(24), 0x4000b0n);
  const words = Array.from({ length: (file.length - 0xb0) / 4 }, (_, i) => file.readUInt32LE(0xb0 + i * 4));
  const calls = words.flatMap((word, i) => (word === 0xd4000001 ? [(words[i - 1]! >> 5) & 0xffff] : []));
  // rt_sigprocmask, rt_sigtimedwait, exit_group, wait4, each right before its svc.
  t.deepEqual(calls, [135, 137, 94, 260]);
});
