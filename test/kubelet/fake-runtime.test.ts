import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { FakeRuntime } from '../../src/kubelet/cri/fake-runtime.ts';
import { runtimeContract } from '../contract/cri-runtime.ts';

runtimeContract(
  test,
  'fake runtime',
  async () => {
    const runtime = new FakeRuntime(systemClock);
    runtime.addImage('slipway.local/busybox:1');
    const logDir = await mkdtemp(join(tmpdir(), 'slipway-logs-'));
    return { runtime, image: 'slipway.local/busybox:1', logDir };
  },
  ({ logDir }) => rm(logDir, { recursive: true, force: true }),
);
