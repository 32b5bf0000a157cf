import type { Clock } from '../base/clock.ts';
import type { ClusterEvent, Plugin } from './framework.ts';
import type { PodInfo } from './node-info.ts';

const BACKOFF_INITIAL_MS = 1_000;
const BACKOFF_MAX_MS = 10_000;
/** A pod that nothing has helped for so long is tried again: an event may have been judged wrongly. */
const FLUSH_MS = 5 * 60_000;

interface Waiting {
  info: PodInfo;
  /** When it came, for order among equals. */
  order: number;
  attempts: number;
  refusedBy: ReadonlySet<Plugin>;
  /** When it last failed. */
  failedMs: number;
}

/**
 * Pods that wait for a node: those to try now by priority, those that failed and wait for their back-off, and
 * those that wait for the cluster to change. Mirrors pkg/scheduler/backend/queue/scheduling_queue.go.
 */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #active = new Heap<Waiting>((a, b) => b.info.priority - a.info.priority || a.order - b.order);
  readonly #known = new Map<string, Waiting>();
  readonly #unschedulable = new Map<string, Waiting>();
  #order = 0;

  /** `wake` is told whenever a pod becomes ready to be tried. */
  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  get pending(): number {
    return this.#known.size;
  }

  /** A new pod, or one that changed itself: tried at once. */
  add(info: PodInfo): void {
    const old = this.#known.get(info.uid);
    if (old) old.info = info;
    const waiting = old ?? { info, order: this.#order++, attempts: 0, refusedBy: new Set(), failedMs: 0 };
    this.#known.set(info.uid, waiting);
    if (!old || this.#unschedulable.delete(info.uid)) this.#activate(waiting);
  }

  /** New content of a pod that waits; nothing else happens. */
  refresh(info: PodInfo): void {
    const known = this.#known.get(info.uid);
    if (known) known.info = info;
  }

  has(uid: string): boolean {
    return this.#known.has(uid);
  }

  get(uid: string): PodInfo | undefined {
    return this.#known.get(uid)?.info;
  }

  remove(uid: string): void {
    this.#known.delete(uid);
    this.#unschedulable.delete(uid);
  }

  /** The next pod to try. It stays known until `remove`; `failed` puts it back. */
  pop(): PodInfo | undefined {
    for (let waiting = this.#active.pop(); waiting; waiting = this.#active.pop()) {
      if (this.#known.get(waiting.info.uid) !== waiting) continue;
      waiting.attempts++;
      return waiting.info;
    }
    return undefined;
  }

  /**
   * The pod found no node: it waits for an event that may help one of these plugins. Without plugins (its
   * binding failed) it only waits for its back-off.
   */
  failed(uid: string, refusedBy: ReadonlySet<Plugin>): void {
    const waiting = this.#known.get(uid);
    if (!waiting) return;
    waiting.failedMs = this.#clock.monotonicMs();
    waiting.refusedBy = refusedBy;
    if (refusedBy.size === 0) {
      this.#afterBackoff(waiting);
      return;
    }
    this.#unschedulable.set(uid, waiting);
    this.#clock.after(FLUSH_MS, () => {
      if (
        this.#unschedulable.get(uid) === waiting &&
        this.#clock.monotonicMs() - waiting.failedMs >= FLUSH_MS
      )
        this.#release(waiting);
    });
  }

  /** Lets those pods try again that the event may help. */
  react(event: ClusterEvent): void {
    for (const waiting of this.#unschedulable.values())
      for (const plugin of waiting.refusedBy)
        if (plugin.mayHelp(waiting.info, event)) {
          this.#release(waiting);
          break;
        }
  }

  #release(waiting: Waiting): void {
    this.#unschedulable.delete(waiting.info.uid);
    this.#afterBackoff(waiting);
  }

  #afterBackoff(waiting: Waiting): void {
    const backoffMs = Math.min(BACKOFF_INITIAL_MS * 2 ** (waiting.attempts - 1), BACKOFF_MAX_MS);
    const leftMs = waiting.failedMs + backoffMs - this.#clock.monotonicMs();
    if (leftMs <= 0) this.#activate(waiting);
    else
      this.#clock.after(
        leftMs,
        () => this.#known.get(waiting.info.uid) === waiting && this.#activate(waiting),
      );
  }

  #activate(waiting: Waiting): void {
    this.#active.push(waiting);
    this.#wake();
  }
}

class Heap<T> {
  readonly #items: T[] = [];
  readonly #compare: (a: T, b: T) => number;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  push(item: T): void {
    const items = this.#items;
    items.push(item);
    let at = items.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#compare(items[at] as T, items[parent] as T) >= 0) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  pop(): T | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return top;
    items[0] = last;
    for (let at = 0; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < items.length && this.#compare(items[left] as T, items[least] as T) < 0) least = left;
      if (right < items.length && this.#compare(items[right] as T, items[least] as T) < 0) least = right;
      if (least === at) return top;
      this.#swap(at, least);
      at = least;
    }
  }

  #swap(a: number, b: number): void {
    const items = this.#items;
    [items[a], items[b]] = [items[b] as T, items[a] as T];
  }
}
