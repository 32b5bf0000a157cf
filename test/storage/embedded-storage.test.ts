import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts';
import { storageContract } from '../contract/storage.ts';

const root = await mkdtemp(join(tmpdir(), 'slipway-store-'));
test.after.always(() => rm(root, { recursive: true, force: true }));

let stores = 0;
storageContract(test, 'embedded', () =>
  EmbeddedStorage.open(join(root, `store${stores++}`), { clock: systemClock }),
);
