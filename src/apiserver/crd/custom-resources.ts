import { CUSTOMRESOURCEDEFINITIONS } from '../../api/gen/resources.ts';
import type { CustomResourceDefinition } from '../../api/gen/types/apiextensions-v1.ts';
import { WorkQueue } from '../../base/work-queue.ts';
import { messageOf } from '../../base/errors.ts';
import type { ObjectFeed } from '../authz/object-feed.ts';
import { identicalJson } from '../registry/identical-json.ts';
import type { RegistryEnv } from '../registry/registry-env.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { systemContext } from '../registry/system-context.ts';
import { updateObject } from '../registry/update.ts';
import { StatusError } from '../status-errors.ts';
import type { WatchHub } from '../watch/watch-hub.ts';
import type { WebhookClient } from '../webhook-client/webhook-client.ts';
import { acceptNames } from './accepted-names.ts';
import { CLEANUP_FINALIZER, setCondition } from './crd-definition.ts';
import { WebhookConverter } from './conversion/webhook-converter.ts';
import { customDefinition, infoOf } from './custom-definition.ts';
import { InstanceCleanup } from './instance-cleanup.ts';
import { isConditionTrue } from './crd-validation.ts';

interface Installed {
  /** What of the definition decides how its objects are served. */
  form: unknown;
  served: ServedResource[];
}

/**
 * Serves what CustomResourceDefinitions declare: names are accepted, versions appear and change as the
 * definitions do, and a definition that is deleted takes its objects along. Every server does all of this; each
 * step is a compare-and-set that may be done again.
 */
export class CustomResources {
  readonly #env: RegistryEnv;
  readonly #hub: WatchHub;
  readonly #client: WebhookClient;
  readonly #installed = new Map<string, Installed>();
  /** Definitions that are being deleted: nothing new of them is created, but watches go on to their end. */
  readonly #terminating = new Set<string>();
  readonly #queue: WorkQueue;
  readonly #cleanup: InstanceCleanup;
  readonly #off: () => void;

