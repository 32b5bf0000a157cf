import { randomInt } from 'node:crypto';
import type { RangeAllocation } from '../../../api/gen/types/core-v1.ts';
import type { ResourceInfo } from '../../../api/resource.ts';
import type { ObjectStore } from '../../object-store.ts';
import { StatusError, internalError } from '../../status-errors.ts';
import { define } from '../define.ts';

/** Never served: where the ports that are taken are written down, one bit each, as upstream does. */
export const RANGE_ALLOCATIONS: ResourceInfo<RangeAllocation> = {
  group: '',
  version: 'v1',
  resource: 'rangeallocations',
  kind: 'RangeAllocation',
  namespaced: false,
};

export const rangeAllocations = define(RANGE_ALLOCATIONS, { verbs: [], skipInDiscovery: true });

const NAME = 'servicenodeports';

/** Why a port could not be had, in upstream's words. */
export class PortError extends Error {}

/**
 * Hands out node ports. All of them are one object that is written with compare-and-set, so that two servers
 * never give the same port. Mirrors pkg/registry/core/service/portallocator/allocator.go.
 */
export class NodePorts {
  readonly #from: number;
  readonly #to: number;

  constructor(range: { from: number; to: number }) {
    this.#from = range.from;
    this.#to = range.to;
  }

  /**
   * Takes the wanted ports and one for each undefined; resolves with the ports in order. Rejects with
   * PortError at the first that is taken or outside of the range, and has then taken none.
   */
  async allocate(store: ObjectStore, wanted: ReadonlyArray<number | undefined>): Promise<number[]> {
    if (wanted.length === 0) return [];
    let taken: number[] = [];
    await this.#change(store, (bits) => {
      taken = [];
      for (const port of wanted) {
        const given = port === undefined ? this.#free(bits) : port;
        if (given < this.#from || given > this.#to) {
          throw new PortError(
            `provided port is not in the valid range. The range of valid ports is ${this.#from}-${this.#to}`,
          );
        }
        if (isSet(bits, given - this.#from)) throw new PortError('provided port is already allocated');
        setBit(bits, given - this.#from, true);
        taken.push(given);
      }
    });
    return taken;
  }

  async release(store: ObjectStore, ports: readonly number[]): Promise<void> {
    const inside = ports.filter((port) => port >= this.#from && port <= this.#to);
    if (inside.length === 0) return;
    await this.#change(store, (bits) => {
      for (const port of inside) setBit(bits, port - this.#from, false);
    });
  }

  /**
   * Writes down the ports that services hold, and forgets those that no service holds and that were orphans
   * the last time already: one may belong to a service that is just being written. Resolves with the orphans.
   */
  async reconcile(
    store: ObjectStore,
    held: readonly number[],
    orphansBefore: ReadonlySet<number>,
  ): Promise<Set<number>> {
    let orphans = new Set<number>();
    const kept = new Set(held);
    await this.#change(store, (bits) => {
      orphans = new Set();
      for (const port of held) {
        if (port >= this.#from && port <= this.#to) setBit(bits, port - this.#from, true);
      }
      for (let port = this.#from; port <= this.#to; port += 1) {
        if (!isSet(bits, port - this.#from) || kept.has(port)) continue;
        if (orphansBefore.has(port)) setBit(bits, port - this.#from, false);
        else orphans.add(port);
      }
    });
    return orphans;
  }

  #free(bits: Buffer): number {
    const size = this.#to - this.#from + 1;
    // The lower part comes last: ports that people choose lie there.
    const reserved = Math.min(Math.max(16, Math.floor(size / 32)), 128);
    const start = size > reserved * 2 ? reserved : 0;
    const offset = randomInt(size - start);
    for (let step = 0; step < size - start; step += 1) {
      const index = start + ((offset + step) % (size - start));
      if (!isSet(bits, index)) return this.#from + index;
    }
    for (let index = 0; index < start; index += 1) if (!isSet(bits, index)) return this.#from + index;
    throw internalError('failed to allocate a nodePort: range is full');
  }

  async #change(store: ObjectStore, change: (bits: Buffer) => void): Promise<void> {
    const range = `${this.#from}-${this.#to}`;
    const apply = (current: RangeAllocation): RangeAllocation => {
      const bits = this.#bits(current);
      change(bits);
      return { ...current, range, data: bits.toString('base64') };
    };
    try {
      await store.update(RANGE_ALLOCATIONS, NAME, undefined, apply);
      return;
    } catch (error) {
      if (!(error instanceof StatusError) || error.reason !== 'NotFound') throw error;
    }
    const empty = { apiVersion: 'v1', kind: 'RangeAllocation', metadata: { name: NAME }, range, data: '' };
    try {
      await store.create(RANGE_ALLOCATIONS, apply(empty));
    } catch (error) {
      if (!(error instanceof StatusError) || error.reason !== 'AlreadyExists') throw error;
      await store.update(RANGE_ALLOCATIONS, NAME, undefined, apply);
    }
  }

  /** The stored bits, moved where the range has changed since. */
  #bits(allocation: RangeAllocation): Buffer {
    const bits = Buffer.alloc(Math.ceil((this.#to - this.#from + 1) / 8));
    const stored = Buffer.from(allocation.data ?? '', 'base64');
    const base = Number((allocation.range ?? '').split('-')[0]) || this.#from;
    for (let index = 0; index < stored.length * 8; index += 1) {
      const port = base + index;
      if (isSet(stored, index) && port >= this.#from && port <= this.#to)
        setBit(bits, port - this.#from, true);
    }
    return bits;
  }
}

function isSet(bits: Buffer, index: number): boolean {
  return (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}

function setBit(bits: Buffer, index: number, on: boolean): void {
  const mask = 1 << (index & 7);
  const byte = bits[index >> 3] ?? 0;
  bits[index >> 3] = on ? byte | mask : byte & ~mask;
}
