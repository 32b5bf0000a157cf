import { EVENTS } from '../../api/gen/resources.ts';
import type { Event } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission-plugin.ts';
import { tooManyRequests } from '../status-errors.ts';

export interface EventLimit {
  type: 'Server' | 'Namespace' | 'User' | 'SourceAndObject';
  qps: number;
  burst: number;
  /** Of how many namespaces, users or sources it remembers what they sent. */
  cacheSize: number;
}

/** Refuses events that come too fast. Mirrors plugin/pkg/admission/eventratelimit. */
export function eventRateLimit(limits: readonly EventLimit[], clock: Clock): AdmissionPlugin {
  const buckets = limits.map((limit) => new Buckets(limit, clock));
  return {
    name: 'EventRateLimit',
    handles: ({ operation, resource, subresource }) =>
      resource.resource === EVENTS.resource &&
      (resource.group === '' || resource.group === 'events.k8s.io') &&
      subresource === '' &&
      (operation === 'CREATE' || operation === 'UPDATE'),
    validate(attributes) {
      if (attributes.context.dryRun) return;
      // All take note of it, whichever refuses.
      const refused = buckets.map((bucket) => !bucket.take(attributes));
      if (!refused.includes(true)) return;
      throw tooManyRequests('limit reached on type ' + (limits[refused.indexOf(true)]?.type ?? ''), 1);
    },
  };
}

class Buckets {
  readonly #limit: EventLimit;
  readonly #clock: Clock;
  /** Oldest use first. */
  readonly #levels = new Map<string, { tokens: number; atMs: number }>();

  constructor(limit: EventLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  take(attributes: AdmissionAttributes): boolean {
    const { qps, burst, cacheSize } = this.#limit;
    const key = this.#keyOf(attributes);
    const nowMs = this.#clock.monotonicMs();
    const before = this.#levels.get(key);
    const gained = before ? ((nowMs - before.atMs) / 1000) * qps : burst;
    const tokens = Math.min(burst, (before?.tokens ?? 0) + gained);
    const allowed = tokens >= 1;
    this.#levels.delete(key);
    this.#levels.set(key, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs });
    for (const oldest of this.#levels.keys()) {
      if (this.#levels.size <= cacheSize) break;
      this.#levels.delete(oldest);
    }
    return allowed;
  }

  #keyOf({ namespace, context, object }: AdmissionAttributes): string {
    if (this.#limit.type === 'Server') return '';
    if (this.#limit.type === 'Namespace') return namespace;
    if (this.#limit.type === 'User') return context.user.name;
    const { source, involvedObject: about } = object as Event;
    return [
      source?.component,
      source?.host,
      about?.kind,
      about?.namespace,
      about?.name,
      about?.uid,
      about?.apiVersion,
    ].join('\0');
  }
}
