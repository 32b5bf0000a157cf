import { LEASES } from '../../api/gen/resources.ts';
import type { Lease } from '../../api/gen/types/coordination-v1.ts';
import { rfc3339Micro, type Clock } from '../../base/clock.ts';
import { isAbort, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../client/errors.ts';

const NAMESPACE = 'kube-node-lease';
const DURATION_SECONDS = 40;
const RENEW_MS = 10_000;
const RETRY_MS = 500;

/** The node's heartbeat. Mirrors k8s.io/component-helpers/apimachinery/lease. */
export class NodeLease {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #nodeName: string;
  readonly #nodeUid: () => string | undefined;
  #lease: Lease | undefined;

  constructor(options: {
    client: Client;
    clock: Clock;
    log: Logger;
    nodeName: string;
    /** The node's uid once it is registered: it owns the lease. */
    nodeUid: () => string | undefined;
  }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#nodeName = options.nodeName;
    this.#nodeUid = options.nodeUid;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let ok = false;
      try {
        await this.renew();
        ok = true;
      } catch (error) {
        if (isAbort(error)) return;
        this.#log.warn({ error: messageOf(error) }, 'node lease not renewed, will retry');
      }
      await this.#clock.sleep(ok ? RENEW_MS : RETRY_MS, signal).catch(() => undefined);
    }
  }

  async renew(): Promise<void> {
    const known = this.#lease ?? (await this.#find());
    const wanted = this.#wanted(known);
    try {
      this.#lease = known
        ? await this.#client.update(LEASES, wanted)
        : await this.#client.create(LEASES, wanted);
    } catch (error) {
      // Read afresh the next time: another writer, or it is gone.
      if (isConflict(error) || isNotFound(error) || isAlreadyExists(error)) this.#lease = undefined;
      throw error;
    }
  }

  async #find(): Promise<Lease | undefined> {
    try {
      return await this.#client.get(LEASES, { namespace: NAMESPACE, name: this.#nodeName });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #wanted(known: Lease | undefined): Lease {
    const uid = this.#nodeUid();
    const owner = { apiVersion: 'v1', kind: 'Node', name: this.#nodeName, uid: uid ?? '' };
    const metadata = known?.metadata ?? { name: this.#nodeName, namespace: NAMESPACE };
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...metadata, ...(uid ? { ownerReferences: [owner] } : {}) },
      spec: {
        ...known?.spec,
        holderIdentity: this.#nodeName,
        leaseDurationSeconds: DURATION_SECONDS,
        renewTime: rfc3339Micro(this.#clock.now()),
      },
    };
  }
}
