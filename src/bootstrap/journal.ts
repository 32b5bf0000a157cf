import { messageOf } from '../base/errors.ts';
import { rfc3339Micro, type Clock } from '../base/clock.ts';
import type { StateDirectory } from './state-directory.ts';

export const JOURNAL = 'journal.jsonl';

/** One line of the journal. A change that begins and neither is done nor fails was cut off. */
export interface JournalEntry {
  time: string;
  /** 'run.number': also in the server's ledger, on what the change recorded there. */
  id: string;
  state: 'begun' | 'done' | 'failed';
  phase: string;
  /** Null: the operator's own state, or the cluster's objects. */
  node: string | null;
  change: string;
  error?: string;
}

/** A step of the journal as a whole. */
export interface JournalStep {
  id: string;
  /** When it began, RFC 3339. */
  time: string;
  phase: string;
  node: string | null;
  change: string;
  /** 'begun': its run was cut off, or is at work. */
  state: 'begun' | 'done' | 'failed';
  error?: string;
}

/** Every step that runs on this state directory have taken, the oldest first. A line that a power cut tore is dropped. */
export async function readJournal(state: StateDirectory): Promise<JournalStep[]> {
  const steps = new Map<string, JournalStep>();
  for (const line of ((await state.read(JOURNAL)) ?? '').split('\n')) {
    const entry = parseLine(line);
    if (entry === undefined) continue;
    const { time, id, phase, node, change, state: now, error } = entry;
    const begun = steps.get(id)?.time ?? time;
    steps.set(id, {
      id,
      time: begun,
      phase,
      node,
      change,
      state: now,
      ...(error === undefined ? {} : { error }),
    });
  }
  return [...steps.values()];
}

function parseLine(line: string): JournalEntry | undefined {
  try {
    return JSON.parse(line) as JournalEntry;
  } catch {
    return undefined;
  }
}

/** What runs have changed, on the operator's side: each change before it begins and after it has ended, synced. */
export class Journal {
  readonly #state: StateDirectory;
  readonly #clock: Clock;
  readonly #run: string;
  #count = 0;

  /** `run` tells runs apart: their beginning, for one operator works at a time. */
  constructor(state: StateDirectory, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
    this.#run = String(clock.now());
  }

  /** Runs a change between its two lines; gives it its id. Rejects as the change does. */
  async record(
    what: { phase: string; node: string | undefined; change: string },
    fn: (id: string) => Promise<void>,
  ): Promise<void> {
    const id = `${this.#run}.${++this.#count}`;
    const entry = { id, phase: what.phase, node: what.node ?? null, change: what.change };
    await this.#append({ ...entry, state: 'begun' });
    try {
      await fn(id);
    } catch (error) {
      await this.#append({ ...entry, state: 'failed', error: messageOf(error).split('\n')[0] ?? '' });
      throw error;
    }
    await this.#append({ ...entry, state: 'done' });
  }

  async #append(entry: Omit<JournalEntry, 'time'>): Promise<void> {
    const time = rfc3339Micro(this.#clock.now());
    await this.#state.append(JOURNAL, `${JSON.stringify({ time, ...entry })}\n`);
  }
}
