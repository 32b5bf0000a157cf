import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Storage } from '../../storage/storage.ts';
import type { AdmissionChain } from '../admission-chain.ts';
import type { ObjectStore } from '../object-store.ts';
import type { RequestContext } from '../request-context.ts';
import type { StrategyContext } from '../resource-definition.ts';
import type { ResourceTable } from './resource-table.ts';
import type { ParsedObjects } from '../watch-cache/cache-entry.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';

/** Randomness, injected so that tests can predict names. */
export interface Random {
  uuid(): string;
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
}

/** What the generic handlers of all resources share. */
export interface RegistryEnv {
  readonly storage: Storage;
  readonly cache: WatchCache;
  readonly parsed: ParsedObjects;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  readonly admission: AdmissionChain;
  readonly store: ObjectStore;
  /** Everything that is served: other versions of a kind. */
  readonly table: ResourceTable;
}

export function strategyContext(env: RegistryEnv, request: RequestContext): StrategyContext {
  return { request, store: env.store, now: env.clock.now() };
}
