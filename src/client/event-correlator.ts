import type { Event } from '../api/gen/types/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import { rfc3339 } from '../base/clock.ts';

// Mirrors client-go tools/record/events_cache.go: the same numbers, so that a cluster's event load is what
// its operators know.
const MAX_SIMILAR = 10;
const SIMILAR_WINDOW_MS = 600_000;
const SPAM_BURST = 25;
const SPAM_REFILL_MS = 300_000;
const CACHE_SIZE = 4096;

/** What to send for an event: a new object, or a patch that counts one up. */
export type Correlated =
  | { create: Event }
  | { patch: { name: string; namespace: string; body: object }; create: Event };

interface Seen {
  name: string;
  namespace: string;
  count: number;
  firstTimestamp: string;
}

/**
 * Decides for each event whether it is dropped (one object that talks too much), counted up on one that was
 * sent before, or folded into a "combined" one when many differ in their message alone.
 */
export class EventCorrelator {
  readonly #clock: Clock;
  readonly #buckets = new LruMap<string, { tokens: number; atMs: number }>(CACHE_SIZE);
  readonly #similar = new LruMap<string, { messages: Set<string>; lastMs: number }>(CACHE_SIZE);
  readonly #seen = new LruMap<string, Seen>(CACHE_SIZE);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined: say nothing. `recorded` must be told when the event has been written. */
  correlate(event: Event): Correlated | undefined {
    const aggregated = this.#aggregate(event);
    if (!this.#allowed(event)) return undefined;
    const known = this.#seen.get(identityOf(aggregated));
    const now = rfc3339(this.#clock.now());
    if (!known) return { create: { ...aggregated, count: 1, firstTimestamp: now, lastTimestamp: now } };
    const count = known.count + 1;
    const fresh: Event = { ...aggregated, count, firstTimestamp: known.firstTimestamp, lastTimestamp: now };
    const body = { count, lastTimestamp: now, message: aggregated.message };
    return { patch: { name: known.name, namespace: known.namespace, body }, create: fresh };
  }

  recorded(event: Event): void {
    const { name = '', namespace = '' } = event.metadata ?? {};
    const firstTimestamp = event.firstTimestamp ?? rfc3339(this.#clock.now());
    this.#seen.set(identityOf(event), { name, namespace, count: event.count ?? 1, firstTimestamp });
  }

  #allowed(event: Event): boolean {
    const key = [...sourceParts(event), ...objectParts(event)].join('|');
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(key) ?? { tokens: SPAM_BURST, atMs: nowMs };
    bucket.tokens = Math.min(SPAM_BURST, bucket.tokens + (nowMs - bucket.atMs) / SPAM_REFILL_MS);
    bucket.atMs = nowMs;
    this.#buckets.set(key, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #aggregate(event: Event): Event {
    const key = [...sourceParts(event), ...objectParts(event), event.type, event.reason].join('|');
    const nowMs = this.#clock.monotonicMs();
    let group = this.#similar.get(key);
    if (!group || nowMs - group.lastMs > SIMILAR_WINDOW_MS) group = { messages: new Set(), lastMs: nowMs };
    group.messages.add(event.message ?? '');
    group.lastMs = nowMs;
    this.#similar.set(key, group);
    if (group.messages.size < MAX_SIMILAR) return event;
    // Keeps the set from growing with every new message.
    const [oldest] = group.messages;
    if (oldest !== undefined) group.messages.delete(oldest);
    return { ...event, message: `(combined from similar events): ${event.message}` };
  }
}

function sourceParts(event: Event): string[] {
  return [event.source?.component ?? '', event.source?.host ?? ''];
}

function objectParts(event: Event): string[] {
  const o = event.involvedObject;
  return [o.kind, o.namespace, o.name, o.uid, o.apiVersion].map((part) => part ?? '');
}

/** A combined event is one whatever its message, so that its count grows. */
function identityOf(event: Event): string {
  const combined = (event.message ?? '').startsWith('(combined from similar events)');
  const message = combined ? '(combined)' : (event.message ?? '');
  const path = event.involvedObject.fieldPath ?? '';
  return [...sourceParts(event), ...objectParts(event), path, event.type, event.reason, message].join('|');
}

/** A Map that forgets what was used longest ago. */
class LruMap<K, V> {
  readonly #map = new Map<K, V>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get(key: K): V | undefined {
    const value = this.#map.get(key);
    if (value !== undefined) {
      this.#map.delete(key);
      this.#map.set(key, value);
    }
    return value;
  }

  set(key: K, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size > this.#max) this.#map.delete(this.#map.keys().next().value as K);
  }
}
