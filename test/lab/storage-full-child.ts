/** Run by storage-full.test.ts on a file system of a few megabytes: fills it, and prints what the store did. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { codeOf } from '../../src/base/errors.ts';
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts';

const dir = process.argv[2] ?? '';
const ballast = join(dir, 'ballast');
await writeFile(ballast, Buffer.alloc(4_000_000, 1));
const storage = await EmbeddedStorage.open(join(dir, 'store'), { clock: systemClock });
const value = (i: number): Buffer => Buffer.alloc(20_000, String(i));

let written = 0;
let refusedWith: string | undefined;
while (refusedWith === undefined) {
  try {
    await storage.put(`/k/${written}`, value(written));
    written++;
  } catch (error) {
    refusedWith = codeOf(error) ?? String(error);
  }
}
const { kvs } = await storage.range({ prefix: '/k/' });
const readable = kvs.every((kv) => kv.value.equals(value(Number(kv.key.slice(3)))));
const again = await storage.put('/again', value(0)).then(() => 'accepted', codeOf);
await rm(ballast);
const afterRoom = await storage.put('/after', value(1)).then(() => 'accepted', codeOf);
await storage.close();
const reopened = await EmbeddedStorage.open(join(dir, 'store'), { clock: systemClock });
const kept = (await reopened.range({ prefix: '/k/' })).count;
const found = (await reopened.get('/after')).kv !== undefined;
await reopened.close();
process.stdout.write(
  JSON.stringify({ written, refusedWith, readable, read: kvs.length, again, afterRoom, kept, found }),
);