  constructor(env: RegistryEnv, hub: WatchHub, feed: ObjectFeed, client: WebhookClient) {
    this.#env = env;
    this.#hub = hub;
    this.#client = client;
    // One at a time: names are given out in turn.
    this.#queue = new WorkQueue({
      clock: env.clock,
      workers: 1,
      process: (name) => this.#sync(name),
      onError: (name, error) =>
        env.log.warn({ crd: name, error: messageOf(error) }, 'a custom resource definition waits'),
    });
    this.#cleanup = new InstanceCleanup(env, (name) => this.#queue.add(name));
    this.#off = feed.follow(CUSTOMRESOURCEDEFINITIONS, {
      set: (crd) => this.#changed(crd),
      deleted: (crd) => this.#gone(crd),
    });
  }

  /** Resolves when what was under way is done. */
  async stop(): Promise<void> {
    this.#off();
    this.#cleanup.stop();
    await this.#queue.stop();
  }

  /** Called in the turn in which the cache learns of it: who sees the condition finds the resource served. */
  #changed(crd: CustomResourceDefinition): void {
    const name = crd.metadata?.name ?? '';
    if (crd.metadata?.deletionTimestamp === undefined) this.#terminating.delete(name);
    else this.#terminating.add(name);
    try {
      if (isConditionTrue(crd, 'Established')) this.#install(name, crd);
      else this.#uninstall(name);
    } catch (error) {
      this.#env.log.error({ crd: name, error: messageOf(error) }, 'a custom resource cannot be served');
    }
    this.#queue.add(name);
  }

  #gone(crd: CustomResourceDefinition): void {
    this.#terminating.delete(crd.metadata?.name ?? '');
    this.#uninstall(crd.metadata?.name ?? '');
    this.#cleanup.forget(crd.metadata?.name ?? '');
    // Its names are free: another of the group may have waited for them.
    void this.#requeueGroup(crd);
  }

  async #requeueGroup(crd: CustomResourceDefinition): Promise<void> {
    for (const other of await this.#env.store.list(CUSTOMRESOURCEDEFINITIONS)) {
      if (other.spec.group === crd.spec.group) this.#queue.add(other.metadata?.name ?? '');
    }
  }

  #install(name: string, crd: CustomResourceDefinition): void {
    const form = { spec: crd.spec, names: crd.status?.acceptedNames, uid: crd.metadata?.uid };
    const before = this.#installed.get(name);
    if (before && identicalJson(before.form, form)) return;
    const { table } = this.#env;
    const isTerminating = () => this.#terminating.has(name);
    const revision = Number(crd.metadata?.resourceVersion ?? 0);
    const converter =
      crd.spec.conversion?.strategy === 'Webhook'
        ? new WebhookConverter(crd, this.#client, () => this.#env.random.uuid())
        : undefined;
    const served: ServedResource[] = [];
    for (const version of crd.spec.versions) {
      if (!version.served) continue;
      const sameSince = version.storage ? revision : undefined;
      served.push(table.add(customDefinition(crd, version, { sameSince, isTerminating, converter })));
    }
    this.#installed.set(name, { form, served });
    for (const old of before?.served ?? []) {
      if (table.find(old.info.group, old.info.version, old.info.resource) === old) table.remove(old.info);
      this.#hub.endOf(old);
    }
  }

  #uninstall(name: string): void {
    const before = this.#installed.get(name);
    if (!before) return;
    this.#installed.delete(name);
    for (const served of before.served) {
      this.#env.table.remove(served.info);
      this.#hub.endOf(served);
    }
  }

  async #sync(name: string): Promise<void> {
    const { store, clock, cache } = this.#env;
    await cache.consistent();
    const crd = await store.get(CUSTOMRESOURCEDEFINITIONS, name);
    if (!crd) return;
    if (crd.metadata?.deletionTimestamp !== undefined) {
      await this.#delete(crd);
      return;
    }
    const others = (await store.list(CUSTOMRESOURCEDEFINITIONS)).filter(
      (each) => each.metadata?.name !== name,
    );
    let released = false;
    await this.#updateStatus(name, (current) => {
      const before = structuredClone(current.status);
      acceptNames(current, others, clock.now());
      released = !identicalJson(before?.acceptedNames, current.status?.acceptedNames);
      return identicalJson(before, current.status) ? undefined : current;
    });
    if (released) await this.#requeueGroup(crd);
  }

  async #updateStatus(
    name: string,
    change: (current: CustomResourceDefinition) => CustomResourceDefinition | undefined,
  ): Promise<void> {
    const served = this.#env.table.get(CUSTOMRESOURCEDEFINITIONS);
    const params = {
      namespace: '',
      name,
      context: systemContext(this.#env.clock),
      dryRun: false,
      admission: false,
      strategy: false,
      manager: 'kube-apiserver',
      part: { type: 'part', name: 'status' } as const,
    };
    try {
      await updateObject(this.#env, served, params, (current) =>
        change(served.codec.clone(current) as CustomResourceDefinition),
      );
    } catch (error) {
      if (!(error instanceof StatusError && error.reason === 'NotFound')) throw error;
    }
  }

  /** Deletes the objects, and when they are gone lets the definition go. */
  async #delete(crd: CustomResourceDefinition): Promise<void> {
    const { clock } = this.#env;
    const name = crd.metadata?.name ?? '';
    if (!crd.metadata?.finalizers?.includes(CLEANUP_FINALIZER)) return;
    const storage = crd.spec.versions.find((version) => version.storage);
    const progress =
      storage && crd.status?.acceptedNames?.plural
        ? await this.#cleanup.advance(name, customDefinition(crd, storage), infoOf(crd, storage.name))
        : { left: 0 };
    await this.#updateStatus(name, (current) => {
      if (current.metadata?.uid !== crd.metadata?.uid || !current.metadata?.deletionTimestamp)
        return undefined;
      const before = structuredClone(current);
      const done = progress.left === 0;
      setCondition(current, clock.now(), {
        type: 'Terminating',
        status: done ? 'False' : 'True',
        reason: done ? 'InstanceDeletionCompleted' : 'InstanceDeletionInProgress',
        message: done ? 'removed all instances' : 'CustomResource deletion is in progress',
      });
      if (done) {
        current.metadata.finalizers =
          current.metadata.finalizers?.filter((each) => each !== CLEANUP_FINALIZER) ?? [];
      }
      return identicalJson(before, current) ? undefined : current;
    });
  }
}
