import type { Clock } from '../../base/clock.ts';

/** An expectation that is not met for this long is given up: an event was lost, or a write never happened. */
const EXPIRES_MS = 5 * 60_000;

interface Expected {
  creations: number;
  /** uids, so that a deletion seen twice counts once. */
  deletions: Set<string>;
  sinceMs: number;
}

/**
 * Remembers what a controller has written and not yet seen in its cache, so that it does not create or delete
 * twice. Mirrors UIDTrackingControllerExpectations of pkg/controller/controller_utils.go.
 */
export class Expectations {
  readonly #clock: Clock;
  readonly #expected = new Map<string, Expected>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  satisfied(key: string): boolean {
    const expected = this.#expected.get(key);
    if (expected === undefined) return true;
    if (expected.creations <= 0 && expected.deletions.size === 0) return true;
    return this.#clock.monotonicMs() - expected.sinceMs > EXPIRES_MS;
  }

  expectCreations(key: string, count: number): void {
    this.#expected.set(key, { creations: count, deletions: new Set(), sinceMs: this.#clock.monotonicMs() });
  }

  /** Both at once. */
  expect(key: string, creations: number, uids: readonly string[]): void {
    this.#expected.set(key, { creations, deletions: new Set(uids), sinceMs: this.#clock.monotonicMs() });
  }

  expectDeletions(key: string, uids: readonly string[]): void {
    this.#expected.set(key, { creations: 0, deletions: new Set(uids), sinceMs: this.#clock.monotonicMs() });
  }

  /** Also for a creation that failed: it will not be seen. */
  created(key: string, count = 1): void {
    const expected = this.#expected.get(key);
    if (expected && expected.creations > 0) expected.creations -= count;
  }

  deleted(key: string, uid: string): void {
    this.#expected.get(key)?.deletions.delete(uid);
  }

  forget(key: string): void {
    this.#expected.delete(key);
  }
}
