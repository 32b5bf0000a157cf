import { CLUSTERROLES } from '../../api/gen/resources.ts';
import type { ClusterRole, PolicyRule } from '../../api/gen/types/rbac-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { WorkQueue } from '../../base/work-queue.ts';
import type { ObjectStore } from '../object-store.ts';
import { sameJson } from '../resources/validation/checks.ts';
import { selectorMatches } from '../resources/validation/selectors.ts';
import type { ObjectFeed } from './object-feed.ts';

/** The rules that an aggregated role gets from the roles its selectors find, in order of their names, each once. */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
  const sources = all
    .filter((one) => one.metadata?.name !== role.metadata?.name)
    .filter((one) => selectors.some((selector) => selectorMatches(selector, one.metadata?.labels)))
    .sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  const rules: PolicyRule[] = [];
  for (const source of sources) {
    for (const rule of source.rules ?? []) {
      if (!rules.some((known) => sameJson(known, rule))) rules.push(rule);
    }
  }
  return rules;
}

/**
 * Keeps the rules of aggregated ClusterRoles up to date. It lives in the API server, so that `admin`, `edit`
 * and `view` hold as soon as the server does. Mirrors
 * pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go.
 */
export class RoleAggregation {
  readonly #store: ObjectStore;
  readonly #queue: WorkQueue;
  readonly #aggregated = new Set<string>();
  readonly #end: () => void;

  constructor(options: { store: ObjectStore; feed: ObjectFeed; clock: Clock; log: Logger }) {
    const { store, feed, clock, log } = options;
    this.#store = store;
    this.#queue = new WorkQueue({
      clock,
      process: (name) => this.#sync(name),
      onError: (name, error) =>
        log.warn({ role: name, error: messageOf(error) }, 'could not aggregate a ClusterRole'),
    });
    this.#end = feed.follow(CLUSTERROLES, {
      set: (role) => {
        const name = role.metadata?.name ?? '';
        if (role.aggregationRule) this.#aggregated.add(name);
        else this.#aggregated.delete(name);
        this.#enqueueAll();
      },
      deleted: (role) => {
        this.#aggregated.delete(role.metadata?.name ?? '');
        this.#enqueueAll();
      },
    });
  }

  /** Resolves when every aggregated role is up to date with what has been told so far. */
  settled(): Promise<void> {
    return this.#queue.whenIdle();
  }

  async stop(): Promise<void> {
    this.#end();
    await this.#queue.stop();
  }

  /** Any role may be a source of any aggregated one, and there are few of those. */
  #enqueueAll(): void {
    for (const name of this.#aggregated) this.#queue.add(name);
  }

  async #sync(name: string): Promise<void> {
    const role = await this.#store.get(CLUSTERROLES, name);
    if (!role?.aggregationRule) return;
    const rules = aggregatedRules(role, await this.#store.list(CLUSTERROLES));
    if (sameJson(role.rules, rules)) return;
    await this.#store.update(CLUSTERROLES, name, undefined, (current) =>
      current.aggregationRule ? { ...current, rules } : undefined,
    );
  }
}
