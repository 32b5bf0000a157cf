import {
  CUSTOMRESOURCEDEFINITIONS,
  PERSISTENTVOLUMECLAIMS,
  PODS,
  RESOURCECLAIMS,
  RESOURCEQUOTAS,
  SERVICES,
} from '../../api/gen/resources.ts';
import type { ResourceQuota } from '../../api/gen/types/core-v1.ts';
import { evaluatorFor } from '../../api/quota/evaluators.ts';
import { RESOURCE_CLAIMS } from '../../api/quota/resource-claims.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import type { Informer } from '../../client/informer.ts';
import { keyedLoop } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition, Loop } from '../shared/controller.ts';
import type { KeyQueue } from '../shared/key-queue.ts';
import { equalJson, keyOf, metaOf, splitKey } from '../shared/meta.ts';
import { isPodTerminal } from '../shared/pod-status.ts';
import { CountedObjects } from './counted-objects.ts';
import { planUsage, resourcesOf } from './quota-usage.ts';

/** Everything is counted again so often: what was charged for a write that then failed comes back. */
const RESYNC_MS = 5 * 60_000;
/** What was charged is stored, and seen here, within so long; until then it is not given back. */
const LANDING_MS = 1_000;

/**
 * Counts what namespaces use of their quotas; the API server charges what comes on top. Mirrors
 * pkg/controller/resourcequota. Upstream gives back what it does not see at once, and so lets a namespace exceed
 * its quota where a count falls between charge and write; here the count must stand for a moment first.
 */
export const resourceQuotaController: ControllerDefinition = {
  name: 'resource-quota',
  inputs: [
    'resourcequotas',
    'pods',
    'services',
    'persistentvolumeclaims',
    'resourceclaims',
    'customresourcedefinitions',
    '* (metadata)',
  ],
  outputs: ['resourcequotas/status'],
  start: (context) => new QuotaUsage(context).start(),
};

class QuotaUsage {
  readonly #context: ControllerContext;
  readonly #quotas: Informer<ResourceQuota>;
  readonly #measured: ReadonlyMap<string, { list(namespace: string): KubeObject[] }>;
  readonly #counted: CountedObjects;
  readonly #queue: KeyQueue;
  readonly #loop: Loop;
  /** The version of a quota at which a lower count was seen first, and when. */
  readonly #lower = new Map<string, { version: string; sinceMs: number }>();
  #wake = Promise.withResolvers<void>();

