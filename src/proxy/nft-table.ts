import type { RunCommand } from '../base/command.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { FAMILY_TERMS, type Family } from './family.ts';
import { RuleSet, type Transaction } from './rule-set.ts';
import { skeleton, TABLE } from './skeleton.ts';

export interface NftTableOptions {
  family: Family;
  clusterCidrs: readonly string[];
  run: RunCommand;
  log: Logger;
}

/** A kernel may take a second or two for a table of tens of thousands of elements. */
const NFT_TIMEOUT_MS = 60_000;

/**
 * Keeps one family's table in the kernel equal to a RuleSet. The first write replaces the whole table in one
 * transaction, so that traffic never meets half of it; later ones carry differences alone. A transaction that
 * fails is followed by a whole one.
 */
export class NftTable {
  readonly rules: RuleSet;
  readonly #options: NftTableOptions;
  readonly #ip: string;
  #stands = false;

  constructor(options: NftTableOptions) {
    this.#options = options;
    this.#ip = FAMILY_TERMS[options.family].ip;
    this.rules = new RuleSet(options.family);
  }

  /** Writes what differs; gives whether anything was written. Rejects where nft refuses. */
  async sync(options: { removeStale?: boolean } = {}): Promise<boolean> {
    const whole = !this.#stands;
    const change = whole ? await this.#replacement() : this.rules.incremental(options.removeStale ?? false);
    if (change.text !== '') {
      this.#stands = false; // until the kernel has said yes
      await this.#nft(['-f', '-'], change.text);
      this.#stands = true;
      this.#options.log.debug(
        { family: this.#options.family, whole, bytes: change.text.length },
        'rules written',
      );
    }
    change.commit();
    return change.text !== '';
  }

  /** Looks whether the table is still there (`nft flush ruleset` takes it away); a missing one is written anew. */
  async check(): Promise<boolean> {
    const tables = await this.#nft(['list', 'tables', this.#ip]);
    const stands = tables.split('\n').includes(`table ${this.#ip} ${TABLE}`);
    if (this.#stands && !stands)
      this.#options.log.warn({ family: this.#options.family }, 'someone removed our table');
    this.#stands &&= stands;
    return this.#stands;
  }

  async #replacement(): Promise<Transaction> {
    const { family, clusterCidrs } = this.#options;
    const clients = await this.#knownClients();
    const all = this.rules.full();
    return {
      // Adding the table first makes its deletion succeed where there is none.
      text:
        `add table ${this.#ip} ${TABLE}\ndelete table ${this.#ip} ${TABLE}\n` +
        skeleton({ family, clusterCidrs }) +
        all.text +
        clients,
      commit: () => all.commit(),
    };
  }

  /** Commands that put back which client stays with which endpoint, from the table that stands. */
  async #knownClients(): Promise<string> {
    const wanted = this.rules.affinitySets;
    if (wanted.size === 0) return '';
    try {
      const listed = JSON.parse(await this.#nft(['-j', 'list', 'table', this.#ip, TABLE])) as NftList;
      return affinityCommands(this.#ip, listed, wanted);
    } catch (error) {
      // No table yet, or one that cannot be read: clients are spread anew.
      this.#options.log.debug({ err: messageOf(error) }, 'no affinity to take over');
      return '';
    }
  }

  async #nft(args: readonly string[], input?: string): Promise<string> {
    const options = { timeoutMs: NFT_TIMEOUT_MS, ...(input === undefined ? {} : { input }) };
    return await this.#options.run('nft', args, options);
  }
}

/** The part of `nft -j list table` that affinity needs. */
export interface NftList {
  nftables: Array<{ set?: { name: string; elem?: unknown[] } }>;
}

export function affinityCommands(ip: string, listed: NftList, wanted: ReadonlyMap<string, number>): string {
  const commands: string[] = [];
  for (const { set } of listed.nftables) {
    const seconds = set ? wanted.get(set.name) : undefined;
    if (!set || seconds === undefined) continue;
    for (const element of set.elem ?? []) {
      const { val, expires } = (element as { elem?: { val?: unknown; expires?: unknown } }).elem ?? {};
      if (typeof val !== 'string' || typeof expires !== 'number' || expires < 1) continue;
      const times = `timeout ${seconds}s expires ${Math.min(expires, seconds)}s`;
      commands.push(`add element ${ip} ${TABLE} ${set.name} { ${val} ${times} }\n`);
    }
  }
  return commands.join('');
}
