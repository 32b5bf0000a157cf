import { APISERVICES, ENDPOINTSLICES, SERVICES } from '../../api/gen/resources.ts';
import type { APIService } from '../../api/gen/types/apiregistration-v1.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { rfc3339 } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { WorkQueue } from '../../base/work-queue.ts';
import type { ObjectFeed } from '../authz/object-feed.ts';
import type { RegistryEnv } from '../registry/registry-env.ts';
import { systemContext } from '../registry/system-context.ts';
import { updateObject } from '../registry/update.ts';
import { localCondition } from '../resources/apiregistration/apiservices.ts';
import { sameJson } from '../resources/validation/checks.ts';
import { StatusError } from '../status-errors.ts';
import { CallError } from '../webhook-client/call-error.ts';
import { checkAvailability } from './availability.ts';
import type { Finding } from './availability.ts';
import type { Backends } from './backend.ts';
import { fetchDocuments } from './remote-documents.ts';
import type { RemoteDocuments } from './remote-documents.ts';

/** Servers that answer now may not in a while, and their documents change. */
const RECHECK_MS = 30_000;

/** A group and version that another server serves. */
export interface RemoteApi {
  apiService: APIService;
  available: boolean;
  documents: RemoteDocuments | undefined;
}

export interface RemoteApisOptions {
  env: RegistryEnv;
  feed: ObjectFeed;
  backends: Backends;
  clock: Clock;
  log: Logger;
}

/** Follows APIServices: which are others', whether those can be used, and what they serve. */
export class RemoteApis {
  readonly #options: RemoteApisOptions;
  readonly #queue: WorkQueue;
  /** By 'group/version'. */
  readonly #remotes = new Map<string, RemoteApi>();
  readonly #names = new Map<string, string>();
  readonly #ends: Array<() => void> = [];
  #timer: Timer | undefined;
  #generation = 0;

  constructor(options: RemoteApisOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      clock: options.clock,
      workers: 4,
      process: (name) => this.#sync(name),
      onError: (name, error) =>
        options.log.warn({ apiService: name, error: messageOf(error) }, 'an APIService waits'),
    });
  }

  /** Changes whenever discovery or OpenAPI of others does. */
  get generation(): number {
    return this.#generation;
  }

  find(group: string, version: string): RemoteApi | undefined {
    return this.#remotes.get(`${group}/${version}`);
  }

  all(): RemoteApi[] {
    return [...this.#remotes.values()];
  }

  /** Names of those that cannot be used. */
  unavailable(): string[] {
    return this.all()
      .filter(({ available }) => !available)
      .map(({ apiService }) => apiService.metadata?.name ?? '');
  }

  start(): void {
    const { feed } = this.#options;
    this.#ends.push(
      feed.follow(APISERVICES, {
        set: (apiService) => this.#set(apiService),
        deleted: ({ metadata }) => this.#remove(metadata?.name ?? ''),
      }),
    );
    const service = (object: { metadata?: { namespace?: string; name?: string } }) =>
      this.#wakeService(object.metadata?.namespace ?? '', object.metadata?.name ?? '');
    const slice = (object: { metadata?: { namespace?: string; labels?: Record<string, string> } }) =>
      this.#wakeService(
        object.metadata?.namespace ?? '',
        object.metadata?.labels?.['kubernetes.io/service-name'] ?? '',
      );
    this.#ends.push(feed.follow(SERVICES, { set: service, deleted: service }));
    this.#ends.push(feed.follow(ENDPOINTSLICES, { set: slice, deleted: slice }));
    this.#plan();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    for (const end of this.#ends) end();
    await this.#queue.stop();
  }

  #plan(): void {
    this.#timer = this.#options.clock.after(RECHECK_MS, () => {
      for (const { apiService } of this.#remotes.values()) this.#queue.add(apiService.metadata?.name ?? '');
      this.#plan();
    });
  }

  #set(apiService: APIService): void {
    const name = apiService.metadata?.name ?? '';
    const { group = '', version = '', service } = apiService.spec ?? {};
    const key = `${group}/${version}`;
    const condition = apiService.status?.conditions?.find(({ type }) => type === 'Available');
    if (!service) {
      this.#remove(name);
      // It may have been another's before.
      if (condition?.reason !== 'Local') this.#queue.add(name);
      return;
    }
    const before = this.#remotes.get(key);
    const available = condition?.status === 'True';
    this.#names.set(name, key);
    this.#remotes.set(key, { apiService, available, documents: before?.documents });
    const isSame = before && sameJson(before.apiService.spec, apiService.spec);
    if (isSame && before.available === available) return;
    this.#generation += 1;
    this.#queue.add(name);
  }

  #remove(name: string): void {
    const key = this.#names.get(name);
    if (key === undefined) return;
    this.#names.delete(name);
    this.#remotes.delete(key);
    this.#generation += 1;
  }

  #wakeService(namespace: string, name: string): void {
    for (const { apiService } of this.#remotes.values()) {
      const service = apiService.spec?.service;
      if (service?.name === name && service.namespace === namespace) {
        this.#queue.add(apiService.metadata?.name ?? '');
      }
    }
  }

  async #sync(name: string): Promise<void> {
    const { env, backends, clock } = this.#options;
    const apiService = await env.store.getFresh(APISERVICES, name);
    if (!apiService) return;
    const finding = apiService.spec?.service
      ? await checkAvailability(apiService, env.store, backends)
      : localCondition(clock.now());
    await this.#writeStatus(apiService, finding);
    if (!apiService.spec?.service) return;
    if (finding.status === 'True') await this.#fetch(apiService);
    // Nothing tells when a server that is there begins to answer: it is tried again, ever more slowly.
    else if (finding.reason === 'FailedDiscoveryCheck') throw new CallError(finding.message ?? '');
  }

  async #fetch(apiService: APIService): Promise<void> {
    const { group = '', version = '' } = apiService.spec ?? {};
    const documents = await fetchDocuments(apiService, this.#options.backends);
    const remote = this.#remotes.get(`${group}/${version}`);
    if (!remote || sameJson(remote.documents, documents)) return;
    remote.documents = documents;
    this.#generation += 1;
  }

  async #writeStatus(apiService: APIService, finding: Finding): Promise<void> {
    const { env, clock } = this.#options;
    const served = env.table.get(APISERVICES);
    const params = {
      namespace: '',
      name: apiService.metadata?.name ?? '',
      context: systemContext(clock),
      dryRun: false,
      admission: false,
      manager: 'kube-apiserver',
      part: { type: 'part', name: 'status' } as const,
    };
    try {
      await updateObject(env, served, params, (current) => {
        const object = served.codec.clone(current) as APIService;
        // What was found holds for what was looked at.
        if (!sameJson(object.spec, apiService.spec)) return undefined;
        return withCondition(object, finding, rfc3339(clock.now())) ? object : undefined;
      });
    } catch (error) {
      if (!(error instanceof StatusError && error.reason === 'NotFound')) throw error;
    }
  }
}

/** Sets the condition; false where it says the same already. */
function withCondition(apiService: APIService, finding: Finding, now: string): boolean {
  const conditions = ((apiService.status ??= {}).conditions ??= []);
  const index = conditions.findIndex(({ type }) => type === 'Available');
  const before = conditions[index];
  const { status, reason = '', message = '' } = finding;
  if (before?.status === status && before.reason === reason && before.message === message) return false;
  const since = before?.status === status ? before.lastTransitionTime : undefined;
  const condition = { type: 'Available', status, lastTransitionTime: since ?? now, reason, message };
  if (index < 0) conditions.push(condition);
  else conditions[index] = condition;
  return true;
}
