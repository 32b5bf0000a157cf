import { compareKeys } from '../../storage/keys.ts';

/** Keys in the store's order. Insertion moves memory, which for a hundred thousand keys takes microseconds. */
export class SortedKeys {
  readonly #keys: string[] = [];

  get length(): number {
    return this.#keys.length;
  }

  at(index: number): string | undefined {
    return this.#keys[index];
  }

  add(key: string): void {
    const last = this.#keys.at(-1);
    if (last === undefined || compareKeys(last, key) < 0) this.#keys.push(key);
    else {
      const index = this.lowerBound(key);
      if (this.#keys[index] !== key) this.#keys.splice(index, 0, key);
    }
  }

  delete(key: string): void {
    const index = this.lowerBound(key);
    if (this.#keys[index] === key) this.#keys.splice(index, 1);
  }

  /** Index of the first key that is not before the given one. */
  lowerBound(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle] ?? '', key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** [from, to) of the keys that begin with the prefix ('' is all). */
  range(prefix: string): [number, number] {
    if (prefix === '') return [0, this.#keys.length];
    const last = prefix.charCodeAt(prefix.length - 1);
    const beyond = prefix.slice(0, -1) + String.fromCharCode(last + 1);
    return [this.lowerBound(prefix), this.lowerBound(beyond)];
  }

  slice(from: number, to: number): string[] {
    return this.#keys.slice(from, to);
  }
}