  constructor(context: ControllerContext) {
    this.#context = context;
    const { informers } = context;
    this.#quotas = informers.for(RESOURCEQUOTAS);
    this.#measured = new Map<string, { list(namespace: string): KubeObject[] }>([
      ['pods', informers.for(PODS)],
      ['services', informers.for(SERVICES)],
      ['persistentvolumeclaims', informers.for(PERSISTENTVOLUMECLAIMS)],
      [RESOURCE_CLAIMS, informers.for(RESOURCECLAIMS)],
    ]);
    const sync = (key: string): Promise<void> => this.#sync(key);
    const { queue, loop } = keyedLoop(context, { name: 'resource-quota', sync });
    this.#queue = queue;
    this.#loop = loop;
    this.#counted = new CountedObjects(context, (resource, namespace) =>
      this.#replenish(resource, namespace),
    );
  }

  start(): Loop[] {
    const { informers, discovery } = this.#context;
    const changed = (quota: ResourceQuota): void => {
      this.#queue.add(keyOf(quota));
      this.#wake.resolve();
    };
    this.#quotas.subscribe({
      added: changed,
      updated: (old, quota) => {
        const told = equalJson(quota.spec?.hard, quota.status?.hard);
        if (!told || !equalJson(old.spec, quota.spec)) changed(quota);
      },
      deleted: changed,
    });
    this.#follow(PODS, (old, pod) => !isPodTerminal(old) && isPodTerminal(pod));
    this.#follow(
      SERVICES,
      ({ spec: old }, { spec }) => old?.type !== spec?.type || !equalJson(old?.ports, spec?.ports),
    );
    this.#follow(
      PERSISTENTVOLUMECLAIMS,
      (old, claim) => !equalJson(old.spec, claim.spec) || !equalJson(old.status, claim.status),
    );
    this.#follow(RESOURCECLAIMS, (old, claim) => !equalJson(old.spec, claim.spec), RESOURCE_CLAIMS);
    const served = (): void => {
      discovery.forget();
      this.#wake.resolve();
    };
    informers
      .for(CUSTOMRESOURCEDEFINITIONS, { metadataOnly: true })
      .subscribe({ added: served, updated: served, deleted: served });
    return [this.#loop, (signal) => this.#watchCounted(signal)];
  }

  #follow<T extends KubeObject>(
    resource: ResourceInfo<T>,
    frees: (old: T, object: T) => boolean,
    name = resource.resource,
  ): void {
    const replenish = (object: T): void => this.#replenish(name, metaOf(object).namespace ?? '');
    this.#context.informers.for(resource).subscribe({
      updated: (old, object) => {
        if (frees(old, object)) replenish(object);
      },
      deleted: replenish,
    });
  }

  #replenish(resource: string, namespace: string): void {
    const [name = '', ...group] = resource.split('.');
    const evaluator = evaluatorFor(group.join('.'), name);
    for (const quota of this.#quotas.list(namespace)) {
      const hard = Object.keys(quota.status?.hard ?? quota.spec?.hard ?? {});
      if (hard.some((limit) => evaluator?.counts(limit))) this.#queue.add(keyOf(quota));
    }
  }

  async #sync(key: string): Promise<void> {
    const { clock, client } = this.#context;
    const { namespace, name } = splitKey(key);
    const quota = this.#quotas.get(name, namespace);
    const list = (resource: string): KubeObject[] | undefined =>
      this.#measured.get(resource)?.list(namespace) ?? this.#counted.list(resource, namespace);
    const plan = quota && planUsage(quota, list, clock.now());
    if (!quota || !plan?.changed) {
      this.#lower.delete(key);
      return;
    }
    const leftMs = plan.lowers ? this.#standsInMs(key, metaOf(quota).resourceVersion ?? '') : 0;
    if (leftMs > 0) return this.#queue.addAfter(key, leftMs);
    this.#lower.delete(key);
    try {
      await client.update(RESOURCEQUOTAS, { ...quota, status: plan.status }, { subresource: 'status' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** In how long a lower count of this version of the quota may be believed. */
  #standsInMs(key: string, version: string): number {
    const nowMs = this.#context.clock.monotonicMs();
    const seen = this.#lower.get(key);
    if (seen?.version === version) return LANDING_MS - (nowMs - seen.sinceMs);
    this.#lower.set(key, { version, sinceMs: nowMs });
    return LANDING_MS;
  }

  /** Watches what quotas count, and counts again when it is known, and in the course of time. */
  async #watchCounted(signal: AbortSignal): Promise<void> {
    const { informers, clock, log } = this.#context;
    await informers.whenSynced(signal).catch(() => undefined);
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers<void>();
      const wanted = new Set(this.#quotas.list().flatMap((quota) => [...resourcesOf(quota)]));
      for (const name of this.#measured.keys()) wanted.delete(name);
      try {
        await this.#counted.want(wanted, signal);
      } catch (error) {
        if (!signal.aborted) log.warn({ err: messageOf(error) }, 'could not ask what the server serves');
      }
      for (const name of wanted) void this.#countWhenSynced(name, signal);
      await Promise.race([this.#wake.promise, clock.sleep(RESYNC_MS, signal).catch(() => undefined)]);
      // Definitions are served a moment after they are written.
      await clock.sleep(LANDING_MS, signal).catch(() => undefined);
      for (const quota of this.#quotas.list()) this.#queue.add(keyOf(quota));
    }
  }

  async #countWhenSynced(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#counted.whenSynced(name, signal);
    } catch {
      // It is no longer wanted.
      return;
    }
    for (const quota of this.#quotas.list()) {
      if (resourcesOf(quota).has(name)) this.#queue.add(keyOf(quota));
    }
  }
}
