/**
 * A process that the tests of the embedded store start and kill: `node store-child.ts DIR FIRST`. It writes
 * keys without pause from many hands and reports each acknowledgement on stdout as 'key revision' at once.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/base/clock.ts';
import { codeOf } from '../../src/base/errors.ts';
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts';

const [dir = '', first = '0'] = process.argv.slice(2);
const storage = await EmbeddedStorage.open(dir, { clock: systemClock });
report(`open ${await storage.currentRevision()}`);

/** At once and whole: an acknowledgement must not wait in this process when it is killed. */
function report(line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`);
      return;
    } catch (error) {
      // The pipe is full and does not block: the reader is slower than this process.
      if (codeOf(error) !== 'EAGAIN') throw error;
    }
  }
}

let next = Number(first);
async function writeWithoutEnd(): Promise<void> {
  for (;;) {
    const i = next++;
    // The value says what the key is, so that a mix-up is seen and not just a loss.
    const result = await storage.put(`/k/${i}`, Buffer.from(`value of ${i}`.padEnd(300, '.')), 0);
    if (!result.ok) throw new Error(`/k/${i} is there already`);
    report(`${i} ${result.revision}`);
    if (i % 10 === 3) {
      const gone = await storage.delete(`/k/${i}`, result.revision);
      report(`-${i} ${gone.revision}`);
    }
    if (i % 500 === 499) await storage.compact(result.revision);
  }
}
await Promise.all(Array.from({ length: 16 }, writeWithoutEnd));
