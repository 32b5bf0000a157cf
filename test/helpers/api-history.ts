/**
 * A record of what clients asked of an API server and what they saw, and the rules that every such record keeps
 * to, whatever was killed in between. The order of begins and ends is that of one process's event loop.
 */

/**
 * A write. `revision` is what the server said when it acknowledged it; it says none for a deletion. `value` is
 * unique for each create and update; a deletion has the value that it deletes, as its precondition made sure.
 */
export interface WriteRecord {
  /** Moments on one counter: `end` is absent where no answer came, so that nobody knows whether it was done. */
  begin: number;
  end?: number;
  kind: 'create' | 'update' | 'delete';
  key: string;
  value: string;
  outcome: 'acknowledged' | 'refused' | 'unknown';
  revision?: number;
}

export interface SeenEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  key: string;
  value: string;
  revision: number;
}

/** What one watcher saw: a list, then every event after it, over as many connections as it took. */
export interface WatchRecord {
  start: { revision: number; objects: Map<string, string> };
  events: SeenEvent[];
  /** Connections that were resumed. */
  resumed: number;
}

export interface ApiHistory {
  writes: WriteRecord[];
  watches: WatchRecord[];
  /** What a list said at the end. */
  final: Map<string, string>;
}

/** What is wrong with a history, in sentences; none where it could have come from one correct server. */
export function checkHistory(history: ApiHistory): string[] {
  return [
    ...checkRevisions(history.writes),
    ...history.watches.flatMap((watch, index) => checkWatch(history, watch, `watcher ${index}`)),
    ...checkFinal(history),
  ];
}

const acknowledgedOf = (writes: readonly WriteRecord[]): Array<WriteRecord & { revision: number }> =>
  writes.filter(
    (write): write is WriteRecord & { revision: number } =>
      write.outcome === 'acknowledged' && write.revision !== undefined,
  );

const name = ({ kind, key, value, revision }: WriteRecord): string =>
  `${kind} of ${key}=${value}${revision === undefined ? '' : ` at ${revision}`}`;

/** No revision is given twice, and a write that began after another was acknowledged has a greater one. */
function checkRevisions(writes: readonly WriteRecord[]): string[] {
  const problems: string[] = [];
  const acknowledged = acknowledgedOf(writes);
  const byRevision = new Map<number, WriteRecord>();
  for (const write of acknowledged) {
    const other = byRevision.get(write.revision);
    if (other) problems.push(`a revision was used twice: ${name(other)}, ${name(write)}`);
    byRevision.set(write.revision, write);
  }
  const ends = acknowledged.toSorted((a, b) => a.end! - b.end!);
  let next = 0;
  let newest: (WriteRecord & { revision: number }) | undefined;
  for (const write of acknowledged.toSorted((a, b) => a.begin - b.begin)) {
    for (; next < ends.length && ends[next]!.end! < write.begin; next++) {
      if (!newest || ends[next]!.revision > newest.revision) newest = ends[next];
    }
    if (newest && newest.revision >= write.revision) {
      problems.push(`a revision went back: ${name(write)} began after ${name(newest)} was acknowledged`);
    }
  }
  return problems;
}

/** Every acknowledged write after the watcher's start comes once and in order; nothing comes that nobody wrote. */
function checkWatch({ writes }: ApiHistory, { start, events }: WatchRecord, who: string): string[] {
  const problems: string[] = [];
  let last = start.revision;
  const state = new Map(start.objects);
  for (const event of events) {
    const label = `${who}: ${event.type} ${event.key}=${event.value} at ${event.revision}`;
    if (event.revision <= last) problems.push(`${label} came after revision ${last}`);
    last = event.revision;
    if ((event.type === 'ADDED') === state.has(event.key)) {
      problems.push(`${label}, but the object was ${state.has(event.key) ? '' : 'not '}there before`);
    }
    if (event.type === 'DELETED') state.delete(event.key);
    else state.set(event.key, event.value);
  }
  const lastSeen = events.at(-1)?.revision ?? start.revision;
  const seen = new Map(events.map((event) => [event.revision, event]));
  const deleted = new Set(
    events.flatMap(({ type, key, value }) => (type === 'DELETED' ? [`${key}=${value}`] : [])),
  );
  for (const write of writes) {
    if (write.outcome !== 'acknowledged') continue;
    if (write.kind === 'delete' && !deleted.has(`${write.key}=${write.value}`)) {
      problems.push(`${who} missed the acknowledged ${name(write)}`);
    }
    if (write.revision === undefined || write.revision <= start.revision) continue;
    const event = seen.get(write.revision);
    if (!event) {
      problems.push(
        `${who} ${write.revision < lastSeen ? 'missed' : 'never reached'} the acknowledged ${name(write)}`,
      );
    } else if (event.key !== write.key || event.value !== write.value) {
      problems.push(`${who} saw ${event.key}=${event.value} for the acknowledged ${name(write)}`);
    }
  }
  return [...problems, ...checkOrigins(writes, events, who)];
}

/** Every event stems from a write that was acknowledged or whose outcome is unknown, and each value comes once. */
function checkOrigins(writes: readonly WriteRecord[], events: readonly SeenEvent[], who: string): string[] {
  const problems: string[] = [];
  const possible = new Map<string, WriteRecord>();
  for (const write of writes) if (write.kind !== 'delete') possible.set(`${write.key}=${write.value}`, write);
  const used = new Set<string>();
  for (const { type, key, value, revision } of events) {
    if (type === 'DELETED') continue;
    const id = `${key}=${value}`;
    const write = possible.get(id);
    if (!write || write.outcome === 'refused') {
      problems.push(`${who} saw ${id} at ${revision}, which ${write ? 'was refused' : 'nobody wrote'}`);
    }
    if (used.has(id)) problems.push(`${who} saw ${id} twice, the second time at ${revision}`);
    used.add(id);
  }
  return problems;
}

/** What the watchers saw adds up to what a list says at the end. */
function checkFinal({ watches, final }: ApiHistory): string[] {
  const problems: string[] = [];
  for (const [index, { start, events }] of watches.entries()) {
    const state = new Map(start.objects);
    for (const { type, key, value } of events) {
      if (type === 'DELETED') state.delete(key);
      else state.set(key, value);
    }
    for (const key of new Set([...state.keys(), ...final.keys()])) {
      const [watched = 'nothing', listed = 'nothing'] = [state.get(key), final.get(key)];
      if (watched !== listed) {
        problems.push(`watcher ${index} ended with ${key}=${watched}, the list with ${listed}`);
      }
    }
  }
  return problems;
}
