import { FAMILY_TERMS, type Family } from './family.ts';
import type { ServiceRules } from './rules.ts';
import { TABLE, type Container } from './skeleton.ts';

/** How many elements go into one nft command; a command of megabytes is slow to parse. */
const ELEMENTS_PER_COMMAND = 500;

interface Applied {
  chains: Map<string, string>;
  sets: Map<string, number>;
  elements: Map<string, string>;
}

/** A transaction for nft, and what to call when the kernel has taken it. */
export interface Transaction {
  text: string;
  commit(): void;
}

/**
 * What should stand in one family's table and what does: their difference is the next transaction. Several
 * Services may claim the same element (an external IP, a hairpin); the first of them by name has it, and the next
 * one gets it when the first goes. Pure state, no I/O.
 */
export class RuleSet {
  readonly #ip: string;
  readonly #services = new Map<string, ServiceRules>();
  readonly #chains = new Map<string, string>();
  readonly #sets = new Map<string, number>();
  /** Element, as 'container key', to who claims it and with which verdict. */
  readonly #claims = new Map<string, Map<string, string>>();
  #applied: Applied = { chains: new Map(), sets: new Map(), elements: new Map() };
  /** Chains that are emptied but stand still: see `#removeStale`. */
  #stale = new Set<string>();
  readonly #touched = { chains: new Set<string>(), sets: new Set<string>(), elements: new Set<string>() };

  constructor(family: Family) {
    this.#ip = FAMILY_TERMS[family].ip;
  }

  get size(): number {
    return this.#services.size;
  }

  /** Sets what a Service wants; undefined where it is gone. */
  update(service: string, rules: ServiceRules | undefined): void {
    const old = this.#services.get(service);
    if (old) this.#forget(service, old);
    if (!rules || (rules.chains.size === 0 && rules.elements.length === 0)) {
      this.#services.delete(service);
      return;
    }
    this.#services.set(service, rules);
    for (const [name, lines] of rules.chains) {
      this.#chains.set(name, lines.join('\n'));
      this.#touched.chains.add(name);
    }
    for (const [name, seconds] of rules.affinitySets) {
      this.#sets.set(name, seconds);
      this.#touched.sets.add(name);
    }
    for (const [container, key, verdict] of rules.elements) {
      const id = `${container} ${key}`;
      const claims = this.#claims.get(id) ?? new Map<string, string>();
      claims.set(service, verdict);
      this.#claims.set(id, claims);
      this.#touched.elements.add(id);
    }
  }

