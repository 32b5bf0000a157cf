import { randomInt } from 'node:crypto';
import { IPADDRESSES } from '../../../api/gen/resources.ts';
import type { ObjectStore } from '../../object-store.ts';
import { StatusError, internalError } from '../../status-errors.ts';
import { bigIntToIp, ipFamily, ipToBigInt } from '../validation/ip.ts';

const MANAGED_BY = 'ipallocator.k8s.io';
const RANDOM_TRIES = 8;

export interface AddressOwner {
  namespace: string;
  name: string;
}

/** Why an address could not be had; the text completes upstream's "failed to allocate IP …". */
export class AddressError extends Error {}

/**
 * Hands out the addresses of a range. An address is taken by creating the IPAddress object of that name,
 * which the store lets only one do, whichever server asks. Mirrors
 * pkg/registry/core/service/ipallocator/ipallocator.go.
 */
export class ClusterIps {
  readonly family: 'IPv4' | 'IPv6';
  readonly #range: string;
  /** First and last address that may be handed out; the network's own and IPv4's broadcast address may not. */
  readonly #first: bigint;
  readonly #last: bigint;

  constructor(range: string) {
    const [address = '', bits = ''] = range.split('/');
    const family = ipFamily(address);
    if (family === '') throw new Error(`${range} is no range of addresses`);
    this.family = family;
    this.#range = range;
    const size = 1n << BigInt((family === 'IPv4' ? 32 : 128) - Number(bits));
    const base = (ipToBigInt(address) / size) * size;
    // Upstream counts no further than this in IPv6 ranges, and neither need we.
    const usable = size > 1n << 64n ? 1n << 64n : size;
    this.#first = base + 1n;
    this.#last = base + usable - (family === 'IPv4' ? 2n : 1n);
  }

  /** Takes the address for a service. Rejects with AddressError where it is taken or outside of the range. */
  async allocate(store: ObjectStore, address: string, owner: AddressOwner): Promise<void> {
    this.checkRange(address);
    if (!(await this.#take(store, address, owner)))
      throw new AddressError('provided IP is already allocated');
  }

  /** Throws AddressError where the address is not one of ours. */
  checkRange(address: string): void {
    const value = ipToBigInt(address);
    if (ipFamily(address) !== this.family || value < this.#first || value > this.#last) {
      throw new AddressError(
        `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${this.#range}`,
      );
    }
  }

  /** Takes any free address. The lower part of the range comes last: fixed addresses are chosen from it. */
  async allocateNext(store: ObjectStore, owner: AddressOwner): Promise<string> {
    const size = this.#last - this.#first + 1n;
    const reserved = clamp(size / 16n, 16n, 256n);
    const from = size > reserved * 2n ? this.#first + reserved : this.#first;
    for (let attempt = 0; attempt < RANDOM_TRIES; attempt += 1) {
      const address = this.#text(from + randomBelow(this.#last - from + 1n));
      if (await this.#take(store, address, owner)) return address;
    }
    const used = new Set((await store.list(IPADDRESSES)).map((one) => one.metadata?.name));
    for (const start of [from, this.#first]) {
      for (let value = start; value <= this.#last; value += 1n) {
        const address = this.#text(value);
        if (!used.has(address) && (await this.#take(store, address, owner))) return address;
      }
    }
    throw internalError('failed to allocate a serviceIP: range is full');
  }

  /** Gives the address back, where it is this owner's. */
  async release(store: ObjectStore, address: string, owner: AddressOwner): Promise<void> {
    const object = await store.getFresh(IPADDRESSES, address);
    const parent = object?.spec?.parentRef;
    if (!object || parent?.name !== owner.name || parent.namespace !== owner.namespace) return;
    const uid = object.metadata?.uid;
    await store.delete(IPADDRESSES, address, undefined, uid ? { preconditions: { uid } } : {});
  }

  #text(value: bigint): string {
    return bigIntToIp(value, this.family === 'IPv4' ? 4 : 6);
  }

  /** False where someone else has it. A service that holds it already keeps it (a repeated repair). */
  async #take(store: ObjectStore, address: string, owner: AddressOwner): Promise<boolean> {
    try {
      await store.create(IPADDRESSES, {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IPAddress',
        metadata: {
          name: address,
          labels: {
            'ipaddress.kubernetes.io/ip-family': this.family,
            'ipaddress.kubernetes.io/managed-by': MANAGED_BY,
          },
        },
        spec: { parentRef: { resource: 'services', ...owner } },
      });
      return true;
    } catch (error) {
      if (error instanceof StatusError && error.reason === 'AlreadyExists') return false;
      throw error;
    }
  }
}

export const managedByUs = (labels: Record<string, string> | undefined): boolean =>
  labels?.['ipaddress.kubernetes.io/managed-by'] === MANAGED_BY;

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  return value < low ? low : value > high ? high : value;
}

function randomBelow(limit: bigint): bigint {
  const cap = limit > 0xffffffffffffn ? 0xffffffffffffn : limit;
  return BigInt(randomInt(Number(cap)));
}
