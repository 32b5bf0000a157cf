import type { KubeObject } from '../../api/resource.ts';
import type { Clock } from '../../base/clock.ts';
import { keyOf, metaOf } from './meta.ts';

const EXPIRES_MS = 60_000;

/**
 * Knows whether a cache shows what we wrote ourselves. A controller that makes objects under generated names
 * must not act before it does: it would make them again.
 */
export class OwnWrites {
  readonly #clock: Clock;
  /** By owner's key: object's key to the version to be seen, undefined for a deletion. */
  readonly #waiting = new Map<string, Map<string, { version: bigint | undefined; sinceMs: number }>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `cached` is what the cache shows now: the event may have overtaken the answer. */
  wrote(owner: string, object: KubeObject, cached: KubeObject | undefined): void {
    if (cached && versionOf(cached) >= versionOf(object)) return;
    this.#note(owner, keyOf(object), versionOf(object));
  }

  deleted(owner: string, object: KubeObject, cached: KubeObject | undefined): void {
    if (cached) this.#note(owner, keyOf(object), undefined);
  }

  /** The cache shows the object in this state. */
  seen(owner: string, object: KubeObject): void {
    const waited = this.#waiting.get(owner)?.get(keyOf(object));
    if (waited?.version !== undefined && versionOf(object) >= waited.version)
      this.#settle(owner, keyOf(object));
  }

  /** The cache shows that the object is gone. */
  gone(owner: string, object: KubeObject): void {
    this.#settle(owner, keyOf(object));
  }

  caughtUp(owner: string): boolean {
    const waiting = this.#waiting.get(owner);
    if (!waiting) return true;
    const nowMs = this.#clock.monotonicMs();
    // A minute is long for a watch: the event is lost, or we wait for the wrong thing.
    for (const [key, { sinceMs }] of waiting) if (nowMs - sinceMs > EXPIRES_MS) this.#settle(owner, key);
    return !this.#waiting.has(owner);
  }

  forget(owner: string): void {
    this.#waiting.delete(owner);
  }

  #note(owner: string, key: string, version: bigint | undefined): void {
    let waiting = this.#waiting.get(owner);
    if (!waiting) this.#waiting.set(owner, (waiting = new Map()));
    waiting.set(key, { version, sinceMs: this.#clock.monotonicMs() });
  }

  #settle(owner: string, key: string): void {
    const waiting = this.#waiting.get(owner);
    waiting?.delete(key);
    if (waiting?.size === 0) this.#waiting.delete(owner);
  }
}

/** Versions are decimal numbers that grow: upstream's promise since 1.35. */
function versionOf(object: KubeObject): bigint {
  const version = metaOf(object).resourceVersion ?? '0';
  return /^\d+$/.test(version) ? BigInt(version) : 0n;
}
