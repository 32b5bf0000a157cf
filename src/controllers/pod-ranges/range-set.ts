import { Address4, Address6 } from 'ip-address';
import { SlipwayError } from '../../base/errors.ts';

/** Equal parts of a network, each held by one owner at most. */
export class RangeSet {
  readonly #start: bigint;
  readonly #bits: number;
  readonly #maskSize: number;
  readonly #count: number;
  readonly #owners = new Map<number, string>();
  readonly #held = new Map<string, number>();
  /** Where the search goes on: a range that came free rests as long as others are free. */
  #next = 0;

  /** Throws E_POD_RANGE where the parts do not fit. */
  constructor(cidr: string, maskSize: number) {
    const { start, bits, prefix } = parse(cidr);
    if (maskSize < prefix || maskSize > bits || maskSize - prefix > 16)
      throw new SlipwayError(
        'E_POD_RANGE',
        `a node's mask /${maskSize} does not divide ${cidr} into 1 to 65536 parts`,
        {
          hint: 'choose --node-cidr-mask-size between the prefix of --cluster-cidr and 16 more',
        },
      );
    this.#start = start;
    this.#bits = bits;
    this.#maskSize = maskSize;
    this.#count = 2 ** (maskSize - prefix);
  }

  /** A free range for the owner, or the one it holds; undefined when none is left. */
  take(owner: string): string | undefined {
    const held = this.#held.get(owner);
    if (held !== undefined) return this.#format(held);
    for (let tries = 0; tries < this.#count; tries++) {
      const index = (this.#next + tries) % this.#count;
      if (this.#owners.has(index)) continue;
      this.#hold(index, owner);
      this.#next = (index + 1) % this.#count;
      return this.#format(index);
    }
    return undefined;
  }

  /** Notes a range that is in use. One from elsewhere (an older configuration) blocks what it overlaps. */
  occupy(cidr: string, owner: string): void {
    const { start, prefix, bits } = parse(cidr);
    if (bits !== this.#bits) return;
    const step = BigInt(this.#bits - this.#maskSize);
    const first = Number((start - this.#start) >> step);
    const length = prefix >= this.#maskSize ? 1 : 2 ** (this.#maskSize - prefix);
    const reserved = this.#held.get(owner);
    if (reserved !== undefined && reserved !== first) this.#owners.delete(reserved);
    if (first + length <= 0 || first >= this.#count) return;
    for (let index = Math.max(0, first); index < Math.min(first + length, this.#count); index++)
      this.#hold(index, owner);
  }

  release(owner: string): void {
    for (const [index, holder] of this.#owners) if (holder === owner) this.#owners.delete(index);
    this.#held.delete(owner);
  }

  #hold(index: number, owner: string): void {
    this.#owners.set(index, owner);
    this.#held.set(owner, index);
  }

  #format(index: number): string {
    const address = this.#start + (BigInt(index) << BigInt(this.#bits - this.#maskSize));
    const text =
      this.#bits === 32
        ? Address4.fromBigInt(address).correctForm()
        : Address6.fromBigInt(address).correctForm();
    return `${text}/${this.#maskSize}`;
  }
}

function parse(cidr: string): { start: bigint; bits: number; prefix: number } {
  try {
    const address = cidr.includes(':') ? new Address6(cidr) : new Address4(cidr);
    const bits = cidr.includes(':') ? 128 : 32;
    return { start: address.startAddress().bigInt(), bits, prefix: address.subnetMask };
  } catch (cause) {
    throw new SlipwayError('E_POD_RANGE', `"${cidr}" is not a network`, {
      cause,
      hint: 'write it as 10.244.0.0/16',
    });
  }
}