  #forget(service: string, rules: ServiceRules): void {
    for (const name of rules.chains.keys()) {
      this.#chains.delete(name);
      this.#touched.chains.add(name);
    }
    for (const name of rules.affinitySets.keys()) {
      this.#sets.delete(name);
      this.#touched.sets.add(name);
    }
    for (const [container, key] of rules.elements) {
      const id = `${container} ${key}`;
      const claims = this.#claims.get(id);
      claims?.delete(service);
      if (claims?.size === 0) this.#claims.delete(id);
      this.#touched.elements.add(id);
    }
  }

  #verdict(id: string): string | undefined {
    const claims = this.#claims.get(id);
    if (!claims) return undefined;
    let first: string | undefined;
    for (const service of claims.keys()) if (first === undefined || service < first) first = service;
    return first === undefined ? undefined : claims.get(first);
  }

  /** Whether emptied chains wait for a later transaction to delete them. */
  get hasStaleChains(): boolean {
    return this.#stale.size > 0;
  }

  /** Names of the affinity sets that should stand. */
  get affinitySets(): ReadonlyMap<string, number> {
    return this.#sets;
  }

  /** Everything, for a table that stands empty. */
  full(): Transaction {
    const next: Applied = {
      chains: new Map(this.#chains),
      sets: new Map(this.#sets),
      elements: new Map(),
    };
    for (const id of this.#claims.keys()) next.elements.set(id, this.#verdict(id) ?? '');
    const lines = [
      ...[...next.sets].map(([name, seconds]) => this.#addSet(name, seconds)),
      ...[...next.chains.keys()].map((name) => `add chain ${this.#ip} ${TABLE} ${name}`),
      ...[...next.chains].flatMap(([name, rules]) => this.#addRules(name, rules)),
      ...this.#elementCommands('add', next.elements),
    ];
    return {
      text: lines.map((line) => `${line}\n`).join(''),
      commit: () => {
        this.#applied = next;
        this.#stale = new Set();
        this.#clearTouched();
      },
    };
  }

  /**
   * What changed since the last commit; empty text where nothing did. With `removeStale` it also deletes the
   * chains that an earlier transaction has emptied: before Linux 6.2 the kernel counts a deleted map element's
   * reference to its chain for some moments more, and a deletion in the same transaction is refused.
   */
  incremental(removeStale: boolean): Transaction {
    const { chains, sets, elements } = this.#touched;
    const head: string[] = [];
    const rules: string[] = [];
    const tail: string[] = [];
    const stale = new Set(this.#stale);
    const done: Array<() => void> = [];

    for (const name of chains) {
      const wanted = this.#chains.get(name);
      const stands = this.#applied.chains.get(name);
      if (wanted === stands) continue;
      if (wanted === undefined) {
        tail.push(`flush chain ${this.#ip} ${TABLE} ${name}`);
        stale.add(name);
        done.push(() => this.#applied.chains.delete(name));
        continue;
      }
      if (stands === undefined && !stale.delete(name)) head.push(`add chain ${this.#ip} ${TABLE} ${name}`);
      if (stands !== undefined) rules.push(`flush chain ${this.#ip} ${TABLE} ${name}`);
      rules.push(...this.#addRules(name, wanted));
      done.push(() => this.#applied.chains.set(name, wanted));
    }
    const setHead: string[] = [];
    for (const name of sets) {
      const wanted = this.#sets.get(name);
      const stands = this.#applied.sets.get(name);
      if (wanted === stands) continue;
      if (wanted !== undefined) setHead.push(this.#addSet(name, wanted));
      else tail.push(`delete set ${this.#ip} ${TABLE} ${name}`);
      done.push(() =>
        wanted === undefined ? this.#applied.sets.delete(name) : this.#applied.sets.set(name, wanted),
      );
    }
    const removed = new Map<string, string>();
    const added = new Map<string, string>();
    for (const id of elements) {
      const wanted = this.#verdict(id);
      const stands = this.#applied.elements.get(id);
      if (wanted === stands) continue;
      if (stands !== undefined) removed.set(id, stands);
      if (wanted !== undefined) added.set(id, wanted);
      done.push(() =>
        wanted === undefined ? this.#applied.elements.delete(id) : this.#applied.elements.set(id, wanted),
      );
    }
    const gone = removeStale ? [...this.#stale].filter((name) => stale.has(name)) : [];
    const lines = [
      ...setHead,
      ...head,
      ...rules,
      ...this.#elementCommands('delete', removed),
      ...this.#elementCommands('add', added),
      ...tail,
      ...gone.map((name) => `delete chain ${this.#ip} ${TABLE} ${name}`),
    ];
    return {
      text: lines.map((line) => `${line}\n`).join(''),
      commit: () => {
        for (const apply of done) apply();
        for (const name of gone) stale.delete(name);
        this.#stale = stale;
        this.#clearTouched();
      },
    };
  }

  #clearTouched(): void {
    for (const touched of Object.values(this.#touched)) touched.clear();
  }

  #addSet(name: string, seconds: number): string {
    const { addressType } = FAMILY_TERMS[this.#ip === 'ip' ? 'IPv4' : 'IPv6'];
    return `add set ${this.#ip} ${TABLE} ${name} { type ${addressType}; flags dynamic,timeout; timeout ${seconds}s; }`;
  }

  #addRules(chain: string, rules: string): string[] {
    return rules.split('\n').map((rule) => `add rule ${this.#ip} ${TABLE} ${chain} ${rule}`);
  }

  #elementCommands(verb: 'add' | 'delete', elements: ReadonlyMap<string, string>): string[] {
    const byContainer = new Map<Container, string[]>();
    for (const [id, verdict] of elements) {
      const space = id.indexOf(' ');
      const container = id.slice(0, space) as Container;
      const key = id.slice(space + 1);
      const list = byContainer.get(container) ?? [];
      // A deletion names the key alone.
      list.push(verb === 'add' && verdict !== '' ? `${key} : ${verdict}` : key);
      byContainer.set(container, list);
    }
    const commands: string[] = [];
    for (const [container, list] of byContainer) {
      for (let start = 0; start < list.length; start += ELEMENTS_PER_COMMAND) {
        const some = list.slice(start, start + ELEMENTS_PER_COMMAND).join(', ');
        commands.push(`${verb} element ${this.#ip} ${TABLE} ${container} { ${some} }`);
      }
    }
    return commands;
  }
}
