import type { Node } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { disruptionOf, zoneOf } from './health.ts';
import { readyStatus } from './taints.ts';

/** One node in ten seconds, in each zone; a tenth of that in a large zone of which most is down. */
const NORMAL_MS = 10_000;
const SECONDARY_MS = 100_000;
const LARGE_ZONE = 50;

/**
 * Decides when pods may be driven off another node. When most of a zone is down at once the fault is more
 * likely in the network, or here, than in the nodes: moving their pods would make it worse. Mirrors the zone
 * states and rates of pkg/controller/nodelifecycle.
 */
export class EvictionGate {
  readonly #clock: Clock;
  readonly #freeAtMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0: go on now (and the turn is taken). More: ask again after so many ms. Infinity: not while things are so. */
  waitMs(node: Node, all: readonly Node[]): number {
    const zone = zoneOf(node);
    const spacing = spacingMs(zone, all);
    if (spacing === Infinity) return Infinity;
    const now = this.#clock.monotonicMs();
    const freeAt = this.#freeAtMs.get(zone) ?? 0;
    if (freeAt > now) return freeAt - now;
    this.#freeAtMs.set(zone, now + spacing);
    return 0;
  }
}

/** Whether every zone is down: then the trouble is ours. */
export function everythingIsDown(all: readonly Node[]): boolean {
  return all.length > 0 && all.every((node) => readyStatus(node) !== 'True');
}

function spacingMs(zone: string, all: readonly Node[]): number {
  if (everythingIsDown(all)) return Infinity;
  const nodes = all.filter((node) => zoneOf(node) === zone);
  const ready = nodes.filter((node) => readyStatus(node) === 'True').length;
  if (disruptionOf(ready, nodes.length - ready) !== 'partial') return NORMAL_MS;
  return nodes.length > LARGE_ZONE ? SECONDARY_MS : Infinity;
}
