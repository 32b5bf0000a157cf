import { FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS } from '../../api/gen/resources.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/gen/types/flowcontrol-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { ObjectFeed } from '../authz/object-feed.ts';
import type { RequestInfo, UserInfo } from '../request-context.ts';
import { MANDATORY_LEVELS, MANDATORY_SCHEMAS } from '../resources/flowcontrol/bootstrap-objects.ts';
import { divideSeats } from './borrowing.ts';
import { byPrecedence, classifierOf } from './classify.ts';
import type { Classifier } from './classify.ts';
import { QueueSet } from './queue-set.ts';
import type { QueueSetConfig, Refusal, Seated } from './queue-set.ts';
import { flowCounts } from './ticket.ts';
import type { FlowCounts, Ticket } from './ticket.ts';

export interface FairnessOptions {
  feed: ObjectFeed;
  clock: Clock;
  /** Seats of the whole server. Default: upstream's 400 reads and 200 writes. */
  concurrency?: number;
  /** How many objects a resource has, and how many watch it: what lists and writes cost. */
  objects(group: string, resource: string): number;
  watchers(group: string, resource: string): number;
}

interface Level {
  object: PriorityLevelConfiguration;
  queues: QueueSet;
  exempt: boolean;
  nominal: number;
  least: number;
  most: number;
  /** The widest a request may be. */
  widest: number;
  smoothed: number;
}

interface Flow {
  schema: FlowSchema;
  matches: Classifier;
  level: Level;
  counts: FlowCounts;
}

/** How a request goes in: under which schema and level, and its seat or why it has none. */
export interface Entry {
  flowSchemaUid: string;
  priorityLevelUid: string;
  seat: Seated | Promise<Seated> | Refusal;
  /** How long who is refused should stay away. */
  retryAfterSeconds(): number;
}

/** A level as metrics and dumps see it. */
export type LevelView = Pick<Level, 'queues' | 'exempt' | 'nominal' | 'least' | 'most'>;

const READS: ReadonlySet<string> = new Set(['get', 'list', 'watch', 'head', 'options']);
/** A quarter of the time that a request has. */
const WAIT_MS = 15_000;
const ADJUST_EVERY_MS = 10_000;
const SMOOTHING = 0.977;
const OBJECTS_PER_SEAT = 100;
const WATCHES_PER_SEAT = 10;
const EVENT_MS = 5;
const MAX_SEATS = 10;

/**
 * Sorts requests into flows and priority levels, and lets each level run as many as are its due. Mirrors apiserver
 * pkg/util/flowcontrol/apf_controller.go.
 */
export class Fairness {
  readonly #options: FairnessOptions;
  readonly #concurrency: number;
  readonly #schemas = new Map<string, FlowSchema>();
  readonly #configurations = new Map<string, PriorityLevelConfiguration>();
  readonly #levels = new Map<string, Level>();
  readonly #stopFollowing: Array<() => void>;
  /** By 'level schema'; what they count outlives changes of either. */
  readonly #counts = new Map<string, FlowCounts>();
  #flows: Flow[] = [];
  #adjustedMs: number;
  #stale = true;
  #onChange: () => void = () => undefined;

