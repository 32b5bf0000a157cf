/**
 * Loaded into an installer before its own code (`node --import`): the process kills itself with SIGKILL at the first moment
 * of a step at which none before it has died. It sees the steps where the installer writes them down, in its journal, so
 * that a test knows of each step that the code has, and dies exactly between two effects.
 *
 * SLIPWAY_TEST_KILLED names the file of moments, one a line; SLIPWAY_TEST_MOMENTS which kinds of moments there are. With
 * SLIPWAY_TEST_ALIKE what the same lines do is one step: on whichever server, and for each folder of certificates.
 */
import fs, { type PathLike } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as after } from 'node:timers/promises';
import type { JournalEntry } from '../../src/bootstrap/journal.ts';

const file = process.env['SLIPWAY_TEST_KILLED'] ?? '';
const moments = new Set((process.env['SLIPWAY_TEST_MOMENTS'] ?? '').split(','));
const alike = Boolean(process.env['SLIPWAY_TEST_ALIKE']);
/** So long after its beginning a step is in the middle of its work. */
const DURING_MS = Number(process.env['SLIPWAY_TEST_DURING_MS'] ?? '60');

/** What differs between two runs of the same step is taken out: names made of random letters, numbers. */
const keyOf = (moment: string, { phase, node, change }: JournalEntry): string => {
  const words = (alike ? change.replace(/^(issue [\w-]+)\/\S+/, '$1') : change)
    .replace(/\b(bootstrap-token|node-csr|csr)-[\w-]+/g, '$1')
    .replace(/\b[0-9a-f]{8,}\b|\d+/g, 'N');
  const where = alike && node !== null ? 'a server' : (node ?? '');
  const named = alike && node !== null ? words.replaceAll(node, 'a server') : words;
  return `${moment}\t${phase}\t${where}\t${named}`;
};

/** Dies where this moment is a new one. */
async function dieAt(moment: string, entry: JournalEntry): Promise<void> {
  if (!moments.has(moment)) return;
  const key = keyOf(moment, entry);
  if (fs.readFileSync(file, 'utf8').split('\n').includes(key)) return;
  fs.appendFileSync(file, `${key}\n`);
  process.kill(process.pid, 'SIGKILL');
  await new Promise(() => {});
}

function watch(journal: FileHandle): FileHandle {
  const append = journal.appendFile.bind(journal);
  const sync = journal.sync.bind(journal);
  let begun: JournalEntry | undefined;
  journal.appendFile = async (text, options) => {
    const entry = JSON.parse(typeof text === 'string' ? text : '{}') as JournalEntry;
    if (entry.state === 'begun') begun = entry;
    // Its effect is there, and nobody has written that down.
    else if (entry.state === 'done') await dieAt('done', entry);
    await append(text, options);
  };
  journal.sync = async () => {
    await sync();
    if (begun === undefined) return;
    await dieAt('begun', begun);
    const entry = begun;
    if (moments.has('during')) void after(DURING_MS).then(() => dieAt('during', entry));
  };
  return journal;
}

const { open } = fs.promises;
fs.promises.open = async (path: PathLike, ...rest) => {
  const handle = await open(path, ...rest);
  return String(path).endsWith('/journal.jsonl') ? watch(handle) : handle;
};
syncBuiltinESMExports();
