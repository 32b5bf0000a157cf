const LONGEST_SECONDS = 32;

/**
 * How long those that a level refuses are asked to stay away: twice as long when it refused three a second, a second less
 * when it refused fewer than one. Mirrors apiserver pkg/util/flowcontrol/dropped_requests_tracker.go.
 */
export class RetryAfter {
  #seconds = 1;
  #raisedAt = 0;
  #second = 0;
  #count = 0;
  #history: Array<{ second: number; count: number }> = [];

  get seconds(): number {
    return this.#seconds;
  }

  /** Counts a refused request; `nowMs` is epoch. */
  refused(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second === this.#second) {
      this.#count += 1;
      return;
    }
    this.#history.push({ second: this.#second, count: this.#count });
    const oldest = this.#second - Math.min(2 * this.#seconds, LONGEST_SECONDS);
    this.#history = this.#history.filter((each) => each.second >= oldest);
    this.#second = second;
    this.#count = 1;
    this.#adjust(second);
  }

  #adjust(second: number): void {
    let refused = 0;
    for (const each of this.#history) {
      if (each.second >= second - this.#seconds && each.second < second) refused += each.count;
    }
    if (second - this.#raisedAt >= this.#seconds && refused >= 3 * this.#seconds) {
      this.#seconds = Math.min(this.#seconds * 2, LONGEST_SECONDS);
      this.#raisedAt = second;
    } else if (refused < this.#seconds && this.#seconds > 1) this.#seconds -= 1;
  }
}