  constructor(options: FairnessOptions) {
    this.#options = options;
    this.#concurrency = options.concurrency ?? 600;
    this.#adjustedMs = options.clock.monotonicMs();
    const changed = (): void => {
      this.#stale = true;
      this.#onChange();
    };
    const follow = <T extends FlowSchema | PriorityLevelConfiguration>(known: Map<string, T>) => ({
      set(object: T) {
        known.set(object.metadata?.name ?? '', object);
        changed();
      },
      deleted(object: T) {
        known.delete(object.metadata?.name ?? '');
        changed();
      },
    });
    this.#stopFollowing = [
      options.feed.follow(FLOWSCHEMAS, follow(this.#schemas)),
      options.feed.follow(PRIORITYLEVELCONFIGURATIONS, follow(this.#configurations)),
    ];
  }

  stop(): void {
    for (const stop of this.#stopFollowing) stop();
  }

  /** `listener` is told when a schema or a level has changed. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  get levels(): ReadonlyMap<string, LevelView> {
    if (this.#stale) this.#digest();
    return this.#levels;
  }

  /** What became of requests, by level and schema. */
  *flows(): Generator<{ level: string; schema: string; counts: FlowCounts }> {
    for (const [key, counts] of this.#counts) {
      const [level = '', schema = ''] = key.split(' ');
      yield { level, schema, counts };
    }
  }

  enter(info: RequestInfo, user: UserInfo, limit: number, signal: AbortSignal): Entry {
    if (this.#stale) this.#digest();
    if (this.#options.clock.monotonicMs() - this.#adjustedMs > ADJUST_EVERY_MS) this.#adjust();
    const { schema, level, counts } =
      this.#flows.find(({ matches }) => matches(info, user)) ?? this.#catchAll();
    const seats = level.exempt ? 1 : this.#seatsOf(info, limit, level);
    const hold = level.exempt || READS.has(info.verb) ? 0 : this.#watchSeats(info);
    const holdSeats = Math.min(hold, level.widest, MAX_SEATS);
    const ticket: Ticket = {
      schema: schema.metadata?.name ?? '',
      distinguisher: distinguisherOf(schema, info, user),
      seats,
      holdSeats,
      holdMs: holdSeats > 0 ? (hold * EVENT_MS) / holdSeats : 0,
      arrivedMs: this.#options.clock.now(),
      info,
      userName: user.name,
      counts,
      startedMs: 0,
    };
    return {
      flowSchemaUid: schema.metadata?.uid ?? '',
      priorityLevelUid: level.object.metadata?.uid ?? '',
      seat: level.queues.enter(ticket, signal),
      retryAfterSeconds: () => level.queues.retryAfterSeconds,
    };
  }

  #catchAll(): Flow {
    const flow = this.#flows.at(-1);
    if (!flow) throw new Error('priority and fairness has no flow at all');
    return flow;
  }

  /** Lists are as wide as what they read. Mirrors pkg/util/flowcontrol/request/list_work_estimator.go. */
  #seatsOf(info: RequestInfo, limit: number, level: Level): number {
    if (info.verb !== 'list' || !info.isResourceRequest || info.name !== '') return 1;
    const stored = this.#options.objects(info.group, info.resource);
    const read = limit > 0 ? Math.min(limit, stored) : stored;
    return Math.max(1, Math.min(Math.ceil(read / OBJECTS_PER_SEAT), level.widest, MAX_SEATS));
  }

  #watchSeats(info: RequestInfo): number {
    if (!info.isResourceRequest || info.subresource === 'token') return 0;
    const watchers = this.#options.watchers(info.group, info.resource);
    return watchers < WATCHES_PER_SEAT ? 0 : Math.ceil(watchers / WATCHES_PER_SEAT);
  }

  #digest(): void {
    this.#stale = false;
    const known = new Map(MANDATORY_LEVELS.map((one) => [one.metadata?.name ?? '', one]));
    for (const [name, configuration] of this.#configurations) known.set(name, configuration);
    const shares = [...known.values()].reduce((sum, { spec }) => sum + sharesOf(spec), 0) || 1;
    for (const [name, object] of known) this.#setLevel(name, object, shares);
    for (const name of this.#levels.keys()) if (!known.has(name)) this.#levels.delete(name);
    const schemas = new Map(MANDATORY_SCHEMAS.map((one) => [one.metadata?.name ?? '', one]));
    for (const [name, schema] of this.#schemas) schemas.set(name, schema);
    this.#flows = [...schemas.values()].sort(byPrecedence).flatMap((schema) => {
      const levelName = schema.spec?.priorityLevelConfiguration?.name ?? '';
      const level = this.#levels.get(levelName);
      if (!level) return [];
      const key = `${levelName} ${schema.metadata?.name ?? ''}`;
      const counts = this.#counts.get(key) ?? flowCounts();
      this.#counts.set(key, counts);
      return [{ schema, level, counts, matches: classifierOf(schema) }];
    });
    this.#forgetCounts();
  }

  /** Of what is no longer there, once nothing of it runs. */
  #forgetCounts(): void {
    const living = new Set(this.#flows.map(({ counts }) => counts));
    for (const [key, counts] of this.#counts) {
      if (!living.has(counts) && counts.executing + counts.waiting === 0) this.#counts.delete(key);
    }
  }

  #setLevel(name: string, object: PriorityLevelConfiguration, allShares: number): void {
    const { spec } = object;
    const exempt = spec?.type === 'Exempt';
    const part = spec?.limited ?? spec?.exempt ?? {};
    const nominal = Math.ceil((this.#concurrency * sharesOf(spec)) / allShares);
    const lent = Math.round((nominal * (part.lendablePercent ?? 0)) / 100);
    const limit = spec?.limited?.borrowingLimitPercent;
    const borrowed = limit === undefined ? this.#concurrency : Math.round((nominal * limit) / 100);
    const config = queuesOf(object);
    const before = this.#levels.get(name);
    const queues = before?.queues ?? new QueueSet(this.#options.clock, config, WAIT_MS);
    const hand = Math.max(1, config.handSize);
    const widest = Math.max(1, Math.min(Math.ceil(nominal * 0.15), Math.floor(nominal / hand)));
    const least = nominal - lent;
    this.#levels.set(name, {
      object,
      queues,
      exempt,
      nominal,
      least,
      most: nominal + borrowed,
      widest,
      smoothed: before?.smoothed ?? 0,
    });
    queues.configure(config);
    if (exempt) queues.setLimit(Number.POSITIVE_INFINITY);
    else if (!before || before.nominal !== nominal || before.least !== least) queues.setLimit(nominal);
  }

  /** Seats go from levels that do not use them to those that wait for some. */
  #adjust(): void {
    this.#adjustedMs = this.#options.clock.monotonicMs();
    const levels = [...this.#levels.values()];
    const limited = levels.filter(({ exempt }) => !exempt);
    const shares = limited.map((level) => {
      const high = level.queues.takeHighWater();
      level.smoothed = Math.max(high, SMOOTHING * level.smoothed + (1 - SMOOTHING) * high);
      const least = Math.max(level.least, Math.min(level.nominal, high));
      return { target: Math.max(least, level.smoothed), least, most: Math.max(least, level.most) };
    });
    const seats = divideSeats(this.#concurrency, shares);
    for (const [index, { queues }] of limited.entries()) queues.setLimit(seats[index] ?? queues.limit);
  }
}

function sharesOf(spec: PriorityLevelConfiguration['spec']): number {
  return (spec?.limited ?? spec?.exempt)?.nominalConcurrencyShares ?? 0;
}

function queuesOf({ spec }: PriorityLevelConfiguration): QueueSetConfig {
  const { type, queuing } = spec?.limited?.limitResponse ?? {};
  if (type !== 'Queue') return { queues: 0, handSize: 1, queueLengthLimit: 0 };
  const { queues = 64, handSize = 8, queueLengthLimit = 50 } = queuing ?? {};
  return { queues, handSize, queueLengthLimit };
}

function distinguisherOf({ spec }: FlowSchema, info: RequestInfo, user: UserInfo): string {
  const by = spec?.distinguisherMethod?.type;
  if (by === 'ByUser') return user.name;
  return by === 'ByNamespace' ? info.namespace : '';
}
