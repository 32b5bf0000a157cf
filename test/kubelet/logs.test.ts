import { appendFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { FakeRuntime } from '../../src/kubelet/cri/fake-runtime.ts';
import { nanosecondsOf, parseCriLogLine } from '../../src/kubelet/logs/cri-log.ts';
import { readLog, type LogOptions } from '../../src/kubelet/logs/log-reader.ts';
import { LogRotation } from '../../src/kubelet/logs/log-rotation.ts';
import { readTail } from '../../src/kubelet/logs/tail.ts';
import { terminationMessage } from '../../src/kubelet/pods/termination-message.ts';
import { logContainerId, logOptionsOf } from '../../src/kubelet/server/log-handler.ts';
import { createClock } from '../helpers/fake-clock.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitFor } from '../helpers/wait-for.ts';

const at = (second: number, nanos = '000000001') => `2026-01-01T00:00:0${second}.${nanos}Z`;
const LOG = [
  `${at(1)} stdout F one`,
  `${at(2)} stderr F two`,
  `${at(3)} stdout P thr`,
  `${at(4)} stdout F ee`,
  'no log line',
  `${at(5)} stdout F `,
  `${at(6)} stdout F last`,
]
  .map((line) => `${line}\n`)
  .join('');

async function logFile(t: ExecutionContext, text = LOG): Promise<string> {
  const path = join(await temporaryDirectory(t), '0.log');
  await writeFile(path, text);
  return path;
}

async function read(path: string, options: Partial<LogOptions> = {}): Promise<string> {
  const source = {
    path,
    running: async () => false,
    clock: systemClock,
    signal: new AbortController().signal,
  };
  const parts: Buffer[] = [];
  for await (const part of readLog(source, { follow: false, timestamps: false, ...options }))
    parts.push(part);
  return Buffer.concat(parts).toString();
}

test('a line has a time, a stream, a tag and a text', (t) => {
  const line = parseCriLogLine(Buffer.from(`${at(1)} stderr P a b`));
  t.like(line, { timestamp: at(1), stream: 'stderr', partial: true });
  t.is(line?.content.toString(), 'a b');
  t.is(parseCriLogLine(Buffer.from('2026 nowhere F x')), undefined);
  t.is(nanosecondsOf('1970-01-01T00:00:01.5Z'), 1_500_000_000n);
  t.is(nanosecondsOf('1970-01-01T01:00:00.000000001+01:00'), 1n);
});

test('the whole log, with parts of lines joined', async (t) => {
  t.is(await read(await logFile(t)), 'one\ntwo\nthree\n\nlast\n');
});

test('the last lines', async (t) => {
  const path = await logFile(t);
  t.is(await read(path, { tailLines: 2 }), '\nlast\n');
  t.is(await read(path, { tailLines: 0 }), '');
  t.is(await read(path, { tailLines: 99 }), await read(path));
});

test('a long log is cut at the right line over block borders', async (t) => {
  const lines = Array.from(
    { length: 2000 },
    (_, index) => `${at(1)} stdout F ${'x'.repeat(index % 97)}${index}\n`,
  );
  const path = await logFile(t, lines.join(''));
  t.is((await read(path, { tailLines: 1234 })).split('\n').length - 1, 1234);
});

test('times before each line, none inside a joined one', async (t) => {
  const text = await read(await logFile(t), { timestamps: true });
  t.true(text.includes(`\n${at(3)} three\n`), text);
});

test('since a time, one stream, at most so many bytes', async (t) => {
  const path = await logFile(t);
  t.is(await read(path, { sinceNanoseconds: nanosecondsOf(at(5)) }), '\nlast\n');
  t.is(await read(path, { stream: 'stderr' }), 'two\n');
  t.is(await read(path, { limitBytes: 6 }), 'one\ntw');
});

test('following reads on through rotation, and ends with the container', async (t) => {
  const path = await logFile(t, `${at(1)} stdout F one\n`);
  let running = true;
  const parts: Buffer[] = [];
  const done = (async () => {
    const source = {
      path,
      running: async () => running,
      clock: systemClock,
      signal: new AbortController().signal,
    };
    for await (const part of readLog(source, { follow: true, timestamps: false })) parts.push(part);
  })();
  const seen = (text: string) =>
    waitFor(`'${text}' is read`, () => Buffer.concat(parts).toString().endsWith(text));
  await seen('one\n');
  await appendFile(path, `${at(2)} stdout F t`);
  await appendFile(path, 'wo\n');
  await seen('two\n');
  await rename(path, `${path}.1`);
  await writeFile(path, `${at(3)} stdout F three\n`);
  await seen('three\n');
  running = false;
  await appendFile(path, `${at(4)} stdout F four\n`);
  await done;
  t.is(Buffer.concat(parts).toString(), 'one\ntwo\nthree\nfour\n');
});

test('following ends when the reader leaves', async (t) => {
  const path = await logFile(t);
  const leave = new AbortController();
  const source = { path, running: async () => true, clock: systemClock, signal: leave.signal };
  const log = readLog(source, { follow: true, timestamps: false });
  await log.next();
  leave.abort();
  t.true((await log.next()).done);
});

test('a log is rotated at its size, kept so many times, and older ones are compressed', async (t) => {
  const folder = await temporaryDirectory(t);
  const clock = createClock();
  const runtime = new FakeRuntime(clock);
  const path = join(folder, '0.log');
  runtime.listContainers = async () => [{ id: 'c', state: 'Running' }] as never;
  runtime.containerStatus = async () => ({ logPath: path }) as never;
  runtime.reopenContainerLog = () => writeFile(path, '');
  const rotation = new LogRotation({ runtime, clock, log: silentLogger, maxBytes: 10, maxFiles: 3 });
  await writeFile(path, 'short');
  await rotation.run();
  t.deepEqual(await readdir(folder), ['0.log']);
  for (let round = 0; round < 4; round += 1) {
    await writeFile(path, 'long enough to rotate');
    await rotation.run();
    await clock.advance(1_000);
  }
  const names = (await readdir(folder)).sort();
  t.deepEqual(
    names.map((name) => name.replace(/\d{8}-\d{6}/, 'T')),
    ['0.log', '0.log.T.gz', '0.log.T'],
  );
});

test('a runtime that cannot reopen keeps writing under the old name', async (t) => {
  const path = await logFile(t);
  const clock = createClock();
  const runtime = new FakeRuntime(clock);
  runtime.reopenContainerLog = async () => {
    throw new Error('no');
  };
  await t.throwsAsync(new LogRotation({ runtime, clock, log: silentLogger }).rotate('c', path));
  t.is(await read(path, { tailLines: 1 }), 'last\n');
});

test('a termination message is the file, else the end of the output where asked', async (t) => {
  const folder = await temporaryDirectory(t);
  const path = join(folder, 'termination-log');
  const log = async () => 'from the log';
  t.is(await terminationMessage(path, false, log), '');
  t.is(await terminationMessage(path, true, log), 'from the log');
  await writeFile(path, '');
  t.is(await terminationMessage(path, true, log), 'from the log');
  await writeFile(path, `${'x'.repeat(5000)}end`);
  const message = await terminationMessage(path, true, log);
  t.is(message.length, 4096);
  t.true(message.endsWith('end'));
  t.is(await readTail(await logFile(t), 2, 2048), '\nlast\n');
});

test('what a log request may ask', (t) => {
  const now = Date.UTC(2026, 0, 1);
  const of = (query: string) => logOptionsOf(new URLSearchParams(query), now);
  t.like(of('follow=true&tailLines=5&timestamps=true&previous=1'), {
    follow: true,
    tailLines: 5,
    timestamps: true,
    previous: true,
  });
  t.is(of('sinceSeconds=1').sinceNanoseconds, BigInt(now - 1000) * 1_000_000n);
  for (const bad of [
    'tailLines=-1',
    'limitBytes=0',
    'sinceSeconds=0',
    'sinceTime=yesterday',
    'sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z',
  ]) {
    t.like(
      t.throws(() => of(bad)),
      { statusCode: 422 },
      bad,
    );
  }
});

test('whose log is meant, and why there is none', (t) => {
  const state = (fields: object) => ({
    containerStatuses: [{ name: 'app', ready: false, restartCount: 0, image: '', imageID: '', ...fields }],
  });
  const id = (fields: object, previous = false) => logContainerId('web', state(fields), 'app', previous);
  const terminated = { terminated: { exitCode: 1, containerID: 'containerd://old' } };
  t.is(id({ state: { running: {} }, containerID: 'containerd://now' }), 'now');
  t.is(id({ state: { running: {} }, containerID: 'containerd://now', lastState: terminated }, true), 'old');
  t.is(id({ state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: terminated }), 'old');
  t.throws(() => id({ state: { waiting: { reason: 'ErrImagePull' } } }), {
    message: 'container "app" in pod "web" is waiting to start: image can\'t be pulled',
  });
  t.throws(() => id({ state: { running: {} } }, true), {
    message: 'previous terminated container "app" in pod "web" not found',
  });
});
